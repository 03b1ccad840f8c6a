"""The tree of a search as sets of resources in SQL.

A criterion on a parameter that a lab column answers becomes a test on the lab row, one on codings a test on a coding
row, any other a test on index rows. https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, exists, or_

from fhir_lab.search import chain
from fhir_lab.search.aliases import fresh
from fhir_lab.search.columns import ANSWERED, DateColumn, DayColumn, LabColumn, ReferenceColumn
from fhir_lab.search.hierarchy import closure
from fhir_lab.search.kinds import date, text
from fhir_lab.search.kinds.composite import CompositeValue, Part
from fhir_lab.search.kinds.reference import ReferenceValue
from fhir_lab.search.kinds.string import StringValue
from fhir_lab.search.kinds.token import NEGATIONS, TokenValue, of_type
from fhir_lab.search.registry import SearchParameter
from fhir_lab.search.rows import (
    FEW,
    MOST,
    ONE,
    Pks,
    column_test,
    index_table,
    index_test,
    of_parameter,
    rank,
    value_test,
)
from fhir_lab.search.sets import EVERYTHING, NOTHING, Intersection, Rows, Set, Test, Without, live, union_of
from fhir_lab.search.sql import among
from fhir_lab.search.targets import named
from fhir_lab.search.tree import And, Chain, Condition, Criterion, Missing, Not, Or
from fhir_lab.search.windows import windows
from fhir_lab.storage.tables import LAB_TABLES, idx_reference, idx_string, idx_token, resource
from fhir_lab.storage.unit import Unit

# The set of the resources of a type that may be looked at, None for all of them.
Reach = Callable[[str], Set | None]
INSTANT = 1000  # meta.lastUpdated has milliseconds


class Compiler:
    """Compiles the criteria of one request. Links of chains end only at what `reach` gives."""

    def __init__(self, unit: Unit, reach: Reach) -> None:
        self._unit = unit
        self.registry = unit.services.registry
        self._reach = reach
        self._found: dict[tuple[tuple[str, ...], str], tuple[tuple[str, int], ...]] = {}

    def sets(self, resource_type: str, criteria: Iterable[Criterion]) -> list[Set]:
        """One set per criterion."""
        return [self.set(resource_type, criterion) for criterion in criteria]

    def all_of(self, resource_type: str, criteria: Sequence[Criterion]) -> list[Set]:
        """The sets of resources that satisfy every criterion: one each, and those by which PostgreSQL finds them."""
        sets = self.sets(resource_type, criteria)
        return [*sets, *windows(criteria)] if self._unit.connection.dialect.name == "postgresql" else sets

    def set(self, resource_type: str, criterion: Criterion) -> Set:
        """The resources of the type that satisfy one criterion."""
        if isinstance(criterion, Condition):
            found = self._condition(criterion)
            return Without(found) if criterion.modifier in NEGATIONS else found
        if isinstance(criterion, Missing):
            return _missing(criterion.parameter, criterion.missing)
        if isinstance(criterion, And):
            return Intersection(resource_type, tuple(self.all_of(resource_type, criterion.criteria)))
        if isinstance(criterion, Or):
            return union_of(self.sets(resource_type, criterion.criteria))
        if isinstance(criterion, Not):
            return Without(self.set(resource_type, criterion.criterion))
        if isinstance(criterion, Chain):
            return chain.chain(self, resource_type, criterion)
        return chain.has(self, resource_type, criterion)

    def linked(self, resource_type: str, criterion: Criterion) -> list[Set]:
        """The sets of a criterion at the end of a link: its own, and what the caller may look at."""
        reach = self._reach(resource_type)
        return [self.set(resource_type, criterion), *([] if reach is None else [reach])]

    def _condition(self, condition: Condition) -> Set:
        parameter, values = condition.parameter, condition.values
        if parameter.code == "_id":
            ids = [value.code for value in values]
            return _of_resource(parameter.type, lambda row: row.c.id.in_(ids), ONE)
        if parameter.code == "_lastUpdated":
            return _of_resource(parameter.type, _updated(values), rank(parameter, "", values))
        if parameter.kind == "composite":
            return Rows(*self._composite(values), rank(parameter, "", values))
        if parameter.kind == "fulltext":
            return text.found(parameter.type, parameter.code, values)
        if condition.modifier == "text":
            return self._text(parameter, values)
        if condition.modifier == "of-type":
            typed = replace(parameter, id=of_type(parameter.id))
            return Rows(idx_token, index_test(typed, "token", values, {}), FEW)
        column = ANSWERED.get((parameter.type, parameter.code))
        if parameter.kind == "reference":
            return self._reference(parameter, column, values)
        if column is not None and not isinstance(column, ReferenceColumn):
            test = column_test(column, values, self._unit.services.settings.zone)
            return Rows(LAB_TABLES[parameter.type], test, rank(parameter, "", values) + 1)
        return _indexed(parameter, condition.modifier, values)

    def _text(self, parameter: SearchParameter, values: Sequence[StringValue]) -> Set:
        of_type = self.registry.of(parameter.type)
        parts = [of_type[code] for code in parameter.combines] or [parameter]
        size = rank(parameter, "", values)
        return union_of([Rows(idx_string, index_test(part, "string", values, {}), size) for part in parts])

    def _reference(self, parameter: SearchParameter, column: LabColumn | None, values: Sequence[ReferenceValue]) -> Set:
        found = self._targets(parameter, values)
        held = column.target if isinstance(column, ReferenceColumn) else ""
        in_column = tuple(sorted({pk for targets in found.values() for name, pk in targets if name == held}))
        in_index = {value: [pk for name, pk in found.get(value, ()) if name != held] for value in values}
        others = [value for value in values if not value.id or value.url or in_index[value]]
        sets: list[Set] = []
        if in_column and isinstance(column, ReferenceColumn):
            sets.append(_by_column(parameter.type, column.column.name, in_column))
        if others:
            sets.append(Rows(idx_reference, index_test(parameter, "reference", others, in_index), FEW))
        return union_of(sets) if sets else NOTHING

    def _targets(
        self, parameter: SearchParameter, values: Sequence[ReferenceValue]
    ) -> dict[ReferenceValue, tuple[tuple[str, int], ...]]:
        """(type, pk) of the local resources that each value names."""
        local = {value: ((value.type,) if value.type else parameter.targets, value.id) for value in values if value.id}
        unknown = {key for key in local.values() if key not in self._found}
        if unknown:
            rows = named(self._unit, [(types or self.registry.types, resource_id) for types, resource_id in unknown])
            for types, resource_id in unknown:
                self._found[types, resource_id] = tuple(
                    (name, pk) for name, found, pk in rows if found == resource_id and (not types or name in types)
                )
        found = {value: self._found[key] for value, key in local.items()}
        return {value: self._layers(value, targets) if value.how else targets for value, targets in found.items()}

    def _layers(self, value: ReferenceValue, targets: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
        """The targets and what stands above or below them."""
        found = []
        for name in dict.fromkeys(name for name, _ in targets):
            upward, pks = self.registry.upward(name), [pk for of, pk in targets if of == name]
            if upward is not None:
                pks = closure(self._unit, upward, value.how, pks, self._reach(name))
            found += [(name, pk) for pk in pks]
        return tuple(found)

    def _composite(self, values: Sequence[CompositeValue]) -> tuple[Table, Test]:
        """Rows of the first part that have the others beside them: of the same resource, and of the same group."""
        pks = self._pks_of_parts(values)
        position = next((n for n, part in enumerate(values[0].parts) if not part.shared), 0)
        leading = values[0].parts[position].parameter

        def test(row: FromClause) -> ColumnElement[bool]:
            return and_(row.c.param == leading.id, or_(*(_together(value, position, row, pks) for value in values)))

        return index_table(leading), test

    def _pks_of_parts(self, values: Sequence[CompositeValue]) -> Pks:
        pks: dict[ReferenceValue, list[int]] = {}
        for part in (part for value in values for part in value.parts if part.parameter.kind == "reference"):
            for value, targets in self._targets(part.parameter, [part.value]).items():
                pks[value] = [pk for _, pk in targets]
        return pks


def _indexed(parameter: SearchParameter, modifier: str, values: Sequence[Any]) -> Rows:
    size = rank(parameter, modifier, values)
    of_system = None
    only = values[0] if len(values) == 1 else None
    if parameter.kind == "token" and size > FEW and isinstance(only, TokenValue) and only.system is None:
        of_system = partial(_of_system, parameter, only)
    return Rows(index_table(parameter), index_test(parameter, parameter.kind, values, {}), size, of_system=of_system)


def _of_system(parameter: SearchParameter, value: TokenValue, system: str) -> Rows:
    return _indexed(parameter, "", [TokenValue(system, value.code)])


def _together(value: CompositeValue, position: int, row: FromClause, pks: Pks) -> ColumnElement[bool]:
    leading = value.parts[position]
    others = [part for n, part in enumerate(value.parts) if n != position]
    return and_(
        value_test(leading.parameter.kind, [leading.value], pks, row),
        *(_beside(part, row, pks, any_group=part.shared or leading.shared) for part in others),
    )


def _beside(part: Part, row: FromClause, pks: Pks, any_group: bool) -> ColumnElement[bool]:
    beside = fresh(index_table(part.parameter))
    same = [beside.c.pk == row.c.pk, beside.c.param == part.parameter.id]
    if not any_group:
        same.append(beside.c.grp == row.c.grp)
    return exists().where(*same, value_test(part.parameter.kind, [part.value], pks, beside))


def _by_column(resource_type: str, name: str, pks: tuple[int, ...]) -> Rows:
    patients = pks if name == "patient_pk" else ()
    return Rows(LAB_TABLES[resource_type], lambda row: among(row.c[name], pks), FEW, patients=patients)


def _of_resource(resource_type: str, test: Test, size: int) -> Rows:
    alive = live(resource_type)
    return Rows(resource, lambda row: and_(alive.test(row), test(row)), size)


def _updated(values: Sequence[date.DateValue]) -> Test:
    def test(row: FromClause) -> ColumnElement[bool]:
        return or_(*(date.compile_instants(value, row.c.last_updated, INSTANT) for value in values))

    return test


def _missing(parameter: SearchParameter, missing: bool) -> Set:
    if parameter.code in ("_id", "_lastUpdated"):
        return NOTHING if missing else live(parameter.type)
    column = ANSWERED.get((parameter.type, parameter.code))
    sets: list[Set] = []
    if column is not None:
        name = _first_column(column)
        sets.append(Rows(LAB_TABLES[parameter.type], lambda row: row.c[name].is_not(None), MOST))
    if column is None or isinstance(column, ReferenceColumn):
        sets.append(Rows(index_table(parameter), of_parameter(parameter), EVERYTHING - 1))
    present = union_of(sets)
    return Without(present) if missing else present


def _first_column(column: LabColumn) -> str:
    if isinstance(column, DateColumn):
        return column.low.name
    return column.first.name if isinstance(column, DayColumn) else column.column.name
