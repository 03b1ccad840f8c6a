"""PID -> Patient, and which patient it is."""

from typing import Any

import pytest

from fhir_lab.documents import Resource
from tests.support.hl7v2_store import HEAD, ORDER, PATIENT, Store

RESULT = "OBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F"


def pid(**fields: str) -> str:
    usual = {1: "1", 3: "P1^^^HOSP^MR", 5: "Doe^Jane", 7: "19800101", 8: "F"}
    usual |= {int(name[1:]): text for name, text in fields.items()}
    return "PID|" + "|".join(usual.get(number, "") for number in range(1, max(usual) + 1))


def patient(*lines: str, **fields: str) -> Resource:
    store = Store()
    conversion = store.send(pid(**fields), *lines, ORDER, RESULT)
    assert conversion.reasons == []
    return store.one("Patient")


def send(store: Store, line: str, sent: str = "20250314120000+0100", head: str = HEAD) -> list[str]:
    """Send one result of the patient and return the codes of the reasons."""
    conversion = store.send(line, ORDER, RESULT, head=head.replace("20250314120000+0100", sent))
    return [reason.code for reason in conversion.reasons]


def test_a_full_pid_becomes_a_patient() -> None:
    found = patient(
        "PD1||||8^Family^Fred^^^^^^HOSP",
        "NK1|1|Doe^John|SPO^Spouse|Main St 1^^Springfield|^PRN^PH^^1^555^1|^WPN^PH^^1^555^2",
        p5="Doe&van^Jane^Maria^III^Dr^MD^L~Smith^Jane^^^^^M",
        p6="Miller^Mary",
        p7="198001010815",
        p9="Janie^J^^^^^N",
        p11="Main St 1&Main St&1^Apt 2^Springfield^IL^62701^USA^H^^Sangamon",
        p13="^PRN^PH^^1^555^5550101~^NET^Internet^jane@example.org",
        p14="^WPN^FX^^1^555^5550102^7",
        p15="en^English^ISO639",
        p16="M^Married^HL70002",
        p19="123-45-6789",
        p23="Springfield",
        p24="Y",
        p25="2",
        p29="20250101",
        p30="Y",
        p40="(555)123^PRS^CP",
    )
    names = [(name.get("use"), name["family"], name.get("given")) for name in found["name"]]
    assert names == [
        ("official", "Doe", ["Jane", "Maria"]),
        ("maiden", "Smith", ["Jane"]),
        ("nickname", "Janie", ["J"]),
    ]
    assert (found["name"][0]["prefix"], found["name"][0]["suffix"]) == (["Dr"], ["III", "MD"])
    assert found["birthDate"] == "1980-01-01"
    assert found["_birthDate"]["extension"][0]["valueDateTime"] == "1980-01-01T08:15:00+01:00"
    (place,) = found["address"]
    assert place == {
        "use": "home",
        "line": ["Main St 1 Main St 1", "Apt 2"],
        "city": "Springfield",
        "district": "Sangamon",
        "state": "IL",
        "postalCode": "62701",
        "country": "USA",
    }
    telecoms = [(each["system"], each["value"], each.get("use")) for each in found["telecom"]]
    assert telecoms == [
        ("phone", "+1 555 5550101", "home"),
        ("email", "jane@example.org", "home"),
        ("fax", "+1 555 5550102 x7", "work"),
        ("phone", "(555)123", "mobile"),
    ]
    assert found["communication"][0]["language"]["coding"][0]["code"] == "en"
    assert found["maritalStatus"]["coding"][0]["system"].endswith("v3-MaritalStatus")
    assert found["multipleBirthInteger"] == 2
    assert found["deceasedDateTime"] == "2025-01-01"
    assert "multipleBirthBoolean" not in found
    assert "deceasedBoolean" not in found
    numbers = [(each["system"], each["value"]) for each in found["identifier"]]
    assert numbers == [("urn:fhir-lab:namespace:HOSP", "P1"), ("urn:fhir-lab:sender:LAB:ss", "123-45-6789")]
    urls = [each["url"].rpartition("/")[2] for each in found["extension"]]
    assert urls == ["patient-mothersMaidenName", "patient-birthPlace", "urn:fhir-lab:sent"]
    (contact,) = found["contact"]
    assert contact["relationship"][0]["coding"][0]["code"] == "SPS"
    assert [each["use"] for each in contact["telecom"]] == ["home", "work"]
    assert found["generalPractitioner"][0]["display"] == "Fred Family"


@pytest.mark.parametrize(
    ("written", "gender"),
    [
        ("F", "female"), ("M", "male"), ("O", "other"), ("U", "unknown"), ("A", "other"), ("N", "other"),
        ("X", "other"), ("Female", "female"), ("m", "male"), ("", None), ("7", None),
    ],
)  # fmt: skip
def test_the_sex_of_table_0001(written: str, gender: str | None) -> None:
    assert patient(p8=written).get("gender") == gender


@pytest.mark.parametrize(
    ("fields", "element"),
    [
        ({"p30": "Y"}, {"deceasedBoolean": True}),
        ({"p30": "N"}, {"deceasedBoolean": False}),
        ({"p24": "Y"}, {"multipleBirthBoolean": True}),
        ({"p7": "1980"}, {"birthDate": "1980"}),
        ({"p7": "198002"}, {"birthDate": "1980-02"}),
        ({"p5": "^^^^^^S"}, {}),
    ],
)
def test_a_partial_pid_says_what_it_says(fields: dict[str, str], element: dict[str, Any]) -> None:
    found = patient(**fields)
    assert {name: found[name] for name in element} == element
    if "p5" in fields:
        assert "name" not in found


@pytest.mark.parametrize("written", ["19801301", "00000000", "19000000000000", "1.1.1980"])
def test_an_impossible_birth_date_is_left_out_and_told(written: str) -> None:
    store = Store()
    conversion = store.send(pid(p7=written), ORDER, RESULT)
    found = store.one("Patient")
    assert "birthDate" not in found
    assert found["_birthDate"]["extension"][0]["valueCode"] == "unknown"
    assert conversion.warnings == [f"PID[1] PID-7: '{written}' is not a date or time; it was left out."]


@pytest.mark.parametrize(
    ("fields", "system", "value"),
    [
        ({"p3": "7^^^HOSP&1.2.3.4&ISO^MR"}, "urn:oid:1.2.3.4", "7"),
        ({"p3": "7^^^HOSP^MR"}, "urn:fhir-lab:namespace:HOSP", "7"),
        ({"p3": "7^^^^MR"}, "urn:fhir-lab:sender:LAB:mr", "7"),
        ({"p3": "7"}, "urn:fhir-lab:sender:LAB:patient", "7"),
        ({"p3": "", "p2": "7"}, "urn:fhir-lab:sender:LAB:external", "7"),
        ({"p3": "", "p4": "7"}, "urn:fhir-lab:sender:LAB:alternate", "7"),
    ],
)
def test_a_number_belongs_to_its_authority_else_to_the_sender(fields: dict[str, str], system: str, value: str) -> None:
    (found,) = patient(**fields)["identifier"]
    assert (found["system"], found["value"]) == (system, value)


def test_one_number_without_authority_from_two_senders_is_two_patients() -> None:
    store = Store()
    line = pid(p3="7^^^^MR")
    send(store, line)
    send(store, line, head=HEAD.replace("|LAB|", "|OTHER|"))
    assert len(store.of("Patient")) == 2


def test_one_number_of_one_authority_from_two_senders_is_one_patient() -> None:
    store = Store()
    line = pid(p3="7^^^HOSP&1.2.3.4&ISO^MR")
    send(store, line)
    send(store, line, head=HEAD.replace("|LAB|", "|OTHER|"))
    assert len(store.of("Patient")) == 1


def test_a_patient_is_matched_by_any_number() -> None:
    store = Store()
    send(store, pid(p3="1^^^A^MR~2^^^B^PI"))
    assert send(store, pid(p3="2^^^B^PI~3^^^C^PI")) == []
    numbers = [each["value"] for each in store.one("Patient")["identifier"]]
    assert numbers == ["1", "2", "3"]


def test_numbers_of_two_patients_are_for_a_person_to_decide() -> None:
    store = Store()
    send(store, pid(p3="1^^^A^MR"))
    store.send(pid(p3="2^^^B^MR"), ORDER.replace("F1", "F2"), RESULT)
    assert send(store, pid(p3="1^^^A^MR~2^^^B^MR")) == ["patient-ambiguous"]
    assert len(store.of("Patient")) == 2


@pytest.mark.parametrize(
    ("name", "birth", "held"),
    [("Doe^J", "19800101", False), ("Roe^Jane", "19800101", True), ("Doe^Jane", "", True), ("", "19800101", True)],
)
def test_another_number_of_the_same_kind_needs_the_same_name_and_birth_date(name: str, birth: str, held: bool) -> None:
    store = Store()
    send(store, pid(p3="1^^^A^MR~9^^^NAT^NI"))
    line = pid(p3="2^^^A^MR~9^^^NAT^NI", p5=name, p7=birth)
    assert send(store, line) == (["patient-ambiguous"] if held else [])
    assert len(store.of("Patient")) == 1


def test_an_account_number_is_kept_but_matches_nobody() -> None:
    store = Store()
    send(store, pid(p3="1^^^A^MR~77^^^A^AN"))
    store.send(pid(p3="2^^^A^MR~77^^^A^AN"), ORDER.replace("F1", "F2"), RESULT)
    assert len(store.of("Patient")) == 2
    assert send(Store(), pid(p3="77^^^A^AN")) == ["patient-identifier-missing"]


def test_the_same_number_of_another_kind_is_another_patient() -> None:
    store = Store()
    send(store, pid(p3="1^^^A^MR~77^^^A^AN"))
    store.send(pid(p3="77^^^A^MR"), ORDER.replace("F1", "F2"), RESULT)
    assert len(store.of("Patient")) == 2


def test_a_social_security_number_matches_only_where_nothing_else_does() -> None:
    store = Store()
    send(store, pid(p3="1^^^A^MR~999999999^^^SSA^SS"))
    store.send(pid(p3="2^^^A^MR~999999999^^^SSA^SS"), ORDER.replace("F1", "F2"), RESULT)
    assert len(store.of("Patient")) == 2
    alone = Store()
    assert send(alone, pid(p3="999999999^^^SSA^SS")) == []
    assert send(alone, pid(p3="999999999^^^SSA^SS")) == []
    assert len(alone.of("Patient")) == 1


@pytest.mark.parametrize(
    ("name", "birth", "held"),
    [
        ("Doe^Jane", "19800101", False),
        ("Smith^Jane", "19800101", False),
        ("Doe^Jane", "19810101", False),
        ("Smith^Jane", "19810101", True),
        ("DOE^J", "19810101", False),
        ("", "19810101", False),
    ],
)
def test_a_number_whose_name_and_birth_date_both_differ_is_held_back(name: str, birth: str, held: bool) -> None:
    store = Store()
    send(store, pid())
    found = send(store, pid(p5=name, p7=birth), sent="20250315120000")
    assert found == (["patient-differs"] if held else [])


def test_a_merged_patient_leads_to_the_survivor() -> None:
    store = Store()
    send(store, pid())
    merged = store.one("Patient")
    survivor = {"resourceType": "Patient", "id": "survivor", "meta": {"versionId": "1"}}
    store.resources["Patient/survivor"] = survivor
    merged["link"] = [{"other": {"reference": "Patient/survivor"}, "type": "replaced-by"}]
    store.send(pid(), ORDER.replace("F1", "F2"), RESULT)
    subjects = {found["subject"]["reference"] for found in store.of("DiagnosticReport")}
    assert subjects == {f"Patient/{merged['id']}", "Patient/survivor"}


def test_a_changed_name_arrives_and_what_is_left_out_stays() -> None:
    store = Store()
    send(store, pid(p13="^PRN^PH^^1^555^1", p16="S"))
    send(store, pid(p5="Smith^Jane", p8=""), sent="20250315120000")
    found = store.one("Patient")
    assert found["name"] == [{"family": "Smith", "given": ["Jane"]}]
    assert found["gender"] == "female"
    assert found["telecom"][0]["value"] == "+1 555 1"
    assert found["meta"]["versionId"] == "2"


def test_an_older_message_does_not_bring_back_the_old_name() -> None:
    store = Store()
    send(store, pid(p5="Smith^Jane"), sent="20250315120000")
    send(store, pid(p5="Doe^Jane"), sent="20250314120000")
    assert store.one("Patient")["name"][0]["family"] == "Smith"


def test_null_deletes() -> None:
    store = Store()
    send(store, pid(p13="^PRN^PH^^1^555^1"))
    send(store, pid(p13='""', p8='""'), sent="20250315120000")
    found = store.one("Patient")
    assert "telecom" not in found
    assert "gender" not in found


def test_what_others_know_of_the_patient_stays() -> None:
    store = Store()
    send(store, pid())
    stored = store.one("Patient")
    stored |= {"active": True, "photo": [{"title": "face"}]}
    stored["meta"]["security"] = [{"code": "R"}]
    send(store, pid(p5="Smith^Jane"), sent="20250315120000")
    found = store.one("Patient")
    assert (found["active"], found["photo"], found["meta"]["security"]) == (True, [{"title": "face"}], [{"code": "R"}])


def test_the_same_again_makes_no_new_version() -> None:
    store = Store()
    send(store, pid())
    send(store, pid(), sent="20250315120000")
    assert store.one("Patient")["meta"]["versionId"] == "1"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "patient-missing"),
        ([pid(p3="")], "patient-identifier-missing"),
        ([pid(p3='""')], "patient-identifier-missing"),
    ],
)
def test_no_patient_is_ever_invented(lines: list[str], code: str) -> None:
    store = Store()
    conversion = store.send(*lines, ORDER, RESULT, RESULT)
    assert [reason.code for reason in conversion.reasons] == [code]
    assert (conversion.obx_stored, conversion.obx_quarantined) == (0, 2)
    assert store.resources == {}


def test_two_patients_in_one_message_stay_apart() -> None:
    store = Store()
    conversion = store.send(
        pid(p3="1^^^A^MR"),
        ORDER,
        RESULT,
        pid(p3=""),
        ORDER,
        RESULT,
        pid(p3="2^^^A^MR"),
        ORDER.replace("F1", "F2"),
        RESULT,
    )
    assert [reason.code for reason in conversion.reasons] == ["patient-identifier-missing"]
    assert (conversion.obx_stored, conversion.obx_quarantined) == (2, 1)
    subjects = {found["subject"]["reference"] for found in store.of("Observation")}
    assert subjects == {f"Patient/{found['id']}" for found in store.of("Patient")}
    assert len(subjects) == 2


def test_the_same_patient_twice_in_one_message_is_one() -> None:
    store = Store()
    store.send(PATIENT, ORDER, RESULT, PATIENT, ORDER.replace("F1", "F2"), RESULT)
    assert len(store.of("Patient")) == 1
    assert len(store.of("DiagnosticReport")) == 2


@pytest.mark.parametrize("number", ["P1^^^HOSP^MR", "\\R\\1^^^HOSP^MR", "a,b|c^^^X,Y^MR"])
def test_any_number_finds_its_patient_again(number: str) -> None:
    store = Store()
    send(store, pid(p3=number.replace("|", "\\F\\")))
    send(store, pid(p3=number.replace("|", "\\F\\"), p5="Smith^Jane"), sent="20250315120000")
    assert store.one("Patient")["name"][0]["family"] == "Smith"
