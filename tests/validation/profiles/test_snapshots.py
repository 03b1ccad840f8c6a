"""A snapshot repeats all that the base specification says: that adds nothing, whatever the type."""

from typing import Any

import pytest

import conformance
from fhir_lab.validation import Validator
from tests.support.profiles import BASE, Json, Stored, profile
from tests.support.random_resources import TYPES, Maker


def snapshot(name: str) -> list[Json]:
    """The elements of a type as a published snapshot has them."""
    found = []
    for path, element in conformance.elements()[name]["elements"].items():
        low, _, high = element["card"].partition("..")
        says: Json = {"id": path, "path": path, "min": int(low), "max": high}
        says["base"] = {"path": path, "min": int(low), "max": high}
        says["constraint"] = [
            {"key": "ele-1", "severity": "error", "human": "x", "expression": "false", "source": f"{BASE}Element"}
        ]
        if "sameAs" in element:
            says["contentReference"] = f"#{element['sameAs']}"
        elif "types" in element:
            says["type"] = [_type(path, each) for each in element["types"]]
        if path.endswith((".extension", ".modifierExtension")):
            says["slicing"] = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open", "ordered": False}
        if "required" in element:
            says["binding"] = {"strength": "required", "valueSet": f"{element['required']}|4.0.1"}
        found.append(says)
    return found


def _type(path: str, type_: Any) -> Json:
    if path.endswith(".id"):
        return {"code": "http://hl7.org/fhirpath/System.String", "extension": [{"url": "x", "valueUrl": "string"}]}
    name, targets = (type_, []) if isinstance(type_, str) else type_
    found: Json = {"code": name}
    if targets:
        found["targetProfile"] = [BASE + each for each in targets]
    if name == "Quantity":
        found["profile"] = [f"{BASE}SimpleQuantity"]
    return found


@pytest.mark.parametrize("name", TYPES)
def test_a_snapshot_of_the_base_specification_adds_nothing(name: str) -> None:
    validator = Validator()
    definition = profile("Test", name, snapshot={"element": snapshot(name)})
    known = validator.profiles(Stored(definition))
    assert validator.faults(definition, known) == []
    found = known.get(definition["url"])
    assert found is not None
    assert found.problems == ()
    for seed in range(3):
        resource = Maker(seed).resource(name) | {"meta": {"profile": [definition["url"]]}}
        assert validator.claims(resource, known) == []
        told = validator.validate(resource, name, known=known)
        assert {issue.code for issue in told} <= {"invariant"}
