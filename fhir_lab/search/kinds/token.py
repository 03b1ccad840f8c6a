"""Token parameters: a code with or without a system. https://hl7.org/fhir/R4/search.html#token

A row is (system, code), '' for what is absent. Codings and Identifiers have a system of their own. A ContactPoint is
its value, without a system, as R4 says. A `code` or boolean is stored without a system: `final` and `|final` find it
as it is, and `http://hl7.org/fhir/observation-status|final` once the search has dropped a system that
`Registry.code_systems` lists. An element that is there but has neither system nor code gives ('', ''), so that
`:missing` knows of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, key

TokenRow = tuple[str, str]


def extract(node: Node, _place: Place) -> list[TokenRow]:
    """The (system, code) pairs of a node: one per coding of a CodeableConcept."""
    reader = _READERS.get(node.type)
    if reader is None:
        return [("", key(node.value))] if isinstance(node.value, str) else []
    return reader(node.value)


def _coding(coding: Mapping[str, Any]) -> list[TokenRow]:
    return [(key(coding.get("system", "")), key(coding.get("code", "")))]


def _concept(concept: Mapping[str, Any]) -> list[TokenRow]:
    codings = concept.get("coding")
    if not codings:
        return [("", "")]
    return [(key(coding.get("system", "")), key(coding.get("code", ""))) for coding in codings]


def _identifier(identifier: Mapping[str, Any]) -> list[TokenRow]:
    return [(key(identifier.get("system", "")), key(identifier.get("value", "")))]


def _contact(contact: Mapping[str, Any]) -> list[TokenRow]:
    return [("", key(contact.get("value", "")))]


def _boolean(value: bool) -> list[TokenRow]:
    return [("", "true" if value else "false")]


_READERS: dict[str, Callable[[Any], list[TokenRow]]] = {
    "CodeableConcept": _concept,
    "Coding": _coding,
    "Identifier": _identifier,
    "ContactPoint": _contact,
    "boolean": _boolean,
}
