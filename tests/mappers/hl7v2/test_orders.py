"""ORC, OBR, SPM, PV1 and NTE: requests, reports, specimens, visits, and where notes stand."""

import pytest

from tests.support.hl7v2_store import HEAD, ORDER, PATIENT, Store

V2 = "http://terminology.hl7.org/CodeSystem/v2-"
RESULT = "OBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F"
NOTE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


def obr(**fields: str) -> str:
    usual = {1: "1", 3: "F1^LIS", 4: "58410-2^CBC^LN", 7: "20250314100000", 22: "20250314110000", 25: "F"}
    usual |= {int(name[1:]): text for name, text in fields.items()}
    return "OBR|" + "|".join(usual.get(number, "") for number in range(1, max(usual) + 1))


def stored(*lines: str) -> Store:
    store = Store()
    conversion = store.send(PATIENT, *lines)
    assert conversion.reasons == []
    return store


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("O", "registered"), ("I", "registered"), ("S", "registered"), ("A", "partial"), ("P", "preliminary"),
        ("R", "partial"), ("F", "final"), ("C", "corrected"), ("X", "cancelled"), ("M", "preliminary"),
        ("N", "registered"), ("f", "final"), ("F^F", "final"), ("D", "entered-in-error"), ("HM", "final"),
        ("", "final"),
    ],
)  # fmt: skip
def test_table_0123_becomes_the_status_of_the_report(written: str, status: str) -> None:
    assert stored(obr(f25=written), RESULT).one("DiagnosticReport")["status"] == status


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ("FF", "final"), ("FP", "partial"), ("PP", "preliminary"), ("FC", "corrected"), ("CP", "partial"),
        ("FA", "amended"), ("XX", "cancelled"), ("FX", "final"), ("DD", "entered-in-error"), ("II", "preliminary"),
        ("NN", "unknown"), ("", "unknown"),
    ],
)  # fmt: skip
def test_without_obr_25_the_results_tell(results: str, status: str) -> None:
    lines = [RESULT[:-1] + code for code in results]
    assert stored(obr(f25=""), *lines).one("DiagnosticReport")["status"] == status


@pytest.mark.parametrize(("code", "status"), [("C", "corrected"), ("A", "amended"), ("F", "final"), ("P", "final")])
def test_a_corrected_result_corrects_its_final_report(code: str, status: str) -> None:
    assert stored(obr(), RESULT, RESULT[:-1] + code).one("DiagnosticReport")["status"] == status


@pytest.mark.parametrize("written", ["Y", "Z"])
def test_a_query_status_is_held_back(written: str) -> None:
    conversion = Store().send(PATIENT, obr(f25=written), RESULT, obr(f3="F2"), RESULT)
    assert [(reason.code, reason.segment, reason.field) for reason in conversion.reasons] == [
        ("report-status", "OBR[1]", "OBR-25")
    ]
    assert (conversion.obx_stored, conversion.obx_quarantined) == (1, 1)


def test_a_report_has_its_numbers_category_times_and_results() -> None:
    store = stored("ORC|RE|P9^EHR|F1^LIS|G5^EHR", obr(f2="P9^EHR", f24="MB", f32="5&Path&Pia&&&Dr"), RESULT)
    report, request = store.one("DiagnosticReport"), store.one("ServiceRequest")
    types = [each.get("type", {}).get("coding", [{}])[0].get("code") for each in report["identifier"]]
    assert types == ["FILL", "PLAC", "PGN", None]
    assert [each["value"] for each in report["identifier"]] == ["F1", "P9", "G5", "LAB/F1%40LIS/58410-2"]
    assert [each["coding"][0]["code"] for each in report["category"]] == ["LAB", "MB"]
    assert report["effectiveDateTime"] == "2025-03-14T10:00:00+01:00"
    assert report["issued"] == "2025-03-14T11:00:00+01:00"
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{request['id']}"}]
    assert report["result"] == [{"reference": f"Observation/{store.one('Observation')['id']}"}]
    assert report["resultsInterpreter"][0]["display"] == "Dr Pia Path"
    assert request["requisition"]["value"] == "G5"


@pytest.mark.parametrize(
    ("section", "codes"), [("", ["LAB"]), ("LAB", ["LAB"]), ("hm", ["LAB", "HM"]), ("own", ["LAB"])]
)
def test_the_section_is_a_second_category(section: str, codes: list[str]) -> None:
    categories = stored(obr(f24=section), RESULT).one("DiagnosticReport")["category"]
    assert [each["coding"][0]["code"] for each in categories if "coding" in each] == codes


@pytest.mark.parametrize(
    ("orc", "report", "status"),
    [
        ("ORC|RE||||CM", "P", "completed"), ("ORC|RE||||IP", "F", "active"), ("ORC|RE||||CA", "F", "revoked"),
        ("ORC|RE||||DC", "F", "revoked"), ("ORC|RE||||RP", "F", "revoked"), ("ORC|RE||||HD", "F", "on-hold"),
        ("ORC|RE||||ER", "F", "entered-in-error"), ("ORC|RE||||SC", "F", "active"), ("ORC|NW", "F", "active"),
        ("ORC|OC", "F", "revoked"), ("ORC|OH", "F", "on-hold"), ("ORC|FU", "P", "completed"),
        ("ORC|RE", "F", "completed"),
        ("ORC|RE", "P", "active"), ("ORC|RE", "X", "revoked"), ("ORC|SC||||??", "F", "completed"),
    ],
)  # fmt: skip
def test_the_status_of_the_request(orc: str, report: str, status: str) -> None:
    assert stored(orc, obr(f25=report), RESULT).one("ServiceRequest")["status"] == status


@pytest.mark.parametrize(
    ("line", "priority"),
    [
        (obr(f5="S"), "stat"), (obr(f5="A"), "asap"), (obr(f5="R"), "routine"), (obr(f27="1^^^^^S"), "stat"),
        (obr(f5="P"), None), (obr(), None),
    ],
)  # fmt: skip
def test_the_priority_of_the_request(line: str, priority: str | None) -> None:
    assert stored(line, RESULT).one("ServiceRequest").get("priority") == priority


def test_a_request_says_what_the_order_says() -> None:
    store = stored(
        "ORC|NW|P9^EHR||||||20250313|20250313080000|||77^Orderer^Olga",
        "NTE|1||please hurry",
        obr(f2="P9^EHR", f6="20250314", f11="G", f13="fasting", f31="R73^Glucose^I10"),
        "TQ1|1||||||||A",
        RESULT,
    )
    request = store.one("ServiceRequest")
    assert (request["intent"], request["priority"]) == ("reflex-order", "asap")
    assert request["authoredOn"] == "2025-03-13T08:00:00+01:00"
    assert request["occurrenceDateTime"] == "2025-03-14"
    assert request["reasonCode"][0]["coding"][0] == {
        "system": "http://hl7.org/fhir/sid/icd-10",
        "code": "R73",
        "display": "Glucose",
    }
    assert request["requester"] == {
        "reference": f"Practitioner/{store.one('Practitioner')['id']}",
        "display": "Olga Orderer",
    }
    assert request["note"] == [{"text": "please hurry"}, {"text": "fasting"}]


def test_the_orderer_of_obr_16_and_the_ordering_facility_are_the_last_resort() -> None:
    assert stored(obr(f16="77^Orderer^Olga"), RESULT).one("ServiceRequest")["requester"]["display"] == "Olga Orderer"
    line = "ORC|RE||||||||||||||||||||Ward 5"
    assert stored(line, obr(), RESULT).one("ServiceRequest")["requester"] == {"display": "Ward 5"}


def test_an_order_placed_by_others_is_referred_to_and_left_alone() -> None:
    store = stored(obr(), RESULT)
    patient = store.one("Patient")
    placed = {
        "resourceType": "ServiceRequest",
        "id": "placed",
        "meta": {"versionId": "1"},
        "identifier": [{"system": "urn:fhir-lab:namespace:EHR", "value": "P9"}],
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient['id']}"},
    }
    store.resources["ServiceRequest/placed"] = placed
    store.send(PATIENT, obr(f2="P9^EHR", f3="F7^LIS"), RESULT)
    assert store.resources["ServiceRequest/placed"] == placed
    (report,) = [each for each in store.of("DiagnosticReport") if each["identifier"][0]["value"] == "F7"]
    assert report["basedOn"] == [{"reference": "ServiceRequest/placed"}]


@pytest.mark.parametrize("changed", ["order", "specimen"])
def test_an_order_or_specimen_of_another_patient_is_held_back(changed: str) -> None:
    store = stored(obr(), RESULT, "SPM|1|^S1&LIS||BLD")
    other = PATIENT.replace("P1", "P2")
    line = obr() if changed == "order" else obr(f3="F2^LIS")
    conversion = store.send(other, line, RESULT, "SPM|1|^S1&LIS||BLD", obr(f3="F3^LIS"), RESULT)
    assert [reason.code for reason in conversion.reasons] == ["other-patient"]
    assert (conversion.obx_stored, conversion.obx_quarantined) == (1, 1)
    assert {each["value"] for each in store.one("Specimen")["identifier"]} == {"S1"}


def test_without_any_number_the_same_message_is_still_the_same_report() -> None:
    store = Store()
    for _ in range(2):
        store.send(PATIENT, obr(f3="", f7=""), RESULT)
    assert "basedOn" not in store.one("DiagnosticReport")
    assert store.of("ServiceRequest") == []
    store.send(PATIENT, obr(f3="", f7=""), RESULT, head=HEAD.replace("R01|1|P", "R01|2|P"))
    assert len(store.of("DiagnosticReport")) == 2


@pytest.mark.parametrize(
    ("first", "second", "reports"),
    [
        (obr(), obr(f4="2345-7^Glucose^LN"), 2),
        (obr(), obr(f26="600-7^1"), 2),
        (obr(), obr(), 2),
        (obr(f2="P9", f3=""), obr(f2="P8", f3=""), 2),
    ],
)
def test_one_filler_number_may_be_several_reports(first: str, second: str, reports: int) -> None:
    assert len(stored(first, RESULT, second, RESULT).of("DiagnosticReport")) == reports


def test_obr_3_lends_its_authority_from_orc_3() -> None:
    store = stored("ORC|RE||F1^LIS", obr(f3="F1"), RESULT)
    store.send(PATIENT, obr(f3="F1^LIS"), RESULT)
    assert len(store.of("DiagnosticReport")) == 1


def test_a_report_without_a_test_has_an_absent_code() -> None:
    code = stored(obr(f4=""), RESULT).one("DiagnosticReport")["code"]
    assert code["extension"][0]["valueCode"] == "unknown"


def test_a_report_whose_results_are_all_held_back_is_not_stored() -> None:
    store = Store()
    conversion = store.send(PATIENT, obr(), "OBX|1|NM|||5||||||F")
    assert [reason.code for reason in conversion.reasons] == ["code-missing"]
    assert store.of("DiagnosticReport") == []


def test_answers_asked_at_order_entry_support_the_request() -> None:
    store = stored(obr(), RESULT, f"OBX|2|NM|8339-4^Weight^LN||3|kg|||||F{'|' * 18}QST")
    asked = next(each for each in store.of("Observation") if each["code"]["coding"][0]["code"] == "8339-4")
    kinds = [each["coding"][0]["code"] for each in asked["category"]]
    assert kinds == ["laboratory", "QST"]
    assert store.one("ServiceRequest")["supportingInfo"] == [{"reference": f"Observation/{asked['id']}"}]
    assert len(store.one("DiagnosticReport")["result"]) == 1


SPM = (
    "SPM|1|SP1&EHR^SF1&LIS|SP0&EHR^SF0&LIS|122575003^Urine^SCT||ADD^Boric acid^HL70371|CATH^Catheter^HL70488|"
    "BLAD^Bladder^L||||5.0^mL&millilitre&UCUM||cloudy|||20250314080000^20250314081500|20250314093000||Y|||"
    "|CLOT^Clotted^HL70493|||JAR^Jar^L|||A77^^^LIS|OTHER^^^LIS|SHIP9"
)


def test_a_specimen_says_what_spm_says() -> None:
    store = stored(obr(f10="5^Nurse^Nina"), RESULT, SPM, "NTE|1||handle with care")
    found = store.one("Specimen")
    assert [each["value"] for each in found["identifier"]] == ["SF1", "SP1", "OTHER", "SHIP9"]
    assert found["accessionIdentifier"]["value"] == "A77"
    assert found["parent"][0]["identifier"]["value"] == "SF0"
    assert (found["status"], found["type"]["coding"][0]["code"]) == ("available", "122575003")
    assert found["receivedTime"] == "2025-03-14T09:30:00+01:00"
    collection = found["collection"]
    assert collection["collectedPeriod"] == {"start": "2025-03-14T08:00:00+01:00", "end": "2025-03-14T08:15:00+01:00"}
    assert (collection["quantity"]["value"].literal, collection["quantity"]["unit"]) == ("5.0", "millilitre")
    assert collection["method"]["coding"][0]["code"] == "CATH"
    assert collection["bodySite"]["coding"][0]["code"] == "BLAD"
    assert collection["collector"]["display"] == "Nina Nurse"
    assert found["container"][0]["additiveCodeableConcept"]["coding"][0]["code"] == "ADD"
    assert found["condition"][0]["coding"][0] == {"system": f"{V2}0493", "code": "CLOT", "display": "Clotted"}
    assert found["note"] == [{"text": "cloudy"}, {"text": "handle with care"}]
    assert found["request"] == [{"reference": f"ServiceRequest/{store.one('ServiceRequest')['id']}"}]
    reference = {"reference": f"Specimen/{found['id']}"}
    assert store.one("DiagnosticReport")["specimen"] == [reference]
    assert store.one("Observation")["specimen"] == reference


def test_a_rejected_specimen_is_unsatisfactory() -> None:
    found = stored(obr(), RESULT, "SPM|1|^S1&LIS||BLD|||||||||||||||||EX^Expired^HL70490").one("Specimen")
    assert (found["status"], found["condition"][0]["coding"][0]["code"]) == ("unsatisfactory", "EX")


def test_obr_describes_the_specimen_where_there_is_no_spm() -> None:
    found = stored(obr(f14="20250314103000", f15="SER&Serum&HL70070"), RESULT).one("Specimen")
    assert found["type"]["coding"][0]["code"] == "SER"
    assert found["receivedTime"] == "2025-03-14T10:30:00+01:00"
    assert found["collection"]["collectedDateTime"] == "2025-03-14T10:00:00+01:00"
    assert stored(obr(), RESULT).of("Specimen") == []


def test_results_after_the_specimen_are_about_it() -> None:
    store = stored(obr(), RESULT, "SPM|1|^S1&LIS||BLD", "OBX|2|CWE|HEM^Haemolysis^L||Y^Yes||||||F")
    about = [each for each in store.of("Observation") if "focus" in each]
    reference = [{"reference": f"Specimen/{store.one('Specimen')['id']}"}]
    assert [each["focus"] for each in about] == [reference]
    assert len(store.one("DiagnosticReport")["result"]) == 1


@pytest.mark.parametrize(
    "lines",
    [
        [obr(), "SPM|1|^S1&LIS||BLD", RESULT],
        ["ORC|RE||F1^LIS", "SPM|1|^S1&LIS||BLD", obr(), RESULT],
        ["SPM|1|^S1&LIS||BLD", obr(), RESULT],
    ],
)
def test_results_after_a_specimen_that_came_first_are_the_orders(lines: list[str]) -> None:
    store = stored(*lines)
    assert "focus" not in store.one("Observation")
    assert len(store.one("DiagnosticReport")["result"]) == 1
    assert store.one("Observation")["specimen"] == {"reference": f"Specimen/{store.one('Specimen')['id']}"}


def test_one_specimen_of_two_orders_is_one() -> None:
    store = stored(obr(), RESULT, "SPM|1|^S1&LIS||BLD", obr(f3="F2"), RESULT, "SPM|1|^S1&LIS||BLD")
    assert len(store.one("Specimen")["request"]) == 2


def test_a_result_before_any_order_is_the_patients() -> None:
    store = stored("OBX|1|NM|x^x^L||5||||||F|||20250314", RESULT, obr(), RESULT)
    assert len(store.of("Observation")) == 3
    assert len(store.one("DiagnosticReport")["result"]) == 1


def test_results_without_order_are_told_apart_by_their_time() -> None:
    store = Store()
    store.send(PATIENT, "OBX|1|NM|x^x^L||5||||||F|||20250314080000")
    store.send(PATIENT, "OBX|1|NM|x^x^L||6||||||F|||20250314090000", head=HEAD.replace("R01|1|P", "R01|2|P"))
    store.send(PATIENT, "OBX|1|NM|x^x^L||7||||||C|||20250314080000", head=HEAD.replace("R01|1|P", "R01|3|P"))
    assert sorted(each["valueQuantity"]["value"] for each in store.of("Observation")) == [6, 7]


def test_notes_stand_where_they_were_sent() -> None:
    store = Store()
    conversion = store.send(
        "NTE|1||header",
        PATIENT,
        "NTE|1||patient",
        "ORC|RE",
        "NTE|1||order",
        obr(),
        "NTE|1||report",
        RESULT,
        "NTE|1||result",
    )
    report = store.one("DiagnosticReport")
    texts = [each["valueAnnotation"]["text"] for each in report["extension"] if each["url"] == NOTE]
    assert texts == ["patient", "report"]
    assert store.one("ServiceRequest")["note"] == [{"text": "order"}]
    assert store.one("Observation")["note"] == [{"text": "result"}]
    assert conversion.unmapped == ["NTE[1]"]


@pytest.mark.parametrize(
    ("written", "code", "status"),
    [
        ("I", "IMP", "in-progress"), ("O", "AMB", "in-progress"), ("E", "EMER", "in-progress"),
        ("P", "PRENC", "planned"), ("U", "U", "unknown"), ("", "U", "unknown"),
    ],
)  # fmt: skip
def test_a_visit_with_a_number_is_an_encounter(written: str, code: str, status: str) -> None:
    pv1 = f"PV1|1|{written}|W5^R1^B2^HOSP||||7^Att^Anna{'|' * 12}V77^^^HOSP"
    store = stored(pv1, obr(), RESULT)
    found = store.one("Encounter")
    assert (found["class"]["code"], found["status"]) == (code, status)
    assert found["identifier"][0]["value"] == "V77"
    assert found["location"][0]["location"] == {"display": "W5, R1, B2, HOSP"}
    assert found["participant"][0]["individual"]["display"] == "Anna Att"
    reference = {"reference": f"Encounter/{found['id']}"}
    for resource_type in ("DiagnosticReport", "Observation", "ServiceRequest"):
        assert store.one(resource_type)["encounter"] == reference


def test_a_visit_that_ended_is_finished() -> None:
    pv1 = f"PV1|1|I{'|' * 17}V77^^^HOSP{'|' * 25}20250313080000|20250315"
    found = stored(pv1, obr(), RESULT).one("Encounter")
    assert found["status"] == "finished"
    assert found["period"] == {"start": "2025-03-13T08:00:00+01:00", "end": "2025-03-15"}


def test_a_visit_without_a_number_is_listed() -> None:
    store = Store()
    conversion = store.send(PATIENT, "PV1|1|O", obr(), RESULT)
    assert store.of("Encounter") == []
    assert conversion.unmapped == ["PV1[1]"]


def test_a_visit_number_of_another_patient_links_nothing() -> None:
    store = stored(f"PV1|1|I{'|' * 17}V77^^^HOSP", obr(), RESULT)
    store.send(PATIENT.replace("P1", "P2"), f"PV1|1|I{'|' * 17}V77^^^HOSP", obr(f3="F2"), RESULT)
    encounters = [each["encounter"] for each in store.of("DiagnosticReport")]
    assert {"display": "V77"} in encounters
    assert len(store.of("Encounter")) == 1


def test_fields_that_have_no_place_are_listed() -> None:
    result = "OBX|1|NM|x^x^L||5||||0.5||F||acc"
    conversion = Store().send(f"{PATIENT}||R^Race", "ZPI|1", obr(f28="1^Copy"), result, result)
    assert conversion.unmapped == ["ZPI[1]", "PID-10", "OBR-28", "OBX-9", "OBX-13"]


def test_a_message_that_goes_on_elsewhere_is_told() -> None:
    conversion = Store().send(PATIENT, ORDER, RESULT, "DSC|next")
    assert any("goes on in another" in warning for warning in conversion.warnings)
