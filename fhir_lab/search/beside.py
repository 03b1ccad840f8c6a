"""What a page shows beside the rows that the database finds: judged in memory, and merged in where it belongs.

These are the built-in resources, and the resources as they were at the first page (`past`). They need no cursor of
their own: each is where its sort values say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.search.access import permits
from fhir_lab.search.match import satisfies
from fhir_lab.search.sort import value_of
from fhir_lab.search.tree import Query
from fhir_lab.storage.repository import COLUMNS, Version
from fhir_lab.storage.tables import resource
from fhir_lab.storage.unit import Unit

Line = Sequence[Any]  # the columns of a Version, then the sort values, the pk last


@dataclass(frozen=True, slots=True)
class Beside:
    """What a search finds beside the rows of the database, as lines of its pages."""

    query: Query
    lines: tuple[Line, ...]

    def merged(self, rows: Sequence[Line], after: Sequence[Any] | None, backwards: bool) -> list[Line]:
        """The rows of a page and what belongs between them, at most one more than the page has.

        `after` are the sort values that the page begins after, or before when `backwards`.
        """
        if not self.lines:
            return list(rows)
        found = [*rows, *(line for line in self.lines if after is None or self._beyond(line, after, backwards))]
        for position, down in reversed(list(enumerate(self._directions(backwards)))):
            found.sort(key=lambda line: line[len(COLUMNS) + position], reverse=down)
        return found[: self.query.count + 1]

    def _directions(self, backwards: bool) -> list[bool]:
        """For each sort value, the pk last: True when the highest comes first."""
        down = [key.descending for key in self.query.sort]
        return [descending is not backwards for descending in (*down, down[-1] if down else False)]

    def _beyond(self, line: Line, after: Sequence[Any], backwards: bool) -> bool:
        for value, limit, down in zip(line[len(COLUMNS) :], after, self._directions(backwards), strict=True):
            if value != limit:
                return bool(value < limit if down else value > limit)
        return False


def beside(unit: Unit, query: Query) -> Beside:
    """The built-in resources that match and that the caller may search, without those that a stored one replaces."""
    documents = unit.services.builtin.of(query.type)
    if not documents:
        return Beside(query, ())
    free = unit.caller.access(query.type, "s").unrestricted
    found = [
        (version, document)
        for version, document in documents.values()
        if _found(unit, query, document) and (free or permits(unit, document, "s"))
    ]
    replaced = _stored(unit, query.type, [version.id for version, _ in found])
    kept = [(version, document) for version, document in found if version.id not in replaced]
    return Beside(query, tuple(line_of(unit, query, version, document) for version, document in kept))


def _found(unit: Unit, query: Query, document: Resource) -> bool:
    """Nothing that is stored refers to a built-in resource, and canonicals are not chained."""
    try:
        return all(satisfies(unit.services, document, criterion) for criterion in query.criteria)
    except BadRequest:
        return False


def _stored(unit: Unit, resource_type: str, ids: Sequence[str]) -> set[str]:
    if not ids:
        return set()
    live = select(resource.c.id).where(resource.c.type == resource_type, resource.c.deleted.is_(False))
    return set(unit.connection.execute(live.where(resource.c.version > 0, resource.c.id.in_(ids))).scalars())


def line_of(unit: Unit, query: Query, version: Version, document: Resource) -> Line:
    """A version as a line of a page."""
    columns = [getattr(version, column.name) for column in COLUMNS]
    return (*columns, *(value_of(unit.services, key, version, document) for key in query.sort), version.pk)
