"""What a profile says of an element is checked, and each message says where, what was found and what is allowed."""

from typing import Any

import pytest

from fhir_lab.documents import parse
from fhir_lab.validation import Validator
from tests.support.profiles import BASE, Json, Stored, profile

PATIENT = """{"resourceType":"Patient","id":"p","active":true,"gender":"female","birthDate":"1960-02-29",
"identifier":[{"system":"http://example.org/mrn","value":"12345"},{"system":"http://example.org/ssn","value":"1"}],
"name":[{"family":"Ärger","given":["A","B"]}],"deceasedDateTime":"2026-11-20T10:00:00Z","multipleBirthInteger":2,
"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}],"text":"x"},
"generalPractitioner":[{"reference":"#o"},{"reference":"Practitioner/1"}],
"contained":[{"resourceType":"Organization","id":"o","name":"x"}],
"extension":[{"url":"http://example.org/age","valueQuantity":{"value":6.50,"code":"a","system":"http://unitsofmeasure.org"}}]}"""
MARITAL_STATUS = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
AGE: Json = profile(
    "age",
    "Extension",
    {"path": "Extension.url", "fixedUri": "http://example.org/age"},
    {"path": "Extension.value[x]", "min": 1, "type": [{"code": "Quantity"}]},
    {"path": "Extension.value[x].value", "min": 1, "maxValueDecimal": 6},
    {"path": "Extension.value[x].unit", "min": 1},
    kind="complex-type",
    url="http://example.org/age",
)
NAMED = profile("named-organization", "Organization", {"path": "Organization.name", "fixedString": "Lab"})
MARITAL: Json = {
    "resourceType": "ValueSet",
    "url": "http://example.org/vs",
    "status": "active",
    "compose": {
        "include": [{"system": MARITAL_STATUS, "concept": [{"code": "S"}]}, {"system": "http://example.org/whole"}]
    },
}
STRONGER = {
    "resourceType": "ValueSet",
    "url": "http://hl7.org/fhir/ValueSet/marital-status",
    "status": "active",
    "compose": {"include": [{"system": "urn:x", "concept": [{"code": "y"}]}]},
}


def constraint(key: str, human: str, expression: str, severity: str = "error", **more: Any) -> Json:
    return {"key": key, "severity": severity, "human": human, "expression": expression, **more}


# (elements, [(code, path, what the message says)])
CASES: dict[str, tuple[list[Json], list[tuple[str, str, str]]]] = {
    "a minimum": (
        [{"path": "Patient.telecom", "min": 1}, {"path": "Patient.identifier", "min": 3}],
        [
            ("required", "Patient.telecom", "none found; Test requires 1."),
            ("required", "Patient.identifier", "2 found; Test requires 3."),
        ],
    ),
    "a maximum": (
        [{"path": "Patient.identifier", "max": "1"}, {"path": "Patient.maritalStatus", "max": "0"}],
        [
            ("structure", "Patient.identifier[1]", "2 found; Test allows 1."),
            ("structure", "Patient.maritalStatus", "1 found; Test allows none."),
        ],
    ),
    "cardinality deeper down, for each": (
        [{"path": "Patient.name.prefix", "min": 1}, {"path": "Patient.name.given", "max": "1"}],
        [
            ("required", "Patient.name[0].prefix", "none found; Test requires 1."),
            ("structure", "Patient.name[0].given[1]", "2 found; Test allows 1."),
        ],
    ),
    "a fixed value": (
        [{"path": "Patient.gender", "fixedCode": "male"}, {"path": "Patient.active", "fixedBoolean": True}],
        [("value", "Patient.gender", '"female" found; Test allows only "male".')],
    ),
    "a fixed concept, which must be the same": (
        [
            {
                "path": "Patient.maritalStatus",
                "fixedCodeableConcept": {"coding": [{"system": MARITAL_STATUS, "code": "M"}]},
            }
        ],
        [("value", "Patient.maritalStatus", 'allows only {"coding":[{"system":"http://terminology')],
    ),
    "a pattern, which must be in it": (
        [
            {"path": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}},
            {"path": "Patient.identifier", "patternIdentifier": {"system": "http://example.org/mrn"}},
        ],
        [
            (
                "value",
                "Patient.identifier[1]",
                '{"system":"http://example.org/ssn","value":"1"} found; Test requires {"system":"http://example.org/mrn"}',
            )
        ],
    ),
    "types of a choice": (
        [
            {"path": "Patient.deceased[x]", "type": [{"code": "boolean"}]},
            {"path": "Patient.multipleBirth[x]", "type": [{"code": "integer"}]},
        ],
        [("structure", "Patient.deceasedDateTime", "dateTime found; Test allows boolean.")],
    ),
    "lengths and limits": (
        [
            {"path": "Patient.name.family", "maxLength": 4},
            {"path": "Patient.birthDate", "minValueDate": "1970"},
            {"path": "Patient.multipleBirth[x]", "maxValueInteger": 1, "type": [{"code": "integer"}]},
        ],
        [
            ("too-long", "Patient.name[0].family", "5 characters found; Test allows 4."),
            ("value", "Patient.birthDate", '"1960-02-29" found; by Test at least "1970" is allowed.'),
            ("value", "Patient.multipleBirthInteger", "2 found; by Test at most 1 is allowed."),
        ],
    ),
    "a required binding": (
        [{"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": "http://example.org/vs"}}],
        [
            (
                "code-invalid",
                "Patient.maritalStatus",
                f"{MARITAL_STATUS}|M found; Test requires one of {MARITAL_STATUS}|S, every code of http://example.org/whole.",
            )
        ],
    ),
    "a binding to a value set of the base specification": (
        [
            {
                "path": "Patient.gender",
                "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/link-type|4.0.1"},
            }
        ],
        [("code-invalid", "Patient.gender", "female found; Test requires one of")],
    ),
    "a binding that is only made stronger": (
        [
            {
                "path": "Patient.maritalStatus",
                "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/marital-status"},
            },
        ],
        [("code-invalid", "Patient.maritalStatus", f"{MARITAL_STATUS}|M found; Test requires one of urn:x|y.")],
    ),
    "constraints": (
        [
            {
                "path": "Patient",
                "constraint": [
                    constraint("t-1", "an address is known", "address.exists()"),
                    constraint("t-2", "no warning refuses", "false", "warning"),
                ],
            },
            {
                "path": "Patient.identifier",
                "constraint": [constraint("t-3", "a value has five digits.", "value.matches('^[0-9]{5}$')")],
            },
        ],
        [
            ("invariant", "Patient", "an address is known [Test] (t-1)."),
            ("invariant", "Patient.identifier[1]", "a value has five digits [Test] (t-3)."),
        ],
    ),
    "targets of references": (
        [
            {
                "path": "Patient.generalPractitioner",
                "type": [{"code": "Reference", "targetProfile": [f"{BASE}Organization"]}],
            }
        ],
        [
            (
                "value",
                "Patient.generalPractitioner[1]",
                "'Practitioner/1' refers to Practitioner; Test allows Organization.",
            )
        ],
    ),
    "profiles of contained targets": (
        [
            {
                "path": "Patient.generalPractitioner",
                "type": [{"code": "Reference", "targetProfile": [f"{BASE}Practitioner", NAMED["url"]]}],
            }
        ],
        [("value", "Patient.generalPractitioner[0]", f'"#o" is no {BASE}Practitioner or {NAMED["url"]}')],
    ),
    "extensions by their profiles": (
        [
            {
                "path": "Patient.extension",
                "sliceName": "age",
                "type": [{"code": "Extension", "profile": [AGE["url"]]}],
            },
            {
                "path": "Patient.extension",
                "sliceName": "sex",
                "min": 1,
                "type": [{"code": "Extension", "profile": ["http://example.org/sex"]}],
            },
        ],
        [
            ("value", "Patient.extension[0].valueQuantity.value", "6.50 found; by age at most 6 is allowed."),
            ("required", "Patient.extension[0].valueQuantity.unit", "none found; age requires 1."),
            (
                "required",
                "Patient.extension",
                "none of the slice 'sex' (url http://example.org/sex) found; Test requires 1.",
            ),
        ],
    ),
    "what the base specification says already": (
        [
            {
                "path": "Patient",
                "min": 0,
                "max": "*",
                "constraint": [
                    constraint("dom-6", "x", "false", "warning"),
                    constraint("ele-1", "x", "false", source=f"{BASE}Element"),
                ],
            },
            {"path": "Patient.gender", "min": 0, "max": "1", "type": [{"code": "code"}]},
        ],
        [],
    ),
}


def check(resource: Any, *definitions: Json) -> list[Any]:
    """The errors of a resource that claims the first of these profiles."""
    validator = Validator()
    known = validator.profiles(Stored(*definitions, value_sets=(MARITAL, STRONGER)))
    claiming = resource | {"meta": {"profile": [definitions[0]["url"]]}}
    assert validator.check(claiming, resource["resourceType"]) == []
    return validator.claims(claiming, known)


@pytest.mark.parametrize("name", CASES)
def test_each_thing_that_a_profile_says_is_checked(name: str) -> None:
    elements, expected = CASES[name]
    issues = check(parse(PATIENT), profile("Test", "Patient", *elements), NAMED, AGE)
    assert [(issue.code, issue.expression) for issue in issues] == [(code, (path,)) for code, path, _ in expected]
    for issue, (_, path, message) in zip(issues, expected, strict=True):
        assert issue.details.startswith(f"{path}: ")
        assert message in issue.details


def test_a_profile_of_a_profile_asks_what_both_ask() -> None:
    parent = profile("Parent", "Patient", {"path": "Patient.telecom", "min": 1})
    child = profile("Child", "Patient", {"path": "Patient.address", "min": 1}, base=parent["url"])
    issues = check(parse(PATIENT), child, parent)
    assert {issue.expression[0] for issue in issues} == {"Patient.telecom", "Patient.address"}


def test_a_snapshot_says_all() -> None:
    elements = [{"id": "Patient", "path": "Patient"}, {"id": "Patient.telecom", "path": "Patient.telecom", "min": 1}]
    whole = profile("Test", "Patient", {"path": "Patient.address", "min": 1}, snapshot={"element": elements})
    assert [issue.expression for issue in check(parse(PATIENT), whole)] == [("Patient.telecom",)]


def test_elements_without_ids_are_found_by_path_and_slice_name() -> None:
    definition = profile("Test", "Patient")
    definition["differential"]["element"] = [
        {
            "path": "Patient.identifier",
            "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"},
        },
        {"path": "Patient.identifier", "sliceName": "mrn", "min": 1},
        {"path": "Patient.identifier.system", "fixedUri": "http://example.org/mrn"},
        {"path": "Patient.identifier.period", "min": 1},
        {"path": "Patient.deceasedBoolean", "min": 1},
        {"path": "Patient.identifier", "sliceName": "ssn", "max": "0"},
        {"path": "Patient.identifier.system", "fixedUri": "http://example.org/ssn"},
    ]
    found = {issue.expression[0] for issue in check(parse(PATIENT), definition)}
    assert found == {"Patient.identifier[0].period", "Patient.deceased", "Patient.identifier[1]"}
