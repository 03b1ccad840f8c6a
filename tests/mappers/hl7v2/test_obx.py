"""OBX: everything around the value, and the results that are held back."""

from typing import Any

import pytest

from tests.support.hl7v2_store import HEAD, ORDER, PATIENT, Store

V2 = "http://terminology.hl7.org/CodeSystem/v2-"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def with_fields(**fields: str) -> str:
    """An OBX with these fields, such as `f14="2025"`, over a plain numeric result."""
    usual = {1: "1", 2: "NM", 3: "2345-7^Glucose^LN", 5: "95", 11: "F"}
    usual |= {int(name[1:]): text for name, text in fields.items()}
    return "OBX|" + "|".join(usual.get(number, "") for number in range(1, max(usual) + 1))


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("F", "final"), ("P", "preliminary"), ("C", "corrected"), ("A", "amended"), ("X", "cancelled"),
        ("D", "entered-in-error"), ("W", "entered-in-error"), ("B", "amended"), ("I", "registered"), ("N", "unknown"),
        ("O", "registered"), ("R", "preliminary"), ("S", "preliminary"), ("U", "final"), ("V", "final"),
        ("f", "final"), ("F^Final", "final"), ("C^R", "corrected"), ("Z", "unknown"),
    ],
)  # fmt: skip
def test_table_0085_becomes_the_status(written: str, status: str) -> None:
    assert Store().result(with_fields(f11=written))["status"] == status


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ("F", "final"), ("P", "preliminary"), ("R", "preliminary"), ("A", "preliminary"), ("C", "corrected"),
        ("X", "cancelled"), ("O", "registered"), ("", "unknown"),
    ],
)  # fmt: skip
def test_an_empty_status_is_that_of_the_report(report: str, status: str) -> None:
    store = Store()
    store.send(PATIENT, ORDER[:-1] + report, with_fields(f11=""))
    assert store.one("Observation")["status"] == status


def test_an_unknown_status_is_told() -> None:
    assert Store().send(PATIENT, ORDER, with_fields(f11="Q")).warnings == [
        "OBX[1] OBX-11: 'Q' is no status of table 0085; the status is unknown."
    ]


def test_a_cancelled_result_says_its_original_status() -> None:
    (extension,) = Store().result(with_fields(f5="", f11="X"))["_status"]["extension"]
    assert extension["valueCodeableConcept"]["coding"] == [{"system": f"{V2}0085", "code": "X"}]


def test_the_result_of_a_laboratory_is_laboratory() -> None:
    (category,) = Store().result(with_fields())["category"]
    assert category["coding"][0]["code"] == "laboratory"


def test_all_codings_are_kept_in_their_order() -> None:
    found = Store().result(with_fields(f3="GLU^Glucose^L^2345-7^Glucose [Mass]^LN^^2.77"))["code"]
    assert found["coding"] == [
        {"system": "urn:fhir-lab:sender:LAB:codes:L", "code": "GLU", "display": "Glucose"},
        {"system": "http://loinc.org", "version": "2.77", "code": "2345-7", "display": "Glucose [Mass]"},
    ]


@pytest.mark.parametrize(
    ("own", "order", "specimen", "expected"),
    [
        ("20250314091500", "20250314080000", "", "2025-03-14T09:15:00+01:00"),
        ("", "20250314080000", "20250314070000", "2025-03-14T08:00:00+01:00"),
        ("", "", "20250314070000", "2025-03-14T07:00:00+01:00"),
        ("20250314", "20250314080000", "", "2025-03-14"),
        ("20251332", "20250314080000", "", None),
        ("", "20251332", "", None),
        ("", "", "", None),
    ],
)
def test_the_time_is_the_results_else_the_orders_else_the_specimens(
    own: str, order: str, specimen: str, expected: str | None
) -> None:
    store = Store()
    obr = f"OBR|1||F1^LIS|58410-2^CBC^LN|||{order}||||||||||||||||||F"
    spm = f"SPM|1|S1||BLD|||||||||||||{specimen}"
    store.send(PATIENT, obr, spm, with_fields(f14=own))
    found = store.one("Observation")
    assert found.get("effectiveDateTime") == expected
    if expected is None:
        assert found["_effectiveDateTime"]["extension"][0]["valueCode"] == "unknown"


def test_a_collection_that_took_time_is_a_period() -> None:
    store = Store()
    store.send(PATIENT, "OBR|1||F1|a^b^LN|||20250314080000|20250315080000|||||||||||||||||F", with_fields())
    period = {"start": "2025-03-14T08:00:00+01:00", "end": "2025-03-15T08:00:00+01:00"}
    assert store.one("Observation")["effectivePeriod"] == period
    assert store.one("DiagnosticReport")["effectivePeriod"] == period


@pytest.mark.parametrize(
    ("issued", "analysed", "expected"),
    [
        ("20250314110000", "20250314103000", "2025-03-14T11:00:00+01:00"),
        ("", "20250314103000", "2025-03-14T10:30:00+01:00"),
        ("20250314", "", None),
    ],
)
def test_issued_is_a_full_instant_or_absent(issued: str, analysed: str, expected: str | None) -> None:
    store = Store()
    store.send(PATIENT, f"OBR|1||F1|a^b^LN||||||||||||||||||{issued}|||F", with_fields(f19=analysed))
    assert store.one("Observation").get("issued") == expected


def test_the_time_of_analysis_is_kept() -> None:
    found = Store().result(with_fields(f19="20250314103000"))["extension"]
    url = "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time"
    assert {"url": url, "valueDateTime": "2025-03-14T10:30:00+01:00"} in found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("H", [{"coding": [{"system": INTERPRETATION, "code": "H", "display": "High"}]}]),
        ("HIGH", [{"coding": [{"system": INTERPRETATION, "code": "H", "display": "High"}]}]),
        ("h", [{"coding": [{"system": INTERPRETATION, "code": "H", "display": "High"}]}]),
        ("A^Abnormal^HL70078", [{"coding": [{"system": INTERPRETATION, "code": "A", "display": "Abnormal"}]}]),
        (
            "H~A",
            [
                {"coding": [{"system": INTERPRETATION, "code": "H", "display": "High"}]},
                {"coding": [{"system": INTERPRETATION, "code": "A", "display": "Abnormal"}]},
            ],
        ),
        (
            "POS^Positive^HL70078^10828004^Positive^SCT^^^1:640",
            [
                {
                    "coding": [
                        {"system": INTERPRETATION, "code": "POS", "display": "Positive"},
                        {"system": "http://snomed.info/sct", "code": "10828004", "display": "Positive"},
                    ],
                    "text": "1:640",
                }
            ],
        ),
        ("H*", [{"text": "H*"}]),
        ("+", [{"text": "+"}]),
        (
            "QUES^Questionable^99LAB",
            [
                {
                    "coding": [
                        {
                            "system": "urn:fhir-lab:sender:LAB:codes:99LAB",
                            "code": "QUES",
                            "display": "Questionable",
                        }
                    ]
                }
            ],
        ),
        ("null^No range defined^HL70078", None),
        ("", None),
    ],
)
def test_flags_become_interpretations(written: str, expected: list[dict[str, Any]] | None) -> None:
    assert Store().result(with_fields(f8=written)).get("interpretation") == expected


def test_susceptibility_sent_as_the_value_is_an_interpretation_too() -> None:
    found = Store().result(with_fields(f2="CWE", f5="R^Resistant^HL70078"))
    assert found["interpretation"][0]["coding"][0]["code"] == "R"
    assert found["valueCodeableConcept"]["coding"][0]["system"] == f"{V2}0078"


def test_who_measured_how_where_and_with_what() -> None:
    store = Store()
    found = store.result(
        with_fields(
            f16="77^Tech^Tina^^^^^^LIS&1.2.3.4.5&ISO",
            f17="PCR^Polymerase chain reaction^L",
            f18="SN123^XN-1000",
            f20="368208006^Left arm^SCT",
            f23="Core Lab^^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^11D0000001",
            f24="Lab St 1^^Springfield^IL^62701",
            f25="1234567893^Boss^Bea^^^^^^NPI^^^^NPI",
        )
    )
    device = store.one("Device")
    (organization,) = [found for found in store.of("Organization") if found["name"] == "Core Lab"]
    people = {person["name"][0]["family"]: person for person in store.of("Practitioner")}
    assert found["device"] == {"reference": f"Device/{device['id']}", "display": "XN-1000"}
    assert device["identifier"] == [{"system": "urn:fhir-lab:namespace:XN-1000", "value": "SN123"}]
    assert found["method"]["coding"][0]["code"] == "PCR"
    assert found["bodySite"]["coding"][0]["code"] == "368208006"
    assert organization["identifier"] == [{"system": "urn:oid:2.16.840.1.113883.4.7", "value": "11D0000001"}]
    assert organization["address"][0]["city"] == "Springfield"
    assert people["Tech"]["identifier"] == [{"system": "urn:oid:1.2.3.4.5", "value": "77"}]
    assert people["Boss"]["identifier"] == [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}]
    references = [performer["reference"] for performer in found["performer"]]
    assert references == [
        f"Practitioner/{people['Tech']['id']}",
        f"Organization/{organization['id']}",
        f"Practitioner/{people['Boss']['id']}",
    ]
    role = found["performer"][2]["extension"][0]["valueCodeableConcept"]["coding"][0]
    assert (role["system"], role["code"]) == (f"{V2}0912", "MDIR")
    assert store.one("DiagnosticReport")["performer"][0]["display"] == "Core Lab"


def test_people_without_a_number_are_only_named() -> None:
    store = Store()
    found = store.result(with_fields(f15="^Annex lab", f16="^Tech^Tina"))
    assert found["performer"] == [{"display": "Tina Tech"}, {"display": "Annex lab"}]
    assert store.of("Practitioner") == []


def test_the_producer_is_a_logical_reference() -> None:
    found = Store().result(with_fields(f15="MCOE^Rose Medical Center^L"))
    identifier = {"system": "urn:fhir-lab:sender:LAB:codes:L", "value": "MCOE"}
    assert found["performer"] == [{"type": "Organization", "identifier": identifier, "display": "Rose Medical Center"}]


def test_a_participant_gives_the_device_and_performer() -> None:
    store = Store()
    found = store.result(with_fields(), "PRT|1|AD||RE|5^Nurse^Nina|||||DEV7^Meter")
    assert found["performer"][0]["display"] == "Nina Nurse"
    assert found["device"]["reference"] == f"Device/{store.one('Device')['id']}"


def test_the_sub_id_and_the_instance_number_are_kept() -> None:
    found = Store().result(with_fields(f4="1.2^3^4^x", f21="R77^LIS"))
    assert [part.get("value") for part in found["identifier"]] == ["R77", "LAB/F1%40LIS/58410-2//id~R77"]
    assert found["identifier"][0]["type"]["coding"][0]["code"] == "FILL"
    (sub_id,) = [part for part in found["extension"] if part["url"].endswith("v2-subid")]
    parts = {part["url"]: part.get("valueString") or str(part["valueDecimal"]) for part in sub_id["extension"]}
    assert parts == {"original-sub-identifier": "1.2", "group": "3", "sequence": "4", "identifier": "x"}


def test_equal_codes_are_told_apart_by_sub_id_and_place() -> None:
    store = Store()
    store.send(PATIENT, ORDER, with_fields(), with_fields(f5="96"), with_fields(f4="2", f5="97"))
    keys = sorted(found["identifier"][0]["value"].split("//")[1] for found in store.of("Observation"))
    assert keys == ["2345-7~LN", "2345-7~LN/2", "2345-7~LN~2"]


def test_notes_are_joined_and_blank_lines_stay() -> None:
    found = Store().result(with_fields(), "NTE|1|L|one~two", "NTE|2|L|", "NTE|3|L|three")
    assert found["note"] == [{"text": "one\ntwo\n\nthree"}]


def test_a_note_of_somebody_else_is_another_note() -> None:
    found = Store().result(
        with_fields(), "NTE|1|L|one", "NTE|2|L|two|RE|5^Tech^Tina|20250314", "NTE|3|L|three", "NTE|4|L|   "
    )
    assert found["note"] == [{"text": "one"}, {"authorString": "Tina Tech", "time": "2025-03-14", "text": "two\nthree"}]


def test_the_specimen_is_the_one_named_else_the_only_one() -> None:
    store = Store()
    store.send(
        PATIENT, ORDER, with_fields(f33="^S2&LIS"), with_fields(f3="b^b^L"), with_fields(f3="c^c^L", f33="P9&EHR"),
        "SPM|1|^S1&LIS", "SPM|2|^S2&LIS",
    )  # fmt: skip
    named = {found["identifier"][0]["value"]: found["id"] for found in store.of("Specimen")}
    specimens = {found["code"]["coding"][0]["code"]: found.get("specimen") for found in store.of("Observation")}
    assert specimens["2345-7"] == {"reference": f"Specimen/{named['S2']}"}
    assert specimens["b"] is None
    assert specimens["c"] is not None
    assert specimens["c"]["identifier"]["value"] == "P9"


def test_a_test_message_marks_what_it_writes() -> None:
    store = Store()
    store.send(PATIENT, ORDER, with_fields(), head=HEAD.replace("|P|", "|T|"))
    tag = {"system": f"{V2}0103", "code": "T", "display": "Training"}
    for resource_type in ("Patient", "ServiceRequest", "DiagnosticReport", "Observation"):
        assert store.one(resource_type)["meta"]["tag"] == [tag]


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ("OBX|1|NM|||5||||||F", "code-missing", "OBX-3"),
        ("OBX|1|NM|^^LN||5||||||F", "code-missing", "OBX-3"),
        ("OBX|1|ED|x^x^L||^application^pdf^Base64^@@@||||||F", "attachment-unreadable", "OBX-5"),
        ("OBX|1|FT|x^x^L||one\ntwo|three\nfour||||||F", "broken-line", "OBX-5"),
    ],
)
def test_what_cannot_be_stored_is_held_back_alone(line: str, code: str, field: str) -> None:
    store = Store()
    conversion = store.send(PATIENT, ORDER, line, with_fields())
    (reason,) = conversion.reasons
    assert (reason.code, reason.segment, reason.field) == (code, "OBX[1]", field)
    assert reason.allowed
    assert reason.repair
    assert (conversion.obx_in, conversion.obx_stored, conversion.obx_quarantined) == (2, 1, 1)
    assert store.one("DiagnosticReport")["result"] == [{"reference": f"Observation/{store.one('Observation')['id']}"}]
