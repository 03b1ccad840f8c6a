"""Which elements a type of R4 has, as JSON writes them: one property for each type that a choice may take.

https://hl7.org/fhir/R4/formats.html#choice https://hl7.org/fhir/R4/json.html#primitive
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import conformance


@dataclass(frozen=True, slots=True)
class Element:
    """One element with one of its types: `name` is the property of JSON (`valueQuantity`), `label` the element's name
    (`value`).

    `content` is the datatype, the resource type or the path whose elements its value has. `rivals` are the properties
    of a choice, which exclude each other; empty where there is no choice.
    """

    label: str
    name: str
    content: str
    repeats: bool
    rivals: tuple[str, ...] = ()

    @property
    def primitive(self) -> bool:
        """True for a value that is no object."""
        return bool(conformance.elements().get(self.content, {}).get("kind") == "primitive-type")


@lru_cache(maxsize=4096)
def elements_of(owner: str) -> tuple[Element, ...]:
    """The elements right below a datatype, a resource type or a path (`Observation.component`); none for any other."""
    table = conformance.elements().get(owner.partition(".")[0], {}).get("elements", {})
    start = f"{owner}."
    return tuple(
        element
        for path, definition in table.items()
        if path.startswith(start) and "." not in path[len(start) :]
        for element in _elements(owner, path[len(start) :], definition)
    )


def _elements(owner: str, written: str, definition: dict[str, Any]) -> Iterable[Element]:
    types = [each if isinstance(each, str) else each[0] for each in definition.get("types", ["sameAs"])]
    repeats = not definition["card"].endswith("..1")
    label = written.removesuffix("[x]")
    if label == written:
        for each in types:
            yield Element(label, label, _content(owner, label, definition, each), repeats)
        return
    names = tuple(label + each[0].upper() + each[1:] for each in types)
    for name, each in zip(names, types, strict=True):
        yield Element(label, name, _content(owner, written, definition, each), repeats, names)


def _content(owner: str, label: str, definition: dict[str, Any], fhir_type: str) -> str:
    if "sameAs" in definition:
        return str(definition["sameAs"])
    if (owner, label) == ("Extension", "url"):
        return "uri"  # the published table has the type that FHIRPath sees
    return f"{owner}.{label}" if fhir_type in ("BackboneElement", "Element") else fhir_type
