"""What holds for a whole message: its type, sender, purpose, Provenance, and the journal's words."""

from collections.abc import Collection
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fhir_lab.documents import Resource, dumps
from fhir_lab.ingest.hl7v2.message import read_message
from mappers.hl7v2.oru import Conversion, Key, convert
from tests.support.hl7v2_store import HEAD, ORDER, PATIENT, Store, invalid

RESULT = "OBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F"


@pytest.mark.parametrize("kind", ["ORU^R01^ORU_R01", "ORU^R01", "ORU^R30^ORU_R30", "ORU^R32^ORU_R30", "ORU", "oru^r01"])
def test_results_are_accepted(kind: str) -> None:
    assert Store().send(PATIENT, ORDER, RESULT, head=HEAD.replace("ORU^R01^ORU_R01", kind)).reasons == []


@pytest.mark.parametrize("kind", ["ADT^A01^ADT_A01", "ORM^O01", "OML^O21", "ORU^R99", "ORU^01", "ACK", "", "ORU/ACK"])
def test_other_messages_are_held_back(kind: str) -> None:
    store = Store()
    conversion = store.send(PATIENT, ORDER, RESULT, head=HEAD.replace("ORU^R01^ORU_R01", kind))
    (reason,) = conversion.reasons
    assert (reason.code, reason.segment, reason.field) == ("message-type", "MSH[1]", "MSH-9")
    assert reason.allowed.startswith("ORU^R01")
    assert "is not handled here" in reason.repair
    assert (conversion.obx_in, conversion.obx_quarantined, store.resources) == (1, 1, {})


@pytest.mark.parametrize(
    ("head", "order"), [(HEAD.replace("|P|", "|Q|"), ORDER), (HEAD, "OBR|1||QC2|GLU^Glucose^L|||20250314||||Q")]
)
def test_quality_control_is_no_patients_result(head: str, order: str) -> None:
    store = Store()
    conversion = store.send(PATIENT, order, RESULT, head=head)
    assert [reason.code for reason in conversion.reasons] == ["quality-control"]
    assert conversion.obx_quarantined == 1
    assert store.of("Observation") == store.of("DiagnosticReport") == []


def test_a_message_without_a_sender_is_held_back() -> None:
    conversion = Store().send(PATIENT, ORDER, RESULT, head=HEAD.replace("|LIS|LAB|", "|||"))
    assert [(reason.code, reason.field) for reason in conversion.reasons] == [("sender-missing", "MSH-4")]


def test_a_message_without_results_is_held_back() -> None:
    assert [reason.code for reason in Store().send(PATIENT).reasons] == ["results-missing"]


def test_an_order_without_results_is_stored() -> None:
    store = Store()
    assert store.send(PATIENT, ORDER).reasons == []
    assert "result" not in store.one("DiagnosticReport")


def cut(*lines: str) -> Conversion:
    message = read_message("\r".join([HEAD, *lines]).encode())
    return convert(message, zone=ZoneInfo("UTC"), current=lambda keys: {})


def test_a_result_that_the_end_cuts_off_is_held_back() -> None:
    conversion = cut(PATIENT, ORDER, RESULT, "OBX|2|NM|2823-3^Potassium^LN||4.2|mm")
    assert [(reason.code, reason.segment) for reason in conversion.reasons] == [("truncated", "OBX[2]")]
    assert (conversion.obx_stored, conversion.obx_quarantined) == (1, 1)


def test_an_order_that_the_end_cuts_off_is_held_back() -> None:
    conversion = cut(PATIENT, ORDER, RESULT, "OBR|2||F2^LI")
    assert [(reason.code, reason.segment) for reason in conversion.reasons] == [("truncated", "OBR[2]")]


def test_the_provenance_names_the_sender_and_the_message() -> None:
    store = Store()
    head = HEAD.replace("|LAB|", "|LAB^1.2.3.4.5^ISO|")
    store.send(PATIENT, ORDER, RESULT, head=head)
    found, organization = store.one("Provenance"), store.one("Organization")
    assert organization["identifier"] == [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4.5"}]
    assert organization["name"] == "LAB"
    (agent,) = found["agent"]
    assert agent["who"] == {"reference": f"Organization/{organization['id']}", "display": "LAB"}
    assert agent["type"]["coding"][0]["code"] == "author"
    assert found["recorded"] == "2025-03-14T11:00:00.000Z"
    assert found["activity"] == {"text": "message - ORU^R01^ORU_R01"}
    identifier = {"system": "urn:fhir-lab:sender:1.2.3.4.5:message", "value": "1"}
    assert found["entity"] == [{"role": "source", "what": {"identifier": identifier}}]
    targets = [target["reference"].partition("/")[0] for target in found["target"]]
    assert sorted(targets) == ["DiagnosticReport", "Observation"]


def test_an_application_alone_is_the_agent() -> None:
    store = Store()
    store.send(PATIENT, ORDER, RESULT, head=HEAD.replace("|LAB|", "||"))
    assert store.one("Provenance")["agent"][0]["who"]["reference"] == f"Device/{store.one('Device')['id']}"


@pytest.mark.parametrize("written", ["", "20251332"])
def test_the_arrival_stands_in_for_a_missing_time_of_sending(written: str) -> None:
    head = HEAD.replace("20250314120000+0100", written)
    message = read_message("\r".join([head, PATIENT, ORDER, RESULT, ""]).encode())
    arrived = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    conversion = convert(message, zone=ZoneInfo("UTC"), current=lambda keys: {}, received=arrived)
    (provenance,) = [
        entry["resource"] for entry in conversion.bundle["entry"] if entry["resource"]["resourceType"] == "Provenance"
    ]
    assert provenance["recorded"] == "2026-11-20T08:30:00.000Z"
    assert bool(conversion.warnings) is bool(written)
    without = convert(message, zone=ZoneInfo("UTC"), current=lambda keys: {})
    assert invalid(without) == []


def test_equal_messages_give_equal_bundles() -> None:
    message = read_message("\r".join([HEAD, PATIENT, ORDER, RESULT, ""]).encode())
    one, other = (convert(message, zone=ZoneInfo("UTC"), current=lambda keys: {}) for _ in range(2))
    assert dumps(one.bundle) == dumps(other.bundle)


def test_what_people_look_for_is_told_even_when_nothing_is_stored() -> None:
    conversion = Store().send(PATIENT, "ORC|RE|P9|F9", ORDER, RESULT, head=HEAD.replace("ORU^R01", "ORM^O01"))
    assert (conversion.patient_identifier, conversion.order_number) == ("P1", "F9")


def test_entries_tell_the_segment_they_were_made_from() -> None:
    conversion = Store().send(PATIENT, ORDER, RESULT)
    types = {
        conversion.bundle["entry"][index]["resource"]["resourceType"]: place
        for index, place in conversion.places.items()
    }
    assert types == {
        "Patient": "PID[1]",
        "ServiceRequest": "OBR[1]",
        "DiagnosticReport": "OBR[1]",
        "Observation": "OBX[1]",
    }


def test_local_authorities_may_have_a_system_of_their_own() -> None:
    message = read_message("\r".join([HEAD, PATIENT, ORDER, RESULT, ""]).encode())
    known = {"HOSP": "https://hospital.example/mrn"}
    conversion = convert(message, zone=ZoneInfo("UTC"), current=lambda keys: {}, namespaces=known)
    patient = conversion.bundle["entry"][0]["resource"]
    assert patient["identifier"][0]["system"] == "https://hospital.example/mrn"


def test_everything_is_asked_for_at_once() -> None:
    asked: list[list[str]] = []

    def current(keys: Collection[Key]) -> dict[Key, list[Resource]]:
        asked.append(sorted({key.type for key in keys}))
        return {}

    message = read_message("\r".join([HEAD, PATIENT, ORDER, RESULT, ""]).encode())
    convert(message, zone=ZoneInfo("UTC"), current=current)
    assert asked == [["DiagnosticReport", "Observation", "Organization", "Patient", "ServiceRequest"]]
