"""FHIRPath Patch: operations in a Parameters resource, each on one place that a FHIRPath names.

https://hl7.org/fhir/R4/fhirpatch.html
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.elements import Element
from fhir_lab.outcomes import BadRequest, Unprocessable, nearest
from fhir_lab.patching.elements import NoSuchElementError, element_for
from fhir_lab.patching.places import Json, Pair, Place, find, find_list, items, only, put_items, set_or_drop

# What each type of operation needs; nothing else may be given.
PARTS = {
    "add": ("path", "name", "value"),
    "insert": ("path", "value", "index"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
TEXTS = ("path", "name")
NUMBERS = ("index", "source", "destination")


@dataclass(frozen=True, slots=True)
class Operation:
    """One `parameter` named operation: its parts by name, and where it stands."""

    type: str
    parts: dict[str, Json]
    where: str

    @property
    def path(self) -> str:
        """The FHIRPath of the place to change."""
        return str(self.parts["path"]["valueString"])

    def number(self, name: str) -> int:
        """An index, a source or a destination."""
        return int(self.parts[name]["valueInteger"])

    def of(self, name: str) -> str:
        """Where a part stands, for errors."""
        return f"{self.where}.part.where(name='{name}')"


def fhirpath_patch(body: Any) -> Callable[[Resource], Resource]:
    """The patch that does these operations one after the other, all or none.

    `body` is a valid resource. Raises `BadRequest` for one that is no Parameters resource, and for operations that lack
    a part or have one too many.
    """
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise BadRequest.of(
            "A FHIRPath Patch is a Parameters resource with a parameter named operation for each change.",
            "Parameters",
        )
    operations = [
        _operation(each, f"Parameters.parameter[{index}]") for index, each in enumerate(body.get("parameter", []))
    ]

    def change(document: Resource) -> Resource:
        changed = copy.deepcopy(document)
        for operation in operations:
            _APPLY[operation.type](changed, operation)
        return changed

    return change


def _operation(parameter: Json, where: str) -> Operation:
    if parameter["name"] != "operation":
        raise BadRequest.of(f"'{parameter['name'][:64]}' is not 'operation'.", f"{where}.name", code="value")
    parts: dict[str, Json] = {}
    for part in parameter.get("part", []):
        name = part["name"]
        if parts.setdefault(name, part) is not part:
            raise BadRequest.of(f"The part '{name[:64]}' is given twice.", f"{where}.part", code="value")
    given = parts.get("type", {})
    kind = given.get("valueCode", given.get("valueString"))
    if kind not in PARTS:
        close = nearest(kind, PARTS) if isinstance(kind, str) else ""
        raise BadRequest.of(
            f"An operation needs the part type, a code: {', '.join(PARTS)}.{close}", f"{where}.part", code="required"
        )
    operation = Operation(kind, parts, where)
    for name in PARTS[kind]:
        if not _given(parts.get(name), name):
            raise BadRequest.of(
                f"'{kind}' needs the part {name}, {_described(name)}.", operation.of(name), code="required"
            )
    for name in parts.keys() - {"type", *PARTS[kind]}:
        raise BadRequest.of(
            f"'{kind}' has no part '{name[:64]}'; it has type, {', '.join(PARTS[kind])}.",
            operation.of(name[:64]),
            code="value",
        )
    return operation


def _given(part: Json | None, name: str) -> bool:
    if part is None:
        return False
    if name in TEXTS:
        return "valueString" in part
    return "valueInteger" in part if name in NUMBERS else len(part) > 1


def _described(name: str) -> str:
    return "a valueString" if name in TEXTS else "a valueInteger" if name in NUMBERS else "a value[x] or parts"


def _add(document: Json, operation: Operation) -> None:
    place = only(find(document, operation.path, operation.of("path")), operation.path, operation.of("path"))
    label = str(operation.parts["name"]["valueString"])
    element, pair = _value(operation.parts["value"], place.content, label, operation)
    owner = place.inside()
    if element.repeats:
        put_items(owner, element.name, [*items(owner, element.name), pair])
        return
    present = [name for name in (element.rivals or (element.name,)) if name in owner or f"_{name}" in owner]
    if present:
        raise Unprocessable.of(
            f"{present[0]} is there already and does not repeat; use replace.", operation.of("name"), code="duplicate"
        )
    _set(owner, element, pair)


def _insert(document: Json, operation: Operation) -> None:
    place, found = find_list(document, operation.path, operation.of("path"))
    owner, at = place.inside(), operation.number("index")
    pairs = items(owner, found.name)
    _check_number(at, len(pairs), operation, "index")
    _, pair = _value(operation.parts["value"], place.content, found.label, operation)
    put_items(owner, found.name, [*pairs[:at], pair, *pairs[at:]])


def _delete(document: Json, operation: Operation) -> None:
    found = find(document, operation.path, operation.of("path"))
    if found:
        _take_away(only(found, operation.path, operation.of("path")), operation)


def _take_away(place: Place, operation: Operation) -> None:
    """An element without content does not exist, so an empty one goes with its last child."""
    if place.parent is None:
        raise Unprocessable.of("A patch does not delete the whole resource.", operation.of("path"))
    place.put((None, None))
    above = place.parent
    if above.parent is not None and not place.owner:
        value, beside = above.pair
        kept = (None if value == {} else value, None if beside == {} else beside)
        if kept == (None, None):
            _take_away(above, operation)
        else:
            above.put(kept)


def _replace(document: Json, operation: Operation) -> None:
    place = only(find(document, operation.path, operation.of("path")), operation.path, operation.of("path"))
    if place.parent is None:
        raise Unprocessable.of("A patch does not replace the whole resource; use update.", operation.of("path"))
    element, pair = _value(operation.parts["value"], place.parent.content, place.label, operation)
    if place.index is not None:
        place.put(pair)
        return
    if element.name != place.name:  # another type of value goes by another name
        place.put((None, None))
    _set(place.owner, element, pair)


def _move(document: Json, operation: Operation) -> None:
    place, found = find_list(document, operation.path, operation.of("path"))
    owner = place.inside()
    pairs = items(owner, found.name)
    source, destination = operation.number("source"), operation.number("destination")
    _check_number(source, len(pairs) - 1, operation, "source")
    _check_number(destination, len(pairs) - 1, operation, "destination")
    pairs.insert(destination, pairs.pop(source))
    put_items(owner, found.name, pairs)


_APPLY = {"add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move}


def _check_number(number: int, last: int, operation: Operation, name: str) -> None:
    if not 0 <= number <= last:
        allowed = f"from 0 to {last}" if last >= 0 else "nothing, as the list is empty"
        raise Unprocessable.of(f"{name} is {number}; allowed: {allowed}.", operation.of(name), code="value")


def _set(owner: Json, element: Element, pair: Pair) -> None:
    set_or_drop(owner, element.name, pair[0])
    set_or_drop(owner, f"_{element.name}", pair[1])


def _value(part: Json, owner: str, label: str, operation: Operation) -> tuple[Element, Pair]:
    """The element `label` of `owner` for the value of a part, and that value as JSON."""
    given = next((name.lstrip("_")[len("value") :] for name in part if name.lstrip("_").startswith("value")), "")
    if "resource" in part:
        given = "Resource"
    try:
        element = element_for(owner, label, given)
    except NoSuchElementError as error:
        raise Unprocessable.of(str(error), operation.of("value"), code="value") from None
    if given == "Resource":
        return element, (part["resource"], None)
    if given:
        return element, (part.get(f"value{given}"), part.get(f"_value{given}"))
    return element, (_object(part.get("part", []), element.content, operation), None)


def _object(parts: list[Json], content: str, operation: Operation) -> Json:
    """An element of an anonymous type: one part for each of its elements."""
    made: Json = {}
    for part in parts:
        element, pair = _value(part, content, part["name"], operation)
        if element.repeats:
            put_items(made, element.name, [*items(made, element.name), pair])
        elif element.name in made:
            raise Unprocessable.of(f"{part['name'][:64]} is given twice.", operation.of("value"), code="duplicate")
        else:
            _set(made, element, pair)
    return made
