"""FROM and WHERE of a match: which table leads, what is joined to it, and what is only asked of each row.

One set leads: the one likely to be smallest, an index or lab table; never `resource` while a condition is positive.
Where only lab rows are asked, `resource` is joined to tell those that the laboratory inserted and nobody adopted yet.
Conditions on the row of a lab table share one join; all other sets are EXISTS, which PostgreSQL may turn around.
A condition on codings and one on the patient become one scan of the coding table, which repeats the patient.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, false, select, union

from fhir_lab.search.aliases import fresh
from fhir_lab.search.sets import EVERYTHING, NOTHING, ONE_ROW, Intersection, Rows, Set, Union, Without, holds, live
from fhir_lab.storage.tables import CODING_TABLES, LAB_TABLES, resource

CODINGS = frozenset(CODING_TABLES.values())
LAB_ROWS = frozenset(LAB_TABLES.values())


class Plan:
    """The resources of one type in all of the sets: `pk` of `source` where all of `where`, once each if `distinct`."""

    def __init__(self, resource_type: str, sets: Sequence[Set]) -> None:
        self._type = resource_type
        self._joined: dict[Table, FromClause] = {}
        self.where: list[ColumnElement[bool]] = []
        self.coding: FromClause | None = None
        self.distinct = False
        parts = list(flattened(sets))
        if NOTHING in parts:
            parts = [Rows(resource, lambda _: false(), EVERYTHING)]
        elif not any(_is_alive(part) for part in parts) or all(_rank(part) is None for part in parts):
            parts.append(live(resource_type))
        self.source, self.pk = self._lead(parts)
        for part in parts:
            if isinstance(part, Rows) and part.alive and part.table in ONE_ROW:
                self.where.append(part.test(self.row(part.table)))
            else:
                self.where.append(holds(part, self.pk))

    def row(self, table: Table) -> FromClause:
        """The resource's own row in `resource` or in its lab table, joined when first asked for."""
        alias = self._joined.get(table)
        if alias is None:
            alias = self._joined[table] = fresh(table)
            self.source = self.source.join(alias, alias.c.pk == self.pk)
        return alias

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """The matching resources, unordered: their pk and `columns`."""
        query = select(self.pk.label("pk"), *columns).select_from(self.source).where(*self.where)
        return query.distinct() if self.distinct else query

    def _lead(self, parts: list[Set]) -> tuple[FromClause, ColumnElement[int]]:
        """Take from `parts` the set that leads: its table and the column of the pk."""
        leading, patients = leader(parts)
        parts.remove(leading)
        if not isinstance(leading, Rows):
            found = keys(leading, self._type).subquery()
            return found, found.c.pk
        alias = fresh(leading.table)
        self.where.append(leading.test(alias))
        if leading.alive and leading.table in ONE_ROW:
            self._joined[leading.table] = alias
        else:
            self.distinct = True
        if _in_coding_table(leading):
            self.coding = alias
        if patients is not None:
            parts.remove(patients)
            self.where.append(alias.c.patient_pk.in_(patients.patients))
        return alias, alias.c[leading.key]


def keys(found: Set, resource_type: str) -> Select[Any]:
    """A SELECT of the `pk` of every resource of the type in the set."""
    if isinstance(found, Rows) and found.alive:
        alias = fresh(found.table)
        return select(alias.c.pk.label("pk")).where(found.test(alias))
    if isinstance(found, Union) and found.sets:
        each = union(*(keys(part, resource_type) for part in found.sets)).subquery()
        return select(each.c.pk.label("pk"))
    return Plan(resource_type, [found]).select()


def flattened(sets: Sequence[Set]) -> list[Set]:
    """The sets, those of an intersection in its place."""
    flat: list[Set] = []
    for found in sets:
        flat += flattened(found.sets) if isinstance(found, Intersection) else [found]
    return flat


def _is_alive(found: Set) -> bool:
    """True when being in the set proves that there is a resource, and that it is not deleted.

    A lab row proves nothing: the laboratory's own SQL may have inserted it, and nobody adopted it yet.
    """
    if isinstance(found, Rows):
        return found.alive and found.table not in LAB_ROWS
    if isinstance(found, Union):
        return all(_is_alive(part) for part in found.sets)
    return isinstance(found, Intersection) and any(_is_alive(part) for part in found.sets)


def _rank(found: Set) -> int | None:
    """How few resources the set is likely to have, 0 fewest; None for one that cannot lead."""
    if isinstance(found, Rows):
        return found.rank
    if isinstance(found, Without):
        return None
    ranks = [_rank(part) for part in found.sets]
    if isinstance(found, Intersection):
        return min((rank for rank in ranks if rank is not None), default=None)
    known = [rank for rank in ranks if rank is not None]
    return max(known) if known and len(known) == len(ranks) else None


def leader(parts: Sequence[Set]) -> tuple[Set, Rows | None]:
    """The set that leads, and the condition on the patient that it takes over, if it can.

    Where none of the sets can lead, all resources that are alive do.
    """
    ranked = [(rank, position) for position, part in enumerate(parts) if (rank := _rank(part)) is not None]
    best = parts[min(ranked)[1]] if ranked else NOTHING
    patients = next((part for part in parts if isinstance(part, Rows) and part.patients), None)
    if patients is not None and (best is patients or _in_coding_table(best)):
        codings = [parts[position] for _, position in sorted(ranked) if _in_coding_table(parts[position])]
        if codings:
            return codings[0], patients
    return best, None


def _in_coding_table(found: Set) -> bool:
    return isinstance(found, Rows) and found.alive and found.table in CODINGS
