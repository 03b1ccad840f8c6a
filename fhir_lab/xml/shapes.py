"""What XML needs to know of a type and JSON does not say: order, attributes, what repeats, what is primitive.

Compiled from `conformance/elements.json`, a shape when it is first met. https://hl7.org/fhir/R4/xml.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import conformance

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
PRIMITIVE, COMPLEX, RESOURCE, NARRATIVE = range(4)


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a type, under one of the names that a choice has.

    `type` is the name of a primitive, or the path whose shape the content has. `place` orders the elements of a type;
    the names of a choice share theirs.
    """

    name: str
    place: int
    repeats: bool
    kind: int
    type: str


class Shape:
    """The elements of a type (`Period`) or of a path with children (`Observation.component`)."""

    def __init__(self, path: str) -> None:
        self.attributes = () if is_resource(path) else ("id", "url") if path == "Extension" else ("id",)
        self.parts = {part.name: part for part in _parts(path) if part.name not in self.attributes}
        self.tags = {_tag(part): part for part in self.parts.values()}
        # Where a JSON property belongs in XML; what stands beside a primitive (`_status`) goes with it.
        self.places = {name: part.place for name, part in self.parts.items()}
        self.places |= {f"_{name}": place for name, place in self.places.items()}
        self.places |= dict.fromkeys((*self.attributes, "resourceType"), -1)


@cache
def shape(path: str) -> Shape:
    """The shape of a type or path of `conformance/elements.json`."""
    return Shape(path)


def is_resource(name: str) -> bool:
    """True for the name of a concrete resource type."""
    definition = conformance.elements().get(name)
    return definition is not None and definition["kind"] == "resource" and not definition["abstract"]


def _tag(part: Part) -> str:
    return f"{{{XHTML if part.kind == NARRATIVE else FHIR}}}{part.name}"


def _parts(path: str) -> Iterator[Part]:
    elements = conformance.elements()[path.partition(".")[0]]["elements"]
    depth = path.count(".") + 1
    children = [name for name in elements if name.startswith(f"{path}.") and name.count(".") == depth]
    for place, name in enumerate(children):
        element = elements[name]
        if element["card"].endswith("..0"):
            continue
        repeats = not element["card"].endswith("..1")
        label = name.rpartition(".")[2]
        for entry in element.get("types", ("",)):
            fhir_type = entry if isinstance(entry, str) else entry[0]
            named = label[:-3] + fhir_type[0].upper() + fhir_type[1:] if label.endswith("[x]") else label
            yield Part(named, place, repeats, *_content(name, element, fhir_type))


def _content(path: str, element: dict[str, Any], fhir_type: str) -> tuple[int, str]:
    if "sameAs" in element:
        return COMPLEX, element["sameAs"]
    if fhir_type in ("BackboneElement", "Element"):
        return COMPLEX, path
    if fhir_type == "Resource":
        return RESOURCE, ""
    if fhir_type == "xhtml":
        return NARRATIVE, ""
    primitive = conformance.elements()[fhir_type]["kind"] == "primitive-type"
    return PRIMITIVE if primitive else COMPLEX, fhir_type
