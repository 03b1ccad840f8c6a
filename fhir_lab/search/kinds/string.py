"""String parameters: text compared without case and accents. https://hl7.org/fhir/R4/search.html#string

A row is (norm, exact): as `values.normalise` gives it, and as written. Each part of a HumanName or an Address is a row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_

from fhir_lab.search.escapes import unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.sql import starts_with
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


MODIFIERS = ("exact", "contains")


@dataclass(frozen=True, slots=True)
class StringValue:
    """What to compare with normalised text and with text as written; `how` is '' (starts with), a modifier, or
    is, is-not or ends, which `_filter` asks for."""

    norm: str
    exact: str
    how: str = ""


def read(text: str, how: str = "") -> StringValue:
    """A search value. Raises `ValueError` when nothing is left of it to compare."""
    exact = unescape(text)
    norm = normalise(exact)
    if not norm:
        raise ValueError(f"'{text}' has no character to search for")
    return StringValue(norm, exact, how)


def compile(value: StringValue, columns: Any) -> ColumnElement[bool]:
    """The condition on a row of `idx_string`."""
    if value.how == "exact":
        return and_(columns.norm == value.norm, columns.exact == value.exact)
    if value.how == "is":
        same: ColumnElement[bool] = columns.norm == value.norm
        return same
    if value.how == "is-not":
        other: ColumnElement[bool] = columns.norm != value.norm
        return other
    if value.how == "ends":
        ending: ColumnElement[bool] = columns.norm.endswith(value.norm, autoescape=True)
        return ending
    if value.how == "contains":
        found: ColumnElement[bool] = columns.norm.contains(value.norm, autoescape=True)
        return found
    return starts_with(columns.norm, value.norm)


def match(value: StringValue, row: StringRow) -> bool:
    """True when a row satisfies the same condition."""
    norm, exact = row
    if value.how == "exact":
        return exact == value.exact
    if value.how in ("is", "is-not"):
        return (norm == value.norm) is (value.how == "is")
    if value.how == "ends":
        return norm.endswith(value.norm)
    return value.norm in norm if value.how == "contains" else norm.startswith(value.norm)
