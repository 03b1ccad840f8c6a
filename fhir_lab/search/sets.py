"""Sets of resources as SQL: rows of a table that satisfy a test, and their unions, intersections and negations.

A set is a value without aliases; each use of it (`holds`, `plan.keys`) makes its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, Table, and_, exists, false, or_

from fhir_lab.search.aliases import fresh
from fhir_lab.storage.tables import LAB_TABLES, resource

Test = Callable[[FromClause], ColumnElement[bool]]
# Tables with one row per resource: conditions on them can share one alias.
EVERYTHING = 9
ONE_ROW = frozenset((resource, *LAB_TABLES.values()))


@dataclass(frozen=True, slots=True)
class Rows:
    """The resources that the column `key` of the rows satisfying `test` names.

    `rank` says how few they are likely to be, 0 fewest. `patients`: the test is only that `patient_pk` is one of these.
    `of_system`: the test is on one code of any system, and this gives the rows of one system.
    """

    table: Table
    test: Test
    rank: int
    key: str = "pk"
    patients: tuple[int, ...] = ()
    of_system: "Callable[[str], Rows] | None" = None

    @property
    def alive(self) -> bool:
        """True when the rows are the resource's own, which go when it is deleted; False when others point to it."""
        return self.key == "pk"


@dataclass(frozen=True, slots=True)
class Union:
    """The resources in any of the sets."""

    sets: "tuple[Set, ...]"


@dataclass(frozen=True, slots=True)
class Intersection:
    """The resources of one type in all of the sets."""

    type: str
    sets: "tuple[Set, ...]"


@dataclass(frozen=True, slots=True)
class Without:
    """Every resource but those in the set."""

    excluded: "Set"


Set = Rows | Union | Intersection | Without
NOTHING: Set = Union(())


def holds(found: Set, pk: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition that the resource `pk` is in the set."""
    if isinstance(found, Rows):
        alias = fresh(found.table)
        return exists().where(alias.c[found.key] == pk, found.test(alias))
    if isinstance(found, Without):
        return ~holds(found.excluded, pk)
    if isinstance(found, Intersection):
        return and_(*(holds(part, pk) for part in found.sets))
    return or_(*(holds(part, pk) for part in found.sets)) if found.sets else false()


def union_of(sets: Sequence[Set]) -> Set:
    """The resources in any of the sets."""
    some = [found for found in sets if found != NOTHING]
    return some[0] if len(some) == 1 else Union(tuple(some))


def live(resource_type: str) -> Rows:
    """Every resource of a type that is not deleted."""

    def test(row: FromClause) -> ColumnElement[bool]:
        return and_(row.c.type == resource_type, row.c.deleted.is_(False), row.c.version > 0)

    return Rows(resource, test, EVERYTHING)
