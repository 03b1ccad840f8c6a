"""Reference parameters: what a resource points to. https://hl7.org/fhir/R4/search.html#reference

A row is (target_type, target_id, url, identifier_system, identifier_value). A local target has type and id; any other
has its URL without version, and its type where the URL or `Reference.type` shows it. A canonical is always a URL; one
with a version has a second row without it, so that both spellings find it. A reference with only a display has an
empty row, so that `:missing` knows of it; `#contained` ones have none.
"""

from collections.abc import Mapping
from typing import Any

from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, key, parse_reference

ReferenceRow = tuple[str, str | None, str, str, str]


def extract(node: Node, place: Place) -> list[ReferenceRow]:
    """The rows of a Reference, canonical or uri, or of a resource inside a Bundle."""
    if node.type == "Reference":
        return _reference(node.value, place)
    if node.type in ("canonical", "uri"):
        return _canonical(node.value)
    if node.type == "Resource":
        return [(node.value["resourceType"], None, "", "", "")]
    return []


def _reference(reference: Mapping[str, Any], place: Place) -> list[ReferenceRow]:
    identifier = reference.get("identifier", {})
    system, value = key(identifier.get("system", "")), key(identifier.get("value", ""))
    literal = reference.get("reference")
    if literal is None:
        return [(reference.get("type", ""), None, "", system, value)]
    parsed = parse_reference(literal, place.base)
    if parsed is None:
        return []
    if not parsed.url:
        return [(parsed.type, parsed.id, "", system, value)]
    return [(parsed.type or reference.get("type", ""), None, key(parsed.url), system, value)]


def _canonical(literal: str) -> list[ReferenceRow]:
    url, bar, _ = literal.partition("|")
    spellings = (url, literal) if bar else (url,)
    return [("", None, key(spelling), "", "") for spelling in spellings if not spelling.startswith("#")]
