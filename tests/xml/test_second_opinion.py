"""Another implementation reads what is written here, and what it writes is read here, to the same resources."""

import json
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_lab.documents import parse
from fhir_lab.openapi.examples import example
from fhir_lab.validation.structure import DIFFERENT
from fhir_lab.xml import from_xml, to_xml
from tests.support.any_documents import TYPES


def _known(name: str) -> bool:
    try:
        get_fhir_model_class(name)
    except (LookupError, ValueError):
        return False
    return name not in DIFFERENT


def _without_element_ids(value: Any) -> Any:
    """It reads no `id` attribute of an element, only the `id` element of a resource."""
    if isinstance(value, list):
        return [_without_element_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: each for name, each in value.items() if name != "id" or "resourceType" in value}
    return {name: _without_element_ids(each) for name, each in kept.items()}


@pytest.mark.parametrize("name", [name for name in TYPES if _known(name)])
def test_a_resource_is_understood_by_others_and_they_are_understood(name: str) -> None:
    document = _without_element_ids(parse(json.dumps(example(name))))
    model = get_fhir_model_class(name)
    # It makes floats of numbers and `+00:00` of `Z`, so both sides go through its model.
    expected = json.loads(model.model_validate(document).model_dump_json())
    assert json.loads(model.model_validate_xml(to_xml(document)).model_dump_json()) == expected
    theirs = model.model_validate(document).model_dump_xml()
    assert json.loads(model.model_validate(from_xml(theirs)).model_dump_json()) == expected
