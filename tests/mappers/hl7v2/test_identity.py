"""Whose number is it? Systems, business keys and criteria."""

import pytest

from fhir_lab.ingest.hl7v2.message import Composite, read_message
from mappers.hl7v2.identity import Key, Sender, key, universal


def sender(head: str = "MSH|^~\\&|LIS|LAB", **namespaces: str) -> Sender:
    found = Sender.of(read_message(f"{head}\r".encode()), namespaces)
    assert found is not None
    return found


def authority(raw: str) -> Composite:
    return read_message(f"MSH|^~\\&|LIS|LAB\rPID|{raw}\r".encode()).segments[1][1]


@pytest.mark.parametrize(
    ("raw", "system"),
    [
        ("HOSP^2.16.840.1.113883.3.999^ISO", "urn:oid:2.16.840.1.113883.3.999"),
        ("^urn:oid:1.2.3.4^ISO", "urn:oid:1.2.3.4"),
        ("^2.16.840.1.113883.4.6^ISO", "http://hl7.org/fhir/sid/us-npi"),
        ("2.16.840.1.113883.3.999", "urn:oid:2.16.840.1.113883.3.999"),
        ("^C0FFEE00-1234-4678-9ABC-DEF012345678^UUID", "urn:uuid:c0ffee00-1234-4678-9abc-def012345678"),
        ("X^Lab.Example.org^DNS", "urn:dns:lab.example.org"),
        ("X^https://lab.example/mrn^URI", "https://lab.example/mrn"),
        ("X^11D1234567^CLIA", "urn:fhir-lab:clia:11D1234567"),
        ("HOSP", "urn:fhir-lab:namespace:HOSP"),
        ("St. Mary's", "urn:fhir-lab:namespace:St.%20Mary%27s"),
        ("HOSP^not an oid^ISO", "urn:fhir-lab:namespace:HOSP"),
        ("HOSP^7^L", "urn:fhir-lab:namespace:HOSP"),
        ("", "urn:fhir-lab:sender:LAB:mr"),
        ("KNOWN", "http://hospital.example/mrn"),
    ],
)
def test_the_system_is_that_of_the_authority(raw: str, system: str) -> None:
    known = sender(KNOWN="http://hospital.example/mrn")
    assert known.system(authority(raw), "MR") == system


@pytest.mark.parametrize(
    ("head", "name", "label"),
    [
        ("MSH|^~\\&|LIS|LAB", "LAB", "LAB"),
        ("MSH|^~\\&|LIS|", "LIS", "LIS"),
        ("MSH|^~\\&|LIS|LAB^1.2.3.4.5^ISO", "1.2.3.4.5", "LAB"),
        ("MSH|^~\\&|LIS|^1.2.3.4.5^ISO", "1.2.3.4.5", "1.2.3.4.5"),
        ("MSH|^~\\&||Lab of St. Mary", "Lab%20of%20St.%20Mary", "Lab of St. Mary"),
    ],
)
def test_the_sender_is_the_facility_else_the_application(head: str, name: str, label: str) -> None:
    assert (sender(head).name, sender(head).label) == (name, label)


@pytest.mark.parametrize("head", ["MSH|^~\\&|||EHR", 'MSH|^~\\&|""|""|EHR', "MSH|^~\\&|^^ISO|^^L|EHR"])
def test_without_facility_and_application_there_is_no_sender(head: str) -> None:
    assert Sender.of(read_message(f"{head}\r".encode()), {}) is None


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("LN", "http://loinc.org"),
        ("ln", "http://loinc.org"),
        ("SCT", "http://snomed.info/sct"),
        ("UCUM", "http://unitsofmeasure.org"),
        ("MDC", "urn:iso:std:iso:11073:10101"),
        ("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078"),
        ("2.16.840.1.113883.6.1", "http://loinc.org"),
        ("2.16.840.1.114222.4.5.232", "urn:oid:2.16.840.1.114222.4.5.232"),
        ("http://lab.example/codes", "http://lab.example/codes"),
        ("L", "urn:fhir-lab:sender:LAB:codes:L"),
        ("99MRC", "urn:fhir-lab:sender:LAB:codes:99MRC"),
    ],
)
def test_local_codes_are_the_senders_own(name: str, uri: str) -> None:
    assert sender().code_system(name) == uri


def test_a_business_key_parts_its_parts() -> None:
    assert key("LAB", "F1@LIS", "58410-2", "") == "LAB/F1%40LIS/58410-2"
    assert key("a/b", "c") != key("a", "b/c")
    assert len(key("x" * 300)) == 64


def test_criteria_escape_what_a_search_would_read() -> None:
    assert Key("Patient", "urn:x", "1 2").criteria == "identifier=urn%3Ax%7C1%202"
    assert Key("Patient", "urn:x", "a,b|c$d\\e").criteria == "identifier=urn%3Ax%7Ca%5C%2Cb%5C%7Cc%5C%24d%5C%5Ce"


def test_the_url_in_the_bundle_follows_from_the_key() -> None:
    one = Key("Patient", "urn:x", "1")
    assert one.full_url() == Key("Patient", "urn:x", "1").full_url()
    assert one.full_url() != Key("Practitioner", "urn:x", "1").full_url()
    assert one.full_url().startswith("urn:uuid:")


def test_an_unknown_kind_of_universal_id_keeps_its_name() -> None:
    assert universal("ACDE48234567ABCD", "EUI-64") == "urn:fhir-lab:eui-64:ACDE48234567ABCD"
    assert universal("", "ISO") == ""
