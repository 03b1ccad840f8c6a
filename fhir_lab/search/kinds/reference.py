"""Reference parameters: what a resource points to. https://hl7.org/fhir/R4/search.html#reference

A row is (target_type, target_id, url, identifier_system, identifier_value). A local target has type and id; any other
has its URL without version, and its type where the URL or `Reference.type` shows it. A canonical is always a URL; one
with a version has a second row without it, so that both spellings find it. A reference with only a display has an
empty row, so that `:missing` knows of it; `#contained` ones have none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from fhir_lab.search.escapes import unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.kinds import token
from fhir_lab.search.kinds.token import TokenValue
from fhir_lab.search.sql import among
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


MODIFIERS = ("identifier", "above", "below")
RECURSIVE = frozenset({"above", "below"})
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """A target by `id` on this server (`type` '' when the client gave none), by `url`, or by `identifier`.

    One by id may have the `url` that a canonical names it by. `how` is above or below where all that stands there in
    the hierarchy of the type is meant too.
    """

    type: str = ""
    id: str = ""
    url: str = ""
    identifier: TokenValue | None = None
    how: str = ""


def read(text: str, base: str, target: str = "") -> ReferenceValue:
    """A search value: `id`, `Type/id`, a URL of this server or of another, a canonical `url|version`.

    `target` is the type that a modifier such as `:Patient` asks for. Raises `ValueError` for anything else.
    """
    plain = unescape(text)
    if _ID.fullmatch(plain):
        return ReferenceValue(target, plain)
    parsed = parse_reference(plain, base)
    if parsed is None:
        raise ValueError(f"'{plain}' is none of id, Type/id and an absolute URL")
    if target and parsed.type != target:
        raise ValueError(f"'{plain}' is not a {target}, which the modifier :{target} asks for")
    return ReferenceValue(url=key(parsed.url)) if parsed.url else ReferenceValue(parsed.type, parsed.id)


def read_identifier(text: str) -> ReferenceValue:
    """A search value of `:identifier`: `system|value` and the other forms of a token. Raises `ValueError`."""
    return ReferenceValue(identifier=token.read(text))


def compile(
    values: Sequence[ReferenceValue], columns: Any, pks: Mapping[ReferenceValue, Sequence[int]]
) -> ColumnElement[bool]:
    """The condition that a row of `idx_reference` has one of the values; `pks` are the local resources they name."""
    tests: list[ColumnElement[bool]] = []
    identifiers = [value.identifier for value in values if value.identifier is not None]
    if identifiers:
        system, identifier = columns.identifier_system, columns.identifier_value
        tests.append(and_(token.compile_any(identifiers, system, identifier), or_(system != "", identifier != "")))
    urls = [value.url for value in values if value.url]
    if urls:
        tests.append(columns.url.in_(urls))
    local = sorted({pk for value in values for pk in pks.get(value, ())})
    if local or not tests:
        tests.append(among(columns.target_pk, local))
    return or_(*tests)


def match(value: ReferenceValue, row: ReferenceRow) -> bool:
    """True when a row satisfies the same condition."""
    target_type, target_id, url, system, identifier = row
    if value.identifier is not None:
        return bool(system or identifier) and token.match(value.identifier, (system, identifier))
    if value.url and (url == value.url or not value.id):
        return url == value.url
    return target_id == value.id and value.type in ("", target_type)
