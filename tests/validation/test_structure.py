"""The second opinion of fhir.resources: asked about each new shape, right about R4, and never fooled by a known one."""

from typing import Any

import pytest

from fhir_lab.documents import parse
from fhir_lab.validation import Validator
from fhir_lab.validation.structure import Structure

RESULT = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":6.30}}'


def test_the_model_finds_what_has_no_place_in_the_structure() -> None:
    broken: Any = parse(RESULT) | {"statsu": "final", "category": {}, "component": [{}]}
    found = [(issue.code, issue.expression[0]) for issue in Structure().issues(broken, "Observation")]
    assert sorted(found) == [
        ("structure", "Observation.category"),
        ("structure", "Observation.component[0].code"),
        ("structure", "Observation.statsu"),
    ]


def test_a_known_shape_is_not_asked_again_but_its_values_are_still_checked() -> None:
    validator = Validator()
    assert validator.check(parse(RESULT), "Observation") == []
    [issue] = validator.check(parse(RESULT.replace("final", "banana")), "Observation")
    assert issue.expression == ("Observation.status",)


@pytest.mark.parametrize(
    "change", [{"valueQuantity": {"value": True}}, {"code": {"text": "x", "txt": "y"}}, {"resourceType": "Media"}]
)
def test_another_shape_is_another_question(change: dict[str, Any]) -> None:
    structure = Structure()
    assert structure.issues(parse(RESULT), "Observation") == []
    assert structure.issues(parse(RESULT) | change, "Observation") != []


@pytest.mark.parametrize("name", ["Evidence", "MedicinalProduct"])
def test_types_that_r4b_changed_or_lacks_are_left_to_the_guard(name: str) -> None:
    assert Structure().issues({"resourceType": name, "nothing": True}, name) == []
