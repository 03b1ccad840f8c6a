"""Which elements a type has and what may be their values: names of FHIRPath to properties of JSON.

https://hl7.org/fhir/R4/formats.html#choice https://hl7.org/fhir/R4/json.html#primitive
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import conformance
from fhir_lab.outcomes import nearest
from fhir_lab.validation.guard import children

# Types of which one may be given where another is expected: both are written alike and the content is checked anyway.
_ALIKE = (
    frozenset(("string", "code", "id", "markdown", "uri", "url", "canonical", "oid", "uuid")),
    frozenset(("integer", "positiveInt", "unsignedInt")),
)


@dataclass(frozen=True, slots=True)
class Element:
    """One element as JSON writes it: `name` is the property (`valueQuantity`), `label` the element (`value`).

    `content` is the type or path whose elements its value has; `rivals` are the properties that exclude it.
    """

    label: str
    name: str
    content: str
    repeats: bool
    rivals: tuple[str, ...] = ()


class NoSuchElementError(ValueError):
    """The type has no element of this name, or not with this type."""


def elements_named(owner: str, label: str) -> list[Element]:
    """The element `label` of the type or path `owner`, once for each type that its value may have.

    The properties of JSON (`valueQuantity`) are names as well. Raises `NoSuchElementError`.
    """
    known = children(owner) if owner else {}
    if label in known:
        definition = known[label]
        types = list(_types(definition))
        return [Element(label, label, _content(owner, label, definition, each), _repeats(definition)) for each in types]
    for written, definition in known.items():
        base = written.removesuffix("[x]")
        if base == written or not label.startswith(base):
            continue
        named = {base + each[0].upper() + each[1:]: each for each in _types(definition)}
        found = [
            Element(base, name, _content(owner, written, definition, each), _repeats(definition), tuple(named))
            for name, each in named.items()
            if label in (base, name)
        ]
        if found:
            return found
    raise NoSuchElementError(
        f"There is no element '{label[:64]}' in {owner or 'this'}."
        + nearest(label, (name.removesuffix("[x]") for name in known))
    )


def element_for(owner: str, label: str, given: str) -> Element:
    """The element `label` that takes a value of the type `given` (`Quantity`; empty for one made of parts).

    Raises `NoSuchElementError`.
    """
    found = elements_named(owner, label)
    for each in found:
        if not given or _fits(each, given):
            if not given and is_primitive(each.content):
                continue
            return each
    allowed = ", ".join(sorted({_said(each.content) for each in found}))
    raise NoSuchElementError(
        f"{owner}.{label} takes {allowed}, not {given or 'parts'}."
        if given
        else f"{owner}.{label} takes a value of type {allowed}, not parts."
    )


def is_primitive(content: str) -> bool:
    """True for a type whose value is not an object."""
    return bool(conformance.elements().get(content, {}).get("kind") == "primitive-type")


def _fits(element: Element, given: str) -> bool:
    if element.rivals:
        return element.name == element.label + given[0].upper() + given[1:]
    content = element.content
    # `valueDateTime` tells the type with a capital: primitives are written dateTime, the others Period.
    given = given if given in conformance.elements() else given[0].lower() + given[1:]
    return given == content or any(given in alike and content in alike for alike in _ALIKE)


def _said(content: str) -> str:
    return "parts" if "." in content else content


def _repeats(definition: dict[str, Any]) -> bool:
    return not definition["card"].endswith("..1")


def _types(definition: dict[str, Any]) -> Iterable[str]:
    for each in definition.get("types", ["sameAs"]):
        yield each if isinstance(each, str) else each[0]


def _content(owner: str, label: str, definition: dict[str, Any], fhir_type: str) -> str:
    if "sameAs" in definition:
        return str(definition["sameAs"])
    if (owner, label) == ("Extension", "url"):
        return "uri"
    return f"{owner}.{label}" if fhir_type in ("BackboneElement", "Element") else fhir_type
