"""Token parameters: a code with or without a system. https://hl7.org/fhir/R4/search.html#token

A row is (system, code), '' for what is absent. Codings and Identifiers have a system of their own. A ContactPoint is
its value, without a system, as R4 says. A `code` or boolean is stored without a system: `final` and `|final` find it
as it is, and `http://hl7.org/fhir/observation-status|final` once the search has dropped a system that
`Registry.code_systems` lists. An element that is there but has neither system nor code gives ('', ''), so that
`:missing` knows of it.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, tuple_

from fhir_lab.search.escapes import split, unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, key, normalise

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


def texts(node: Node, _place: Place) -> list[tuple[str, str]]:
    """What `:text` searches, as rows of `idx_string`: the text of a concept and its displays, an identifier's type."""
    value = node.value
    if node.type == "CodeableConcept":
        found = [value.get("text"), *(coding.get("display") for coding in value.get("coding", ()))]
    elif node.type == "Coding":
        found = [value.get("display")]
    elif node.type == "Identifier":
        found = [value.get("type", {}).get("text")]
    else:
        return []
    return list({normalise(text): (normalise(text), text) for text in found if text}.values())


MODIFIERS = ("not", "text")
FEW_PAIRS = 3


@dataclass(frozen=True, slots=True)
class TokenValue:
    """`system` None: any; '': none. `code` None: any. `implied`: the system of values that are stored without one."""

    system: str | None
    code: str | None
    implied: bool = False


def read(text: str, implied: Container[str] = ()) -> TokenValue:
    """A search value `code`, `system|code`, `|code` or `system|`.

    `implied` are the systems of values without one (`Registry.code_systems`). Raises `ValueError` for any other form.
    """
    parts = [key(unescape(part)) for part in split(text, "|")]
    if len(parts) == 1:
        return TokenValue(None, parts[0])
    if len(parts) > 2 or not any(parts):
        raise ValueError(f"'{text}' is none of code, system|code, |code and system|")
    return TokenValue(parts[0], parts[1] or None, parts[0] in implied)


def compile(value: TokenValue, system: ColumnElement[str], code: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition on a row of `idx_token` or of a coding table."""
    tests = [] if value.code is None else [code == value.code]
    if value.system is not None:
        tests.append(system.in_((value.system, "")) if value.implied else system == value.system)
    return and_(*tests)


def compile_any(
    values: Sequence[TokenValue], system: ColumnElement[str], code: ColumnElement[str]
) -> ColumnElement[bool]:
    """The condition that a row has one of the values: lists where they are plain, since a thousand ORs are too deep."""
    plain = [value.code for value in values if value.system is None and value.code is not None]
    pairs = [(value.system, value.code) for value in values if value.system is not None and value.code is not None]
    tests = [compile(value, system, code) for value in values if value.code is None or value.implied]
    if len(pairs) > FEW_PAIRS:
        tests.append(tuple_(system, code).in_(pairs))
    else:
        tests += [and_(code == wanted, system == own) for own, wanted in pairs]
    if plain:
        tests.append(code.in_(plain) if len(plain) > 1 else code == plain[0])
    return or_(*tests)


def match(value: TokenValue, row: TokenRow) -> bool:
    """True when a row satisfies the same condition."""
    system, code = row
    if value.code is not None and code != value.code:
        return False
    return value.system is None or system == value.system or (value.implied and not system)
