"""Which table answers a parameter, what its rows must satisfy, and how few of them are likely to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, FromClause, Table, and_, case, or_

from fhir_lab.search.columns import CODINGS, DateColumn, DayColumn, TokenColumn
from fhir_lab.search.kinds import date, number, position, quantity, reference, string, token, uri
from fhir_lab.search.kinds.reference import ReferenceValue
from fhir_lab.search.kinds.token import MemberValue, TokenValue
from fhir_lab.search.registry import SearchParameter
from fhir_lab.search.sets import Test
from fhir_lab.storage.tables import (
    CODING_TABLES,
    idx_date,
    idx_number,
    idx_position,
    idx_quantity,
    idx_reference,
    idx_string,
    idx_token,
    idx_uri,
)

# Likely sizes of sets, the smallest first; see `sets.Rows.rank`.
ONE, FEW, SOME, MANY, MOST = 0, 1, 3, 5, 7

Pks = Mapping[ReferenceValue, Sequence[int]]

TABLES: dict[str, Table] = {
    "token": idx_token,
    "string": idx_string,
    "date": idx_date,
    "number": idx_number,
    "quantity": idx_quantity,
    "reference": idx_reference,
    "uri": idx_uri,
    "position": idx_position,
    "phonetic": idx_string,
}
_TESTS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "string": string.compile,
    "date": lambda value, row: date.compile(value, row.low, row.high, row.low),
    "number": lambda value, row: number.compile(value, row.value, row.low, row.high),
    "quantity": quantity.compile,
    "uri": lambda value, row: uri.compile(value, row.value),
    "position": position.compile,
    "phonetic": string.compile,
}


def index_table(parameter: SearchParameter) -> Table:
    """The table that holds the index rows of a parameter."""
    if (parameter.type, parameter.code) in CODINGS:
        return CODING_TABLES[parameter.type]
    return TABLES[parameter.kind]


def of_parameter(parameter: SearchParameter) -> Test:
    """The test that an index row is of this parameter."""
    return lambda row: row.c.param == parameter.id


def index_test(parameter: SearchParameter, kind: str, values: Sequence[Any], pks: Pks) -> Test:
    """The test that an index row is of this parameter and has one of the values."""

    def test(row: FromClause) -> ColumnElement[bool]:
        return and_(row.c.param == parameter.id, value_test(kind, values, pks, row))

    return test


def value_test(kind: str, values: Sequence[Any], pks: Pks, row: FromClause) -> ColumnElement[bool]:
    """The condition that an index row has one of the values."""
    if kind == "reference":
        return reference.compile(values, row.c, pks)
    if kind == "token":
        return token.compile_any(values, row.c.system, row.c.code)
    return or_(*(_TESTS[kind](value, row.c) for value in values))


def column_test(column: TokenColumn | DateColumn | DayColumn, values: Sequence[Any], zone: ZoneInfo) -> Test:
    """The test that a lab column has one of the values."""

    def test(row: FromClause) -> ColumnElement[bool]:
        if isinstance(column, TokenColumn):
            return _token_column(values, row.c[column.column.name], column.boolean)
        if isinstance(column, DayColumn):
            first, last = row.c[column.first.name], row.c[column.last.name]
            return or_(*(date.compile_days(value, first, last, zone) for value in values))
        low, high = row.c[column.low.name], row.c[column.high.name]
        key = low if column.sort is None else row.c[column.sort.name]
        return or_(*(date.compile(value, low, high, key) for value in values))

    return test


def _token_column(
    values: Sequence[TokenValue | MemberValue], column: ColumnElement[Any], boolean: bool
) -> ColumnElement[bool]:
    """The column holds values without a system, as `idx_token` would."""
    members = [value for value in values if isinstance(value, MemberValue)]
    if members:
        text = case((column, "true"), (~column, "false")) if boolean else column
        return or_(*(token.compile_members(value, None, text) for value in members))
    own = [value for value in values if isinstance(value, TokenValue) and (value.implied or not value.system)]
    if any(value.code is None for value in own):
        return column.is_not(None)
    codes = [value.code for value in own]
    return column.in_([code == "true" for code in codes if code in ("true", "false")] if boolean else codes)


def rank(parameter: SearchParameter, modifier: str, values: Sequence[Any]) -> int:
    """How few resources a condition is likely to match."""
    if parameter.kind == "token":
        if modifier in ("in", "above", "below"):
            return MANY
        if parameter.code == "identifier":
            return FEW
        return SOME if parameter.code == "code" else MANY
    if parameter.kind in ("date", "number", "quantity"):
        number_of = [value.number if parameter.kind == "quantity" else value for value in values]
        return MANY - 1 if all(value.prefix in ("eq", "ap") for value in number_of) else MOST
    if parameter.kind == "string":
        return MOST if modifier == "contains" else FEW + 1
    return SOME if parameter.kind == "composite" else FEW
