"""What $validate says beyond errors: warnings, claims and wanted profiles, and what each mode asks."""

from typing import Any

import pytest

import conformance
from fhir_lab.validation import MODES, Validator
from tests.support.profiles import BASE, HERE, Stored, profile

LAB = "http://fhir-lab.example/StructureDefinition/lab-observation"
LABORATORY = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
RESULT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "r",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "status": "final",
    "category": [{"coding": [LABORATORY]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2026-11-20",
    "valueQuantity": {"value": 1, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
}


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def told(issues: list[Any]) -> list[tuple[str, str, str]]:
    return [(issue.severity, issue.code, issue.expression[0]) for issue in issues]


def test_a_valid_result_is_told_nothing(validator: Validator) -> None:
    for mode in (None, *MODES):
        assert validator.validate(RESULT, "Observation", profiles=[LAB], mode=mode) == []


def test_warnings_are_told_here_and_refuse_no_write(validator: Validator) -> None:
    plain = {name: value for name, value in RESULT.items() if name not in ("text", "effectiveDateTime")}
    assert validator.check(plain, "Observation") == []
    assert told(validator.validate(plain, "Observation")) == [("warning", "invariant", "Observation")]
    told_all = validator.validate(plain, "Observation", profiles=[LAB])
    assert [issue.details.rpartition("(")[2] for issue in told_all] == ["dom-6).", "lab-obs-2)."]


def test_errors_of_base_and_profile_come_together_and_once(validator: Validator) -> None:
    broken = {name: value for name, value in RESULT.items() if name not in ("category", "status")} | {
        "valueString": "x"
    }
    assert told(validator.validate(broken, "Observation", profiles=[LAB])) == [
        ("error", "required", "Observation.status"),
        ("error", "structure", "Observation.value"),
        ("error", "required", "Observation.category"),
    ]


def test_a_profile_that_is_not_known_is_an_error_if_wanted_and_a_warning_if_claimed(validator: Validator) -> None:
    claiming = RESULT | {"meta": {"profile": [f"{HERE}none"]}}
    assert told(validator.validate(claiming, "Observation")) == [("warning", "not-found", "Observation")]
    assert told(validator.validate(RESULT, "Observation", profiles=[f"{HERE}none"])) == [
        ("error", "not-found", "http.profile")
    ]
    assert validator.claims(claiming, validator.profiles()) == []


def test_a_profile_of_another_type_is_an_error(validator: Validator) -> None:
    for wanted in (f"{BASE}Patient", LAB.replace("observation", "patient")):
        [issue] = validator.validate(RESULT, "Observation", profiles=[wanted])
        assert issue.details == f"Observation: Observation found; {wanted} is a profile of Patient."
    assert validator.validate(RESULT, "Observation", profiles=[f"{BASE}Observation", f"{BASE}DomainResource"]) == []


def test_versions_of_profiles_are_told_apart(validator: Validator) -> None:
    assert validator.validate(RESULT, "Observation", profiles=[f"{LAB}|1.0.0"]) == []
    assert told(validator.validate(RESULT, "Observation", profiles=[f"{LAB}|9"])) == [
        ("error", "not-found", "http.profile")
    ]


def test_each_mode_asks_what_it_needs(validator: Validator) -> None:
    new = {name: value for name, value in RESULT.items() if name != "id"}
    assert validator.validate(new, "Observation", mode="create") == []
    assert told(validator.validate(new, "Observation", mode="update")) == [("error", "required", "Observation.id")]
    assert told(validator.validate(new, "Observation", mode="profile")) == [("error", "required", "http.profile")]
    assert validator.validate({"broken": True}, "Observation", mode="delete") == []


@pytest.mark.parametrize("body", [[], "x", {}, {"resourceType": "Patient"}, {"resourceType": "Observation", "meta": 1}])
def test_any_body_is_answered(validator: Validator, body: Any) -> None:
    assert any(issue.severity == "error" for issue in validator.validate(body, "Observation", profiles=[LAB]))


def test_what_of_a_profile_cannot_be_checked_is_a_warning(validator: Validator) -> None:
    rule = {"key": "x-1", "severity": "error", "human": "x", "expression": "code.memberOf('http://example.org/vs')"}
    elements = [
        {"path": "Observation", "constraint": [rule]},
        {"path": "Observation.code", "binding": {"strength": "required", "valueSet": "http://example.org/vs"}},
    ]
    known = validator.profiles(Stored(profile("Test", "Observation", *elements, base=f"{HERE}unknown")))
    issues = validator.validate(RESULT, "Observation", profiles=[f"{HERE}Test"], known=known)
    assert told(issues) == [
        ("warning", "not-supported", "Observation"),
        ("warning", "not-supported", "Observation"),
        ("information", "not-found", "Observation.code"),
    ]
    assert "is not known here; what it asks is not checked" in issues[0].details
    assert "memberOf() is not supported" in issues[1].details


def test_contained_resources_and_entries_of_bundles_have_claims_of_their_own(validator: Validator) -> None:
    claim = {"meta": {"profile": [LAB.replace("observation", "patient")]}}
    unnamed = {"resourceType": "Patient", "gender": "male", "identifier": [{"system": "urn:x", "value": "1"}]} | claim
    result = RESULT | {"subject": {"reference": "#p"}, "contained": [unnamed | {"id": "p"}]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": result}, {"resource": unnamed}]}
    assert validator.check(bundle, "Bundle") == []
    expected = ["Bundle.entry[0].resource.contained[0].name", "Bundle.entry[1].resource.name"]
    assert [issue.expression[0] for issue in validator.claims(bundle, validator.profiles())] == expected
    errors = [issue for issue in validator.validate(bundle, "Bundle") if issue.severity == "error"]
    assert [issue.expression[0] for issue in errors] == expected


def test_profiles_that_need_each_other_end(validator: Validator) -> None:
    one = profile("one", "Patient", base=f"{HERE}two")
    two = profile("two", "Patient", base=f"{HERE}one")
    known = validator.profiles(Stored(one, two))
    patient = {"resourceType": "Patient", "meta": {"profile": [one["url"]]}, "active": True}
    assert validator.claims(patient, known) == []


def test_the_profiles_of_the_laboratory_are_valid_and_can_be_followed(validator: Validator) -> None:
    names = {"LabPatient", "LabServiceRequest", "LabSpecimen", "LabObservation", "LabDiagnosticReport"}
    assert {each["name"] for each in conformance.profiles()} == names
    for each in conformance.profiles():
        assert validator.check(each, "StructureDefinition") == []
        found = validator.profiles().get(each["url"])
        assert found is not None
        assert found.problems == ()
        assert len(found.must_support()) > 5


def test_must_support_names_elements_and_slices(validator: Validator) -> None:
    found = validator.profiles().get(LAB)
    assert found is not None
    assert {"Observation.category:laboratory", "Observation.value:valueQuantity", "Observation.specimen"} <= set(
        found.must_support()
    )
