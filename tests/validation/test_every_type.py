"""Every resource type is guarded in every place: what its definition does not allow is found where it stands."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

import conformance
from fhir_lab.validation import Validator
from fhir_lab.validation.guard import children
from fhir_lab.validation.primitives import PRIMITIVES
from tests.support.random_resources import TYPES, Maker


class Place(NamedTuple):
    """One element of a document: the object that holds it, its JSON name, its definition, type, targets and path."""

    holder: dict[str, Any]
    name: str
    element: dict[str, Any]
    type: str
    targets: list[str]
    path: str


def places(value: Any, type_: str, path: str) -> Iterator[Place]:
    """Every element of a generated document, outermost first."""
    for label, element in children(type_).items():
        for each in element.get("types", ["sameAs"]):
            kind, targets = (each, []) if isinstance(each, str) else each
            name = label[:-3] + kind[0].upper() + kind[1:] if label.endswith("[x]") else label
            if name not in value:
                continue
            yield Place(value, name, element, kind, targets, f"{path}.{name}")
            inline = kind in ("BackboneElement", "Element")
            below = element.get("sameAs") or (f"{type_}.{label}" if inline else kind)
            if kind == "Resource" or kind in PRIMITIVES or kind == "xhtml":
                continue
            many = isinstance(value[name], list)
            for index, item in enumerate(value[name] if many else [value[name]]):
                yield from places(item, below, f"{path}.{name}[{index}]" if many else f"{path}.{name}")


# As many places of each document are tried for each kind of error.
PLACES = 12

Change = Callable[[Place], tuple[str, str] | None]


def unknown(place: Place) -> tuple[str, str] | None:
    """An element that the definition lacks."""
    value = place.holder[place.name]
    item = value[0] if isinstance(value, list) else value
    if not isinstance(item, dict) or place.type == "Resource":
        return None
    item["noSuch"] = 1
    at = f"{place.path}[0]" if isinstance(value, list) else place.path
    return "structure", f"{at}.noSuch"


def missing(place: Place) -> tuple[str, str] | None:
    """A required element left out."""
    if place.element["card"][0] == "0" or place.path.endswith(".div"):
        return None
    place.holder.pop(place.name)
    if place.holder.keys() <= {"id"}:
        return None
    holder = place.path.rpartition(".")[0]
    kinds = place.element.get("types", [place.type])
    choice = len(kinds) > 1
    label = next(each for each in _labels(place) if choice or each == place.name) if choice else place.name
    return ("required", f"{holder}.{label}")


def _labels(place: Place) -> Iterator[str]:
    kind = place.type[0].upper() + place.type[1:]
    yield place.name.removesuffix(kind)


def many(place: Place) -> tuple[str, str] | None:
    """An array where the element occurs once, a single value where it repeats."""
    value = place.holder[place.name]
    place.holder[place.name] = value[0] if isinstance(value, list) else [value, value]
    return ("structure", place.path)


def json_type(place: Place) -> tuple[str, str] | None:
    """A value of another JSON type."""
    value = place.holder[place.name]
    item = value[0] if isinstance(value, list) else value
    wrong: Any = "text" if not isinstance(item, str) else 5
    place.holder[place.name] = [wrong] if isinstance(value, list) else wrong
    return ("structure", f"{place.path}[0]" if isinstance(value, list) else place.path)


def code(place: Place) -> tuple[str, str] | None:
    """A code outside a required binding."""
    if not conformance.required_codes().get(place.element.get("required", "")):
        return None
    wrong: Any = {"code": "no-such-code", "CodeableConcept": {"coding": [{"code": "no-such-code"}]}}.get(place.type)
    if wrong is None:
        return None
    many = isinstance(place.holder[place.name], list)
    place.holder[place.name] = [wrong] if many else wrong
    return ("code-invalid", f"{place.path}[0]" if many else place.path)


def target(place: Place) -> tuple[str, str] | None:
    """A reference to a type that the element does not allow."""
    if place.type != "Reference" or not place.targets or "Resource" in place.targets:
        return None
    wrong = next(name for name in TYPES if name not in place.targets)
    many = isinstance(place.holder[place.name], list)
    reference = {"reference": f"{wrong}/1"}
    place.holder[place.name] = [reference] if many else reference
    return ("value", f"{place.path}[0]" if many else place.path)


CHANGES: tuple[Change, ...] = (unknown, missing, many, json_type, code, target)


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def minimal(type_: str) -> dict[str, Any]:
    """A resource with nothing but what its definition requires."""
    return {"resourceType": type_} | _required(Maker(0), type_, 0)


def _required(maker: Maker, path: str, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for label, element in children(path).items():
        if element["card"].startswith("0") or depth > 9:
            continue
        [(name, value)] = maker.element(path, label, element, 9).items()
        made[name] = value
    return made


@pytest.mark.parametrize("name", TYPES)
def test_a_resource_with_only_what_is_required_is_accepted(name: str, validator: Validator) -> None:
    issues = validator.check(minimal(name), name)
    assert [issue for issue in issues if issue.code != "invariant"] == []


@pytest.mark.parametrize("name", TYPES)
def test_what_is_not_allowed_is_found_wherever_it_stands(name: str, validator: Validator) -> None:
    document = Maker(1).resource(name)
    assert [issue for issue in validator.check(document, name) if issue.code != "invariant"] == []
    found = list(places(document, name, name))
    assert len(found) > 5
    for offset, change in enumerate(CHANGES):
        for place in found[offset :: max(1, len(found) // PLACES)]:
            before = dict(place.holder)
            place.holder[place.name] = deepcopy(before[place.name])
            expected = change(place)
            if expected is not None:
                told = {(issue.code, issue.expression[0]) for issue in validator.check(document, name)}
                assert expected in told, (change.__name__, place.path, told)
            place.holder.clear()
            place.holder.update(before)
