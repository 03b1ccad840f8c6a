"""Running a search: one page of matches with what is included, its total and its links.

https://hl7.org/fhir/R4/http.html#search
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import ColumnClause, Select, asc, desc, func, literal_column, select

from fhir_lab.outcomes import BadRequest, Issue
from fhir_lab.search.access import Reaches
from fhir_lab.search.aliases import restart
from fhir_lab.search.beside import beside
from fhir_lab.search.compile import Compiler
from fhir_lab.search.explain import explain
from fhir_lab.search.include import included
from fhir_lab.search.narrow import narrowed
from fhir_lab.search.paging import Position, link, seal, unseal
from fhir_lab.search.parse import Parameters, parse
from fhir_lab.search.plan import Plan
from fhir_lab.search.sets import Set
from fhir_lab.search.sort import Ordered, after, order
from fhir_lab.search.tree import Query
from fhir_lab.storage.repository import COLUMNS, Version, version_of
from fhir_lab.storage.tables import resource
from fhir_lab.storage.unit import Unit

ANEW = {"plan_anew": True}  # see `storage.database`


@dataclass(slots=True)
class SearchPage:
    """One page. Queries are URL-encoded query strings without '?'; None where there is no such page.

    `total` counts the matches of all pages, None where it was not asked for or would take too long.
    """

    self_query: str
    matches: list[Version] = field(default_factory=list)
    included: list[Version] = field(default_factory=list)
    outcomes: list[Issue] = field(default_factory=list)
    total: int | None = None
    next_query: str | None = None
    previous_query: str | None = None
    first_query: str | None = None


def search(unit: Unit, resource_type: str, parameters: Parameters, *, lenient: bool = False) -> SearchPage:
    """One page of the resources of a type that match.

    Raises `BadRequest` for parameters that are not understood (a lenient search leaves unknown ones out and says so in
    `outcomes`), and `Forbidden` when the caller may not search the type at all.
    """
    query = parse(unit.services, resource_type, parameters, lenient=lenient)
    reaches = Reaches(unit)
    sets = sets_of(unit, query, reaches)
    page = SearchPage(link(query, query.page), outcomes=list(query.issues))
    if query.count_only:
        page.total = _count(unit, query, sets)
        return page
    _fill(unit, query, sets, page)
    if query.includes:
        page.included, issues = included(unit, query.includes, page.matches, reaches)
        page.outcomes += issues
    return page


def matching(unit: Unit, resource_type: str, query: str, limit: int = 2) -> list[tuple[int, str, int]]:
    """(pk, id, version) of at most `limit` resources that match, for conditional interactions. Always strict.

    Raises `BadRequest` for a query without criteria, which would match everything, and `Forbidden`.
    """
    parsed = parse(unit.services, resource_type, parse_qsl(query, keep_blank_values=True))
    if not parsed.criteria:
        raise BadRequest.of(f"'{query}' has no search parameter with a value, so it would match every {resource_type}.")
    plan = Plan(resource_type, sets_of(unit, parsed, Reaches(unit)))
    row = plan.row(resource)
    found = unit.connection.execute(plan.select(row.c.id, row.c.version).order_by("pk").limit(limit))
    return [(pk, resource_id, version) for pk, resource_id, version in found]


def sets_of(unit: Unit, query: Query, reaches: Reaches) -> list[Set]:
    """What all matches of a query are in: a set per criterion, and what the caller reaches. Begins a new statement.

    Raises `Forbidden` when the caller may not search the type at all.
    """
    restart()
    allowed = reaches.allowed(query.type, "s")
    sets = Compiler(unit, reaches.readable).sets(query.type, query.criteria)
    return sets if allowed is None else [*sets, allowed]


def _fill(unit: Unit, query: Query, sets: Sequence[Set], page: SearchPage) -> None:
    sets = narrowed(unit, sets)
    plan = Plan(query.type, sets)
    ordered = order(plan, query.sort)
    position = unseal(unit, query, len(ordered))
    backwards = position is not None and position.backwards
    statement = _statement(plan, ordered, position, query.count + 1)
    found = unit.connection.execute(statement, execution_options=ANEW).all()
    rows = beside(unit, query).merged(found, position.values if position else None, backwards)
    if query.explain:
        page.outcomes.append(explain(unit.connection, statement))
    more = len(rows) > query.count
    rows = rows[: query.count]
    if backwards:
        rows = rows[::-1]
    page.matches = [version for row in rows if not (version := version_of(row[: len(COLUMNS)])).deleted]
    page.total = _total(unit, query, sets, position, None if more else len(rows))
    before, following = position is not None and (more or not backwards), more or backwards
    if before or following:
        page.first_query = link(query, None)
    if before and rows:
        page.previous_query = _beyond(unit, query, rows[0], True, page.total)
    if following and rows:
        page.next_query = _beyond(unit, query, rows[-1], False, page.total)


def _beyond(unit: Unit, query: Query, row: Sequence[Any], backwards: bool, total: int | None) -> str:
    """The query of the page after a row, or before it."""
    return link(query, seal(unit, query, Position(tuple(row[len(COLUMNS) :]), backwards, total)))


def _statement(plan: Plan, ordered: Sequence[Ordered], position: Position | None, limit: int) -> Select[Any]:
    """The documents of a page in order, each followed by its sort values."""
    keys = plan.select(*(item.expression.label(f"k{n}") for n, item in enumerate(ordered[:-1])))
    backwards = position is not None and position.backwards
    if position is not None:
        keys = keys.where(after(ordered, position.values, backwards))
    names = [*(f"k{n}" for n in range(len(ordered) - 1)), "pk"]
    directions = [desc if item.descending is not backwards else asc for item in ordered]
    by_name: list[Any] = [direction(name) for direction, name in zip(directions, names, strict=True)]
    found = keys.order_by(*by_name).limit(limit).subquery("found")
    values: list[ColumnClause[Any]] = [literal_column(f"found.{name}") for name in names]
    return (
        select(*COLUMNS, *values)
        .join_from(found, resource, resource.c.pk == values[-1])
        .order_by(*(direction(value) for direction, value in zip(directions, values, strict=True)))
    )


def _total(
    unit: Unit, query: Query, sets: Sequence[Set], position: Position | None, on_this_page: int | None
) -> int | None:
    """How many match; `on_this_page` is the number of rows when no more follow them."""
    if query.total == "none":
        return None
    if position is not None:
        return position.total
    if on_this_page is not None:
        return on_this_page
    if query.total:
        return _count(unit, query, sets)
    bound = unit.services.settings.total_bound
    counted = _count(unit, query, sets, bound + 1)
    return counted if counted <= bound else None


def _count(unit: Unit, query: Query, sets: Sequence[Set], limit: int | None = None) -> int:
    found = Plan(query.type, sets).select().limit(limit).subquery()
    counted = unit.connection.execute(select(func.count()).select_from(found), execution_options=ANEW)
    return counted.scalar_one() + len(beside(unit, query).lines)
