"""Places in a document: what a FHIRPath names, as JSON that can be changed.

A primitive has two properties in JSON, its value and what is beside it (`birthDate`, `_birthDate`), which repeat in
step; a place is both of them. https://hl7.org/fhir/R4/json.html#primitive
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from fhir_lab.elements import Element
from fhir_lab.fhirpath import Condition, Context, EvaluationError, UnsupportedError, condition
from fhir_lab.fhirpath.nodes import STEPS
from fhir_lab.outcomes import BadRequest, Unprocessable
from fhir_lab.patching.elements import NoSuchElementError, elements_named
from fhir_lab.patching.steps import Step, steps_of

Json = dict[str, Any]
Pair = tuple[Any, Any]  # a value and what is beside it
# Functions that a filter must not use: they leave the resource, or may take for ever.
_BARRED = ("resolve", "matches", "replaceMatches", "repeat", "trace", "memberOf")


@dataclass(slots=True)
class Place:
    """One element: the property `name` of `owner` (item `index` of it), whose value has the elements of `content`.

    `label` is its name in FHIRPath. The place without a `parent` is the resource itself.
    """

    owner: Json
    name: str
    index: int | None
    content: str
    label: str = ""
    parent: "Place | None" = None

    @property
    def pair(self) -> Pair:
        """The value, and what is beside it."""
        if self.parent is None:
            return self.owner, None
        if self.index is None:
            return self.owner.get(self.name), self.owner.get(f"_{self.name}")
        return items(self.owner, self.name)[self.index]

    def inside(self) -> Json:
        """The object that holds the elements of this one; for a primitive it is made beside the value."""
        if self.parent is None:
            return self.owner
        value, beside = self.pair
        if isinstance(value, dict):
            return value
        if isinstance(beside, dict):
            return beside
        made: Json = {}
        self.put((value, made))
        return made

    def put(self, pair: Pair) -> None:
        """Replace the element; (None, None) takes it away."""
        if self.index is None:
            set_or_drop(self.owner, self.name, pair[0])
            set_or_drop(self.owner, f"_{self.name}", pair[1])
        else:
            kept = items(self.owner, self.name)
            kept[self.index : self.index + 1] = [] if pair == (None, None) else [pair]
            put_items(self.owner, self.name, kept)


def root(document: Json) -> Place:
    """The place of the whole resource."""
    return Place(document, "", None, document["resourceType"])


def items(owner: Json, name: str) -> list[Pair]:
    """The items of a repeating element with what is beside each."""
    values, besides = owner.get(name), owner.get(f"_{name}")
    return list(zip_longest(_listed(values), _listed(besides)))


def put_items(owner: Json, name: str, pairs: list[Pair]) -> None:
    """Set a repeating element."""
    for key, side in ((name, 0), (f"_{name}", 1)):
        values = [pair[side] for pair in pairs]
        set_or_drop(owner, key, values if any(value is not None for value in values) else None)


def set_or_drop(owner: Json, name: str, value: Any) -> None:
    """Set a property, or take it away for None."""
    if value is None:
        owner.pop(name, None)
    else:
        owner[name] = value


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


def find(document: Json, path: str, where: str) -> list[Place]:
    """All places that `path` names. Raises `BadRequest` (not such a path) and `Unprocessable` (no such element)."""
    return _walk(document, steps_of(path, where), where)


def find_list(document: Json, path: str, where: str) -> tuple[Place, Element]:
    """The element that has the list that `path` names, and the list. Raises as `find` does."""
    *steps, last = steps_of(path, where)
    if not steps or last.function or not last.name:
        raise BadRequest.of(
            f"'{path[:100]}' does not name a list: it must end in the name of a repeating element.", where, code="value"
        )
    parent = only(_walk(document, steps, where), path, where)
    element = _named(parent.content, last.name, where)[0]
    if not element.repeats:
        raise Unprocessable.of(f"'{path[:100]}' does not repeat, so it has no places by number.", where)
    return parent, element


def only(found: list[Place], path: str, where: str) -> Place:
    """The one place. Raises `Unprocessable` for none and for several."""
    if len(found) != 1:
        count = "nothing" if not found else f"{len(found)} elements"
        code = "multiple-matches" if found else "not-found"
        raise Unprocessable.of(f"'{path[:100]}' names {count}; it must name one element.", where, code=code)
    return found[0]


def _walk(document: Json, steps: list[Step], where: str) -> list[Place]:
    found = [root(document)]
    if steps[0].name in (document["resourceType"], "DomainResource", "Resource"):
        steps = steps[1:]
    for step in steps:
        found = _step(found, step, where)
    return found


def _step(found: list[Place], step: Step, where: str) -> list[Place]:
    if step.at is not None:
        return found[step.at : step.at + 1]
    if not step.function:
        return [child for place in found for child in _children(place, step.name, where)]
    if step.name == "where":
        return [place for place in found if _holds(place, step.argument, where, STEPS // len(found))]
    if step.name in ("ofType", "as"):
        return [place for place in found if place.content == step.argument]
    if step.name == "extension":
        extensions = [child for place in found for child in _children(place, "extension", where)]
        return [place for place in extensions if place.pair[0].get("url") == step.argument]
    if step.name == "single" and len(found) > 1:
        raise Unprocessable.of(f"single() meets {len(found)} elements.", where, code="multiple-matches")
    return found[-1:] if step.name == "last" else found[:1]


def _children(place: Place, label: str, where: str) -> Iterator[Place]:
    value, beside = place.pair
    inside = value if isinstance(value, dict) else beside
    for element in _named(place.content, label, where):
        if not isinstance(inside, dict) or not (element.name in inside or f"_{element.name}" in inside):
            continue
        if not element.repeats:
            yield _placed(inside, element, None, place)
            continue
        for index in range(len(items(inside, element.name))):
            yield _placed(inside, element, index, place)


def _placed(owner: Json, element: Element, index: int | None, parent: Place) -> Place:
    found = Place(owner, element.name, index, element.content, element.label, parent)
    if element.content == "Resource" and isinstance(value := found.pair[0], dict):
        found.content = str(value.get("resourceType", "Resource"))
    return found


def _named(owner: str, label: str, where: str) -> list[Element]:
    try:
        return elements_named(owner, label)
    except NoSuchElementError as error:
        raise Unprocessable.of(str(error), where, code="not-found") from None


def _holds(place: Place, text: str, where: str, steps: int) -> bool:
    value, beside = place.pair
    top = place
    while top.parent is not None:
        top = top.parent
    node, whole = (value, place.content, beside), (top.owner, top.content, None)
    try:
        return _filter(text, place.content).holds(node, Context(whole, context=node, steps=steps)) is True
    except UnsupportedError as error:
        raise BadRequest.of(f"where({text[:100]}) is not understood: {error}", where, code="value") from None
    except EvaluationError as error:
        raise Unprocessable.of(f"where({text[:100]}) cannot be answered: {error}", where) from None


@lru_cache(maxsize=256)
def _filter(text: str, content: str) -> Condition:
    """A FHIRPath condition on elements of one type. Raises `UnsupportedError`."""
    for name in _BARRED:
        if f"{name}(" in text.replace(" ", ""):
            raise UnsupportedError(f"{name}() has no place in the path of a patch")
    return condition(text, content, counted=True)
