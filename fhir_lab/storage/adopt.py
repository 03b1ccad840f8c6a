"""Rows that the laboratory's own SQL inserted become documents, index rows and change rows: `fhir-lab adopt`.

A row is the laboratory's as long as its pk has no `resource` row. It is adopted with that pk through the same door as
every other write, once its document is valid, says everything the row says, and refers to adopted rows only; a row that
is refused stays as it is, with the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Date, Row, Table, or_, select

from fhir_lab.documents import Resource
from fhir_lab.outcomes import Issue
from fhir_lab.storage.numbers import new_id, pass_over
from fhir_lab.storage.tables import LAB_TABLES, resource
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit
from mappers import MAPPERS

BATCH = 200


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be adopted as it is, and why; each issue's expression names the column or element."""

    table: str
    pk: int
    issues: list[Issue]


@dataclass(frozen=True, slots=True)
class Step:
    """What became of some rows of one table. `last` is the pk to go on after, None when the table is done."""

    adopted: int
    refused: list[Refused]
    last: int | None


def adopt(unit: Unit, resource_type: str, after: int = 0, limit: int = BATCH) -> Step:
    """Adopt up to `limit` rows with a pk above `after` of the lab table of a resource type.

    Take the types in the order of `LAB_TABLES`, which is that of their foreign keys. Rows of one step may refer to each
    other; one that refers to a row of a later step is refused, and adopted when the table is gone through again.
    """
    rows = _rows(unit, resource_type, after, limit)
    if not rows:
        return Step(0, [], None)
    batch = _Batch(unit, resource_type, rows)
    entries = batch.entries()
    if entries:
        apply(unit, entries)
        pass_over(unit.connection, max(entry.pk or 0 for entry in entries))
    return Step(len(entries), batch.refused, rows[-1].pk)


def _rows(unit: Unit, resource_type: str, after: int, limit: int) -> list[Row[Any]]:
    table = LAB_TABLES[resource_type]
    query = (
        select(table, resource.c.type.label("taken_by"))
        .outerjoin(resource, resource.c.pk == table.c.pk)
        .where(table.c.pk > after, or_(resource.c.pk.is_(None), resource.c.type != resource_type))
        .order_by(table.c.pk)
        .limit(limit)
    )
    return list(unit.connection.execute(query).all())


class _Batch:
    """Some rows of one table: their new ids, the documents they refer to, and what was refused."""

    def __init__(self, unit: Unit, resource_type: str, rows: list[Row[Any]]) -> None:
        self._unit = unit
        self._type = resource_type
        self._table = LAB_TABLES[resource_type]
        self._rows = rows
        self._ids = {row.pk: new_id() for row in rows if row.taken_by is None}
        self._names = self._documents(rows) | {pk: f"{resource_type}/{name}" for pk, name in self._ids.items()}
        self.refused: list[Refused] = []
        for row in rows:
            if row.taken_by is not None:
                wrong = f"{row.pk} belongs to a {row.taken_by} already; a new row takes the next of resource_pk_seq."
                self._refuse(row.pk, [self._issue("pk", wrong)])

    def entries(self) -> list[Entry]:
        """The writes that adopt the rows. A row that refers to a refused one is refused as well."""
        while True:
            refused = len(self.refused)
            entries = [self._entry(row) for row in self._rows if row.pk in self._ids]
            if len(self.refused) == refused:
                return [entry for entry in entries if entry is not None]

    def _entry(self, row: Row[Any]) -> Entry | None:
        values = row._asdict()
        issues = self._dangling(values)
        if not issues:
            document = MAPPERS[self._type].to_document(values, lambda _column, pk: self._names.get(pk))
            issues = self._unit.services.validator.check(document, self._type) or self._lost(values, document)
        if issues:
            self._refuse(row.pk, issues)
            return None
        name = self._ids[row.pk]
        return Entry("PUT", self._type, name, {**document, "id": name}, pk=row.pk, interaction="create")

    def _refuse(self, pk: int, issues: list[Issue]) -> None:
        self.refused.append(Refused(self._table.name, pk, issues))
        if self._ids.pop(pk, None):
            del self._names[pk]

    def _documents(self, rows: list[Row[Any]]) -> dict[int, str]:
        wanted = {row._mapping[column.name] for row in rows for column in _foreign_keys(self._table)} - {None}
        query = select(resource.c.pk, resource.c.type, resource.c.id).where(resource.c.pk.in_(wanted))
        if self._unit.services.settings.referential_integrity:
            query = query.where(resource.c.deleted.is_(False))
        return {pk: f"{name}/{resource_id}" for pk, name, resource_id in self._unit.connection.execute(query)}

    def _dangling(self, values: Mapping[str, Any]) -> list[Issue]:
        return [
            self._issue(column.name, f"{values[column.name]} has no document (yet); adopt that row first.")
            for column in _foreign_keys(self._table)
            if values[column.name] is not None and values[column.name] not in self._names
        ]

    def _lost(self, values: Mapping[str, Any], document: Resource) -> list[Issue]:
        """Columns whose content the document does not say, such as a value without its type."""
        said = MAPPERS[self._type].to_row(document, lambda _reference: None, self._unit.services.settings.zone)
        return [
            self._issue(name, f"the document cannot say {values[name]!r} beside what the other columns hold.")
            for name in (column.name for column in self._table.columns if not _follows(column))
            if values[name] is not None and values[name] != said[name]
        ]

    def _issue(self, column: str, details: str) -> Issue:
        path = f"{self._table.name}.{column}"
        return Issue("processing", f"{path}: {details}", (path,))


def _foreign_keys(table: Table) -> list[Any]:
    return [column for column in table.columns if column.foreign_keys]


def _follows(column: Any) -> bool:
    """True for keys and for ranges and days, which follow from other columns."""
    return isinstance(column.type, BigInteger | Date) or bool(column.primary_key)
