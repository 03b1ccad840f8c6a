"""FHIRPath expressions of search parameters, compared with fhirpathpy on documents that have every element."""

import bz2
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from conformance import elements, search_parameters
from fhir_lab.documents import dumps, parse
from fhir_lab.search.elements import code_systems
from fhir_lab.search.expressions import Node, compile_expression, reference_type
from fhir_lab.search.registry import Registry, SearchParameter

SYNTHEA = Path(__file__).parents[3] / "shared" / "corpus" / "synthea"
REGISTRY = Registry.load()
PRIMITIVES = {
    "boolean": True,
    "integer": 7,
    "positiveInt": 7,
    "unsignedInt": 7,
    "decimal": 8,
    "date": "2026-11-20",
    "dateTime": "2026-11-20T08:30:00Z",
    "instant": "2026-11-20T08:30:00.123Z",
    "time": "08:30:00",
}
# What a `where` of some parameter asks for, so that it finds something.
ASKED_FOR = {
    "ContactPoint.system": ("phone", "email"),
    "RelatedArtifact.type": ("depends-on", "composed-of", "derived-from", "predecessor", "successor"),
}


def full(type_: str, variant: int) -> dict[str, Any]:
    """A document of a resource type with two of every repeated element; `variant` picks the type of each choice."""
    return {"resourceType": type_, **_object(type_, variant, 5)}


def _object(path: str, variant: int, depth: int) -> dict[str, Any]:
    table = elements()[path.partition(".")[0]]["elements"]
    start = path + "."
    found: dict[str, Any] = {}
    for name in _names(path):
        if name.rpartition(".")[2] in ("extension", "modifierExtension", "contained") or depth == 0:
            continue
        entry = table[name]
        type_ = entry.get("types", ["BackboneElement"])[variant % len(entry.get("types", "x"))]
        type_ = type_ if isinstance(type_, str) else type_[0]
        target = entry.get("sameAs") or (name if type_ in ("BackboneElement", "Element") else type_)
        key = name[len(start) :].replace("[x]", type_[0].upper() + type_[1:])
        repeated = entry["card"].rpartition("..")[2] not in ("0", "1")
        values = [_value(name, target, variant + n, depth - 1) for n in range(2 if repeated else 1)]
        values = [value for value in values if value not in ({}, None)]
        if values:
            found[key] = values if repeated else values[0]
    return found


@cache
def _names(path: str) -> list[str]:
    """The paths of the elements right below one."""
    table = elements()[path.partition(".")[0]]["elements"]
    return [name for name in table if name.rpartition(".")[0] == path]


def _value(name: str, target: str, variant: int, depth: int) -> Any:
    if name in ASKED_FOR:
        return ASKED_FOR[name][variant % len(ASKED_FOR[name])]
    if target == "Reference":
        return {"reference": ("Patient/1", "Practitioner/2", "Location/3", "RelatedPerson/4")[variant % 4]}
    if target == "Resource":
        return {"resourceType": "Basic", "id": "1"} if depth > 0 else None
    if target in PRIMITIVES:
        return PRIMITIVES[target]
    if elements()[target.partition(".")[0]]["kind"] == "primitive-type":
        return f"{target}-{variant}"
    return _object(target, variant, depth)


def by_fhirpathpy(expression: str, resource: dict[str, Any]) -> list[Any]:
    """R4 filters repeated elements with `as`, where FHIRPath since allows one element only; `ofType` says the same."""
    filtering = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.ofType(\2)", expression).replace(".as(", ".ofType(")
    return list(fhirpathpy.evaluate(resource, filtering.removeprefix("Resource."), {}, models["r4"]))


def canonical(values: list[Any]) -> list[str]:
    return sorted({json.dumps(value, sort_keys=True) for value in values})


def expressions() -> Iterator[SearchParameter]:
    every = (parameter for type_ in REGISTRY.types for parameter in REGISTRY.of(type_).values())
    return (parameter for parameter in every if parameter.expression or parameter.kind == "composite")


def asks_for_a_type(parameter: SearchParameter) -> bool:
    """True when fhirpathpy would have to fetch what a reference points to."""
    return "resolve()" in (parameter.expression or "")


def test_every_parameter_finds_what_fhirpathpy_finds() -> None:
    wrong, never_found = [], {parameter.id: parameter for parameter in expressions()}
    for variant in range(11):
        documents: dict[str, dict[str, Any]] = {}
        for parameter in list(never_found.values()):
            if parameter.type not in documents:
                documents[parameter.type] = full(parameter.type, variant)
            document = documents[parameter.type]
            found = REGISTRY.evaluate(parameter, document)
            if found:
                del never_found[parameter.id]
            if asks_for_a_type(parameter):
                continue
            expected = by_fhirpathpy(parameter.expression or "", document)
            if canonical([node.value for node in found]) != canonical(expected):
                wrong.append((parameter.type, parameter.code, variant, found, expected))
    assert wrong == []
    assert [(parameter.type, parameter.code) for parameter in never_found.values()] == []


def test_every_parameter_that_asks_for_a_type_finds_only_references_to_it() -> None:
    asking = [parameter for parameter in expressions() if asks_for_a_type(parameter)]
    assert len(asking) == 49
    for parameter in asking:
        wanted = (parameter.expression or "").rpartition("resolve() is ")[2].rstrip(")")
        found = [
            node.value["reference"].partition("/")[0]
            for variant in range(4)
            for node in REGISTRY.evaluate(parameter, full(parameter.type, variant))
        ]
        assert set(found) == {wanted}, parameter.code


def part_of(base: Node, path: str, expression: str, resource: dict[str, Any]) -> list[Any]:
    """What a component's own expression finds in one element that the composite's expression found."""
    if expression.startswith("%resource."):
        return by_fhirpathpy(expression.removeprefix("%resource."), resource)
    typed = {"base": path, "expression": expression.replace("DateTime", "dateTime")}
    return list(fhirpathpy.evaluate(base.value, typed, {}, models["r4"]))


@pytest.mark.parametrize("variant", [0, 1, 2, 7, 9, 10])
def test_the_parts_of_every_composite_pair_within_one_group(variant: int) -> None:
    """The base of each is the resource or a repeated element right below it, so a group is one element of the base."""
    differing = set()
    for entry in search_parameters()["parameters"]:
        if entry["type"] != "composite":
            continue
        composite = REGISTRY.by_id(entry["id"])
        resource = full(composite.type, variant)
        for base in REGISTRY.evaluate(composite, resource):
            path = composite.type + (".component" if base.group else "")
            path = path if "component" in (composite.expression or "") else composite.expression or ""
            path = "UsageContext" if path.endswith("useContext") else path
            for component, part in zip(composite.components, entry["component"], strict=True):
                parameter = REGISTRY.get(composite.type, component.code)
                assert parameter is not None
                found = REGISTRY.evaluate(parameter, resource)
                found = [node for node in found if component.shared or node.group == base.group]
                expected = part_of(base, path, part["expression"], resource)
                if canonical(expected) != canonical([node.value for node in found]):
                    differing.add((composite.code, component.code))
    # A token cannot be a quantity or a reference; SampledData and the text of a concept are found as well.
    assert differing <= {
        ("characteristic-value", "value"),
        ("code-value-quantity", "value-quantity"),
        ("code-value-string", "value-string"),
        ("combo-code-value-quantity", "combo-value-quantity"),
        ("component-code-value-quantity", "component-value-quantity"),
    }


def test_every_parameter_finds_in_synthetic_patients_what_fhirpathpy_finds() -> None:
    """On the first resource of each type in each file of the corpus, where the corpus is there."""
    wrong = []
    for file in sorted(SYNTHEA.glob("*.json.bz2"))[:4]:
        entries = parse(bz2.decompress(file.read_bytes()))["entry"]
        first = {entry["resource"]["resourceType"]: entry["resource"] for entry in reversed(entries)}
        for type_, resource in first.items():
            for parameter in REGISTRY.of(type_).values():
                if asks_for_a_type(parameter) or parameter.expression is None:
                    continue
                found = [node.value for node in REGISTRY.evaluate(parameter, resource)]
                expected = by_fhirpathpy(parameter.expression or "", resource)
                if [json.loads(dumps(value)) for value in found] != [json.loads(dumps(value)) for value in expected]:
                    wrong.append((file.name, type_, parameter.code, found, expected))
    assert wrong == []


PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "category": [{"text": "one"}, {"text": "two"}],
    "code": {"text": "blood pressure"},
    "subject": {"reference": "Patient/1"},
    "component": [
        {"code": {"text": "systolic"}, "valueQuantity": {"value": 140}},
        {"code": {"text": "diastolic"}, "valueString": "unreadable"},
        {"code": {"text": "mean"}, "valueQuantity": {"value": 99}},
    ],
}


def nodes(expression: str, resource: dict[str, Any]) -> list[Node]:
    return compile_expression(expression, resource["resourceType"]).evaluate(resource)


def test_a_node_has_the_datatype_of_its_element() -> None:
    assert nodes("Observation.status", PRESSURE) == [Node("final", "code", 0)]
    assert nodes("Observation.component.value", PRESSURE) == [
        Node({"value": 140}, "Quantity", 1),
        Node("unreadable", "string", 2),
        Node({"value": 99}, "Quantity", 3),
    ]


def test_a_group_numbers_the_first_repeated_element_and_starts_anew_in_each_branch() -> None:
    assert nodes("Observation.code | Observation.component.code", PRESSURE) == [
        Node({"text": "blood pressure"}, "CodeableConcept", 0),
        Node({"text": "systolic"}, "CodeableConcept", 1),
        Node({"text": "diastolic"}, "CodeableConcept", 2),
        Node({"text": "mean"}, "CodeableConcept", 3),
    ]
    person = {"resourceType": "Patient", "name": [{"given": ["Ada", "Mary"]}, {"given": ["Countess"]}]}
    assert nodes("Patient.name.given", person) == [
        Node("Ada", "string", 1),
        Node("Mary", "string", 1),
        Node("Countess", "string", 2),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "(Observation.component.value as Quantity)",
        "Observation.component.value.as(Quantity)",
        "Observation.component.value.ofType(Quantity)",
        "component.value as Quantity",
    ],
)
def test_a_cast_keeps_the_values_of_one_type(expression: str) -> None:
    assert nodes(expression, PRESSURE) == [Node({"value": 140}, "Quantity", 1), Node({"value": 99}, "Quantity", 3)]


@pytest.mark.parametrize(
    ("patient", "deceased"),
    [
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2026"}, True),
    ],
)
def test_deceased_is_a_boolean_whatever_is_known(patient: dict[str, Any], deceased: bool) -> None:
    found = nodes("Patient.deceased.exists() and Patient.deceased != false", {"resourceType": "Patient", **patient})
    assert found == [Node(deceased, "boolean", 0)]


def test_an_index_takes_one_of_a_repeated_element() -> None:
    assert nodes("Observation.category[1]", PRESSURE) == [Node({"text": "two"}, "CodeableConcept", 2)]
    assert nodes("Observation.category[2]", PRESSURE) == []


def test_a_condition_chooses_among_repeated_elements() -> None:
    telecom = [{"system": "phone", "value": "1"}, {"value": "2"}, {"system": "email", "value": "a@b"}]
    patient = {"resourceType": "Patient", "telecom": telecom}
    assert nodes("Patient.telecom.where(system='email')", patient) == [Node(telecom[2], "ContactPoint", 3)]
    assert nodes("Patient.telecom.where(system.exists()).value", patient) == [
        Node("1", "string", 1),
        Node("a@b", "string", 3),
    ]


def test_elements_that_repeat_the_content_of_another_are_followed() -> None:
    plan = {"resourceType": "PlanDefinition", "action": [{"action": [{"action": [{"title": "deep"}]}]}]}
    assert nodes("PlanDefinition.action.action.action.title", plan) == [Node("deep", "string", 1)]


def test_properties_that_only_extend_a_primitive_are_no_values() -> None:
    patient = {"resourceType": "Patient", "_birthDate": {"id": "a"}, "name": [{"given": [None, "Ada"], "_given": [{}]}]}
    assert nodes("Patient.birthDate", patient) == []
    assert nodes("Patient.name.given", patient) == [Node("Ada", "string", 1)]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("Observation.component.where(value is Quantity).code.text", [("systolic", "string"), ("mean", "string")]),
        ("Observation.component.count()", [(3, "integer")]),
        ("Observation.code.text.upper()", [("BLOOD PRESSURE", "string")]),
        ("Observation.component.first().code", [({"text": "systolic"}, "CodeableConcept")]),
        ("Observation.component.exists() or false", [(True, "boolean")]),
    ],
)
def test_what_is_beyond_the_subset_goes_to_fhirpathpy(expression: str, found: list[tuple[Any, str]]) -> None:
    assert [(node.value, node.type) for node in nodes(expression, PRESSURE)] == found


def test_an_error_of_fhirpathpy_on_a_document_finds_nothing() -> None:
    assert nodes("Observation.component.code.text.single()", PRESSURE) == []
    assert nodes("Observation.component.code.text + 'x'", PRESSURE) == []


@pytest.mark.parametrize("expression", ["", "'", "where(", "Observation.nosuch()"])
def test_what_is_not_fhirpath_is_refused_when_it_is_compiled(expression: str) -> None:
    with pytest.raises(ValueError, match="is not FHIRPath"):
        compile_expression(expression, "Observation")


@pytest.mark.parametrize(
    ("reference", "type_"),
    [
        ({"reference": "Patient/1"}, "Patient"),
        ({"reference": "Patient/1/_history/2"}, "Patient"),
        ({"reference": "https://elsewhere.example.org/fhir/Patient/1"}, "Patient"),
        ({"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "type": "Patient"}, "Patient"),
        ({"identifier": {"value": "1"}, "type": "Patient"}, "Patient"),
        ({"reference": "#p"}, ""),
        ({"display": "somebody"}, ""),
    ],
)
def test_the_type_of_a_reference_shows_in_its_url_or_type(reference: dict[str, Any], type_: str) -> None:
    assert reference_type(reference) == type_


def test_code_and_boolean_elements_imply_their_systems() -> None:
    assert code_systems("Observation.status", "Observation") == {"http://hl7.org/fhir/observation-status"}
    assert code_systems("Observation.code", "Observation") == frozenset()
    assert "http://terminology.hl7.org/CodeSystem/special-values" in code_systems("Patient.active", "Patient")
