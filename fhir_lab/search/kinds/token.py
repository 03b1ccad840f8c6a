"""Token parameters: a code with or without a system. https://hl7.org/fhir/R4/search.html#token

A row is (system, code), '' for what is absent. Codings and Identifiers have a system of their own. A ContactPoint is
its value as `address` folds it, without a system, as R4 says. A `code` or boolean is stored without a system: `final`
and `|final` find it as it is, and `http://hl7.org/fhir/observation-status|final` once the search has dropped a system
that `Registry.code_systems` lists. An element that is there but has neither system nor code gives ('', ''), so that
`:missing` knows of it.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, tuple_

from fhir_lab.search.escapes import split, unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.sql import among
from fhir_lab.search.values import Place, key, normalise
from fhir_lab.terminology.codes import Codes, Members

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
    return [("", address(contact.get("value", "")))]


def _boolean(value: bool) -> list[TokenRow]:
    return [("", "true" if value else "false")]


_READERS: dict[str, Callable[[Any], list[TokenRow]]] = {
    "CodeableConcept": _concept,
    "Coding": _coding,
    "Identifier": _identifier,
    "ContactPoint": _contact,
    "boolean": _boolean,
}


def address(text: str) -> str:
    """A phone number or address as it is compared: of a number only the digits, of all else without case."""
    digits = "".join(filter(str.isdigit, text))
    return key(digits if digits and not any(map(str.isalpha, text)) else text.lower())


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


def typed(node: Node, _place: Place) -> list[TokenRow]:
    """What `:of-type` searches, under a parameter id of its own (`of_type`): an identifier's types with its value.

    A row is ("system|code" of a type, value): URIs hold no bar, so two types are never one text.
    """
    value = node.value
    if node.type != "Identifier" or "value" not in value:
        return []
    types = value.get("type", {}).get("coding", ())
    return [(_type(each.get("system", ""), each["code"]), key(value["value"])) for each in types if "code" in each]


def _type(system: str, code: str) -> str:
    return key(f"{system}|{code}")


def of_type(parameter_id: int) -> int:
    """The id under which the rows of `typed` stand beside those of a parameter."""
    return -parameter_id


MODIFIERS = ("not", "text", "in", "not-in", "above", "below", "of-type")
NEGATIONS = frozenset({"not", "not-in"})
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


def read_of_type(text: str) -> TokenValue:
    """A search value of `:of-type`: `system|code|value`, for rows of `typed`. Raises `ValueError`."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"'{text}' is not system|code|value: system and code of Identifier.type, and the value")
    return TokenValue(_type(parts[0], parts[1]), key(parts[2]))


@dataclass(frozen=True, slots=True)
class MemberValue:
    """The members of a value set; `implied` are the systems whose codes are stored without one."""

    members: Members
    implied: frozenset[str]

    @classmethod
    def of(cls, members: Members, implied: Collection[str]) -> "MemberValue":
        """The members as the index keeps their codes."""
        kept = {key(name): Codes(frozenset(map(key, codes.listed)), codes.others) for name, codes in members.systems}
        return cls(Members.of(kept), frozenset(implied))


def compile_members(
    value: MemberValue, system: ColumnElement[str] | None, code: ColumnElement[str]
) -> ColumnElement[bool]:
    """The condition that a row is a member; `system` None: a column of codes whose system is implied."""
    tests = []
    for name, codes in value.members.systems:
        without = not name or name in value.implied
        if system is None and not without:
            continue
        listed = among(code, sorted(codes.listed))
        has = [] if system is None else [system.in_((name, "")) if without and name else system == name]
        tests.append(and_(*has, and_(~listed, code != "") if codes.others else listed))
    return or_(*tests) if tests else false()


def compile(value: TokenValue, system: ColumnElement[str], code: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition on a row of `idx_token` or of a coding table."""
    tests = [] if value.code is None else [code == value.code]
    if value.system is not None:
        tests.append(system.in_((value.system, "")) if value.implied else system == value.system)
    return and_(*tests)


def compile_any(
    given: Sequence[TokenValue | MemberValue], system: ColumnElement[str], code: ColumnElement[str]
) -> ColumnElement[bool]:
    """The condition that a row has one of the values: lists where they are plain, since a thousand ORs are too deep."""
    members = [compile_members(value, system, code) for value in given if isinstance(value, MemberValue)]
    values = [value for value in given if isinstance(value, TokenValue)]
    plain = [value.code for value in values if value.system is None and value.code is not None]
    pairs = [(value.system, value.code) for value in values if value.system is not None and value.code is not None]
    tests = [*members, *(compile(value, system, code) for value in values if value.code is None or value.implied)]
    if len(pairs) > FEW_PAIRS:
        tests.append(tuple_(system, code).in_(pairs))
    else:
        tests += [and_(code == wanted, system == own) for own, wanted in pairs]
    if plain:
        tests.append(code.in_(plain) if len(plain) > 1 else code == plain[0])
    return or_(*tests)


def match(value: TokenValue | MemberValue, row: TokenRow) -> bool:
    """True when a row satisfies the same condition."""
    system, code = row
    if isinstance(value, MemberValue):
        return bool(code) and any(
            code in codes and (name == system or (not system and name in value.implied))
            for name, codes in value.members.systems
        )
    if value.code is not None and code != value.code:
        return False
    return value.system is None or system == value.system or (value.implied and not system)
