"""String parameters: text compared without case and accents. https://hl7.org/fhir/R4/search.html#string

A row is (norm, exact): as `values.normalise` gives it, and as written. Each part of a HumanName or an Address is a row.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, normalise

StringRow = tuple[str, str]

PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}


def extract(node: Node, _place: Place) -> list[StringRow]:
    """The (norm, exact) pairs of a string, markdown, HumanName or Address."""
    value = node.value
    if isinstance(value, str):
        return [(normalise(value), value)]
    parts = PARTS.get(node.type)
    return [(normalise(text), text) for text in _texts(value, parts)] if parts else []


def _texts(value: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        text = value.get(part)
        if isinstance(text, str):
            yield text
        elif text:
            yield from (line for line in text if line is not None)
