"""`_sort` as ORDER BY, and "after this row" as a condition, so that pages need no OFFSET.

A resource without a value sorts as the lowest one, on both databases; the pk breaks ties and is the order when the
client asks for none. Of several values the one that comes first counts. https://hl7.org/fhir/R4/search.html#sort
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, tuple_

from fhir_lab.documents import Resource
from fhir_lab.search.aliases import fresh
from fhir_lab.search.columns import ANSWERED, DateColumn, DayColumn, LabColumn, ReferenceColumn, TokenColumn
from fhir_lab.search.match import indexed
from fhir_lab.search.plan import Plan
from fhir_lab.search.registry import SearchParameter
from fhir_lab.search.rows import index_table
from fhir_lab.search.sql import ByCodePoint
from fhir_lab.search.tree import SortKey
from fhir_lab.services import Services
from fhir_lab.storage.repository import Version
from fhir_lab.storage.tables import LAB_TABLES, idx_reference, resource
from fhir_lab.storage.tables.base import NO_DATE

# The column to sort by, and what stands for no value.
VALUES: dict[str, tuple[str, Any]] = {
    "token": ("code", ""),
    "string": ("norm", ""),
    "date": ("low", NO_DATE),
    "number": ("value", -inf),
    "quantity": ("value", -inf),
    "uri": ("value", ""),
    "phonetic": ("norm", ""),
}


@dataclass(frozen=True, slots=True)
class Ordered:
    """An expression and its direction."""

    expression: ColumnElement[Any]
    descending: bool


def order(plan: Plan, keys: Sequence[SortKey]) -> list[Ordered]:
    """What to order the plan's rows by; the last is the pk, in the direction of the key before it."""
    ordered = [Ordered(_expression(plan, key), key.descending) for key in keys]
    return [*ordered, Ordered(plan.pk, keys[-1].descending if keys else False)]


def after(ordered: Sequence[Ordered], values: Sequence[Any], backwards: bool) -> ColumnElement[bool]:
    """The condition that a row comes after the one with these values, or before it when `backwards`."""
    down = [item.descending is not backwards for item in ordered]
    expressions = [item.expression for item in ordered]
    if len(set(down)) == 1:
        left, right = tuple_(*expressions), tuple_(*(literal(value) for value in values))
        return left < right if down[0] else left > right
    steps = []
    for position, expression in enumerate(expressions):
        same = [expressions[n] == values[n] for n in range(position)]
        beyond = expression < values[position] if down[position] else expression > values[position]
        steps.append(and_(*same, beyond))
    return or_(*steps)


def value_of(services: Services, key: SortKey, version: Version, document: Resource) -> Any:
    """The value that a document, which is not in the index, has for a key; what `order` would select of its rows."""
    parameter = key.parameter
    if parameter.code == "_lastUpdated":
        return version.last_updated
    if parameter.code == "_id":
        return version.id
    column = ANSWERED.get((parameter.type, parameter.code))
    if isinstance(column, DayColumn):
        return document.get("birthDate", "")
    found = [_of_row(parameter, row) for _, row in indexed(services, document, parameter)]
    if not found:
        return "" if parameter.kind == "reference" else VALUES[parameter.kind][1]
    return max(found) if key.descending and not isinstance(column, DateColumn) else min(found)


def _of_row(parameter: SearchParameter, row: Sequence[Any]) -> Any:
    if parameter.kind == "reference":
        target_type, target_id, url = row[:3]
        return f"{target_type}/{target_id}" if target_id else url
    return row[1] if parameter.kind == "token" else row[0]


def _expression(plan: Plan, key: SortKey) -> ColumnElement[Any]:
    parameter = key.parameter
    if parameter.code == "_lastUpdated":
        updated: ColumnElement[int] = plan.row(resource).c.last_updated
        return updated
    if parameter.code == "_id":
        return ByCodePoint(plan.row(resource).c.id)
    column = ANSWERED.get((parameter.type, parameter.code))
    if parameter.kind == "reference":
        return _reference(plan, parameter, func.max if key.descending else func.min)
    return _of_index(plan, key) if column is None else _of_column(plan, parameter.type, column)


def _of_column(plan: Plan, resource_type: str, column: LabColumn) -> ColumnElement[Any]:
    if isinstance(column, DateColumn) and column.sort is not None and plan.coding is not None:
        repeated: ColumnElement[int] = plan.coding.c.sort_key
        return repeated
    row = plan.row(LAB_TABLES[resource_type])
    if isinstance(column, DateColumn):
        if column.sort is not None:
            own: ColumnElement[int] = row.c[column.sort.name]
            return own
        return func.coalesce(row.c[column.low.name], NO_DATE)
    if isinstance(column, DayColumn):
        return ByCodePoint(func.coalesce(row.c[column.text.name], ""))
    assert isinstance(column, TokenColumn)
    value = row.c[column.column.name]
    if column.boolean:
        return ByCodePoint(case((value.is_(None), ""), (value, "true"), else_="false"))
    return ByCodePoint(func.coalesce(value, ""))


def _of_index(plan: Plan, key: SortKey) -> ColumnElement[Any]:
    parameter = key.parameter
    name, lowest = VALUES[parameter.kind]
    rows = fresh(index_table(parameter))
    value = ByCodePoint(rows.c[name]) if lowest == "" else rows.c[name]
    first = func.max(value) if key.descending else func.min(value)
    found = select(first).where(rows.c.pk == plan.pk, rows.c.param == parameter.id).scalar_subquery()
    missing = func.coalesce(found, lowest)
    return ByCodePoint(missing) if lowest == "" else missing


def _reference(plan: Plan, parameter: SearchParameter, first: Callable[..., Any]) -> ColumnElement[Any]:
    """`Type/id` of a local target, the URL of another; the `first` of several."""
    rows, target = fresh(idx_reference), fresh(resource)
    name = func.coalesce(target.c.type + "/" + target.c.id, rows.c.url)
    found = select(first(ByCodePoint(name))).select_from(rows.outerjoin(target, target.c.pk == rows.c.target_pk))
    values: list[Any] = [found.where(rows.c.pk == plan.pk, rows.c.param == parameter.id).scalar_subquery(), ""]
    column = ANSWERED.get((parameter.type, parameter.code))
    if isinstance(column, ReferenceColumn):
        held = fresh(resource)
        row = plan.row(LAB_TABLES[parameter.type])
        own = select(held.c.type + "/" + held.c.id).where(held.c.pk == row.c[column.column.name])
        values.insert(0, own.scalar_subquery())
    return ByCodePoint(func.coalesce(*values))
