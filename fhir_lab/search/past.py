"""The matches as they were at the first page, for those that were written since.

The database finds the resources that did not change since the mark; the few that did are judged here by the version
that was current then, with the values it sorted by. So a client that walks all pages gets each resource that matched
at the first page once, in that version, whatever is written meanwhile. What a chain or `_has` asks of other resources
is asked of them as they are now. https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import Sequence

from sqlalchemy import select

from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import Gone
from fhir_lab.search.access import Reaches, permits
from fhir_lab.search.aliases import restart
from fhir_lab.search.beside import Line, line_of
from fhir_lab.search.compile import Compiler
from fhir_lab.search.match import alone, satisfies
from fhir_lab.search.sets import holds
from fhir_lab.search.tree import Criterion, Query
from fhir_lab.storage import marks
from fhir_lab.storage.marks import Mark
from fhir_lab.storage.repository import Version
from fhir_lab.storage.tables import resource
from fhir_lab.storage.unit import Unit

MOST = 10_000


def past(unit: Unit, queries: Sequence[Query], mark: Mark, until: Mark | None = None) -> tuple[Line, ...]:
    """The resources that matched at the mark and were written since, as lines of a page, in no order.

    `until` leaves out those that were only written after it.
    Raises `Gone` when so much was written since the mark that a page would take too long.
    """
    by_type = {query.type: query for query in queries}
    versions = marks.before(unit.connection, (mark, until), list(by_type), MOST + 1)
    if len(versions) > MOST:
        raise Gone.of(
            f"More than {MOST} of these resources were written since the first page. Start from there again.",
            "http._page",
            code="too-costly",
        )
    free = {name: unit.caller.access(name, "s").unrestricted for name in by_type}
    found: list[tuple[Query, Version, Resource]] = []
    for version in versions:
        query, document = by_type[version.type], parse(version.content or "")
        if _matched(unit, query, document) and (free[version.type] or permits(unit, document, "s")):
            found.append((query, version, document))
    for query in queries:
        found = _linked(unit, query, found)
    return tuple(line_of(unit, *each) for each in found)


def _matched(unit: Unit, query: Query, document: Resource) -> bool:
    return all(satisfies(unit.services, document, criterion) for criterion in query.criteria if alone(criterion))


def _linked(
    unit: Unit, query: Query, found: list[tuple[Query, Version, Resource]]
) -> list[tuple[Query, Version, Resource]]:
    """Without those of the query's type for which what it asks of other resources does not hold."""
    criteria: list[Criterion] = [criterion for criterion in query.criteria if not alone(criterion)]
    asked = [version.pk for each, version, _ in found if each is query]
    if not criteria or not asked:
        return found
    restart()
    sets = Compiler(unit, Reaches(unit).readable).sets(query.type, criteria)
    held = select(resource.c.pk).where(resource.c.pk.in_(asked), *(holds(part, resource.c.pk) for part in sets))
    kept = set(unit.connection.execute(held).scalars())
    return [item for item in found if item[0] is not query or item[1].pk in kept]
