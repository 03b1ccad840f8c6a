"""Running a search: one page of matches with what is included, its total and its links.

https://hl7.org/fhir/R4/http.html#search
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import ColumnClause, ColumnElement, Select, asc, desc, func, literal, literal_column, select, union_all

from fhir_lab.outcomes import BadRequest, Issue
from fhir_lab.search.access import Reaches
from fhir_lab.search.aliases import restart
from fhir_lab.search.beside import Beside, Line, beside
from fhir_lab.search.compile import Compiler
from fhir_lab.search.current import current
from fhir_lab.search.explain import explain
from fhir_lab.search.hints import hints
from fhir_lab.search.include import included
from fhir_lab.search.narrow import narrowed
from fhir_lab.search.paging import Position, link, seal, unseal
from fhir_lab.search.parse import Parameters, parse
from fhir_lab.search.past import past
from fhir_lab.search.plan import Plan
from fhir_lab.search.scope import Where, queries
from fhir_lab.search.sets import Set
from fhir_lab.search.sort import after, order
from fhir_lab.search.terms import Terms
from fhir_lab.search.tree import Query
from fhir_lab.storage import marks
from fhir_lab.storage.marks import Mark
from fhir_lab.storage.repository import COLUMNS, Version, version_of
from fhir_lab.storage.tables import resource
from fhir_lab.storage.unit import Unit

ANEW = {"plan_anew": True}  # see `storage.database`
MARKED = 3  # columns of a mark


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


@dataclass(frozen=True, slots=True)
class Part:
    """The matches of one type: what is asked of it, and the sets that they are in."""

    query: Query
    sets: Sequence[Set]


def search(
    unit: Unit,
    where: Where | str,
    parameters: Parameters,
    *,
    lenient: bool = False,
    refine: Callable[[Query], Query] | None = None,
) -> SearchPage:
    """One page of the resources that match; `where` is a resource type or a wider place.

    `refine` adds to the query of each type what no parameter says; it must do the same on every page.

    Raises `BadRequest` for parameters that are not understood (a lenient search leaves unknown ones out and says so in
    `outcomes`), and `Forbidden` when the caller may not search the type at all.
    """
    reaches = Reaches(unit)
    place = Where(where) if isinstance(where, str) else where
    found = current(unit, lambda: queries(unit, place, parameters, reaches, lenient=lenient))
    asked = [refine(query) if refine else query for query in found]
    parts = [Part(query, sets_of(unit, query, reaches)) for query in asked]
    query = asked[0]
    page = SearchPage(link(query, query.page), outcomes=list(query.issues))
    if query.count_only:
        page.total = _count(unit, parts)
        return page
    _fill(unit, parts, page)
    if not page.matches and not query.page:
        page.outcomes += hints(unit.services.registry, asked, lambda wider: _finds(unit, wider, reaches))
    includes = tuple(dict.fromkeys(include for each in asked for include in each.includes))
    if includes:
        page.included, issues = included(unit, includes, page.matches, reaches)
        page.outcomes += issues
    return page


def matching(unit: Unit, resource_type: str, query: str, limit: int = 2) -> list[tuple[int, str, int]]:
    """(pk, id, version) of at most `limit` resources that match, for conditional interactions. Always strict.

    Raises `BadRequest` for a query without criteria, which would match everything, and `Forbidden`.
    """
    reaches = Reaches(unit)
    terms = Terms(unit.services, unit, reaches)
    given = parse_qsl(query, keep_blank_values=True)
    (parsed,) = current(unit, lambda: [parse(unit.services, resource_type, given, terms=terms)])
    if not parsed.criteria:
        raise BadRequest.of(f"'{query}' has no search parameter with a value, so it would match every {resource_type}.")
    plan = Plan(resource_type, sets_of(unit, parsed, reaches))
    row = plan.row(resource)
    found = unit.connection.execute(plan.select(row.c.id, row.c.version).order_by("pk").limit(limit))
    return [(pk, resource_id, version) for pk, resource_id, version in found]


def _finds(unit: Unit, query: Query, reaches: Reaches) -> bool:
    plan = Plan(query.type, sets_of(unit, query, reaches))
    return unit.connection.execute(plan.select().limit(1), execution_options=ANEW).first() is not None


def sets_of(unit: Unit, query: Query, reaches: Reaches) -> list[Set]:
    """What all matches of a query are in: a set per criterion, and what the caller reaches. Begins a new statement.

    Raises `Forbidden` when the caller may not search the type at all.
    """
    restart()
    allowed = reaches.allowed(query.type, "s")
    sets = Compiler(unit, reaches.readable).all_of(query.type, query.criteria)
    return sets if allowed is None else [*sets, allowed]


def _fill(unit: Unit, parts: Sequence[Part], page: SearchPage) -> None:
    query = parts[0].query
    if len(parts) == 1:
        parts = [Part(query, narrowed(unit, parts[0].sets))]
    position = unseal(unit, query, len(query.sort) + 1)
    statement = _statement(unit, parts, position)
    rows, mark = _found(unit, parts, position, statement)
    if query.explain:
        page.outcomes.append(explain(unit.connection, [(part.query, part.sets) for part in parts], statement))
    more, backwards = len(rows) > query.count, position is not None and position.backwards
    rows = rows[: query.count]
    if backwards:
        rows = rows[::-1]
    page.matches = [version for row in rows if not (version := version_of(row[: len(COLUMNS)])).deleted]
    page.total = position.total if position else _first_total(unit, parts, mark, rows, more)
    before, following = position is not None and (more or not backwards), more or backwards
    if before or following:
        page.first_query = link(query, None)
    if before and rows:
        page.previous_query = _beyond(unit, query, rows[0], Position((), True, page.total, mark))
    if following and rows:
        page.next_query = _beyond(unit, query, rows[-1], Position((), False, page.total, mark))


def _found(
    unit: Unit, parts: Sequence[Part], position: Position | None, statement: Select[Any]
) -> tuple[list[Line], Mark]:
    """The rows of a page, and one more if there is one; and what the first page could see."""
    found: list[Line] = list(unit.connection.execute(statement, execution_options=ANEW))
    if position is None:
        mark = marks.mark_of(found[0][-MARKED:], unit.connection) if found else Mark(0, 0)
        return _builtin(unit, parts).merged([row[:-MARKED] for row in found], None, False), mark
    then: list[Line] = []
    if not found or found[0][-1]:  # something was written since the mark
        # What is written between the statement and the look at the past is in both.
        here = {row[0] for row in found}
        then = [line for line in past(unit, [part.query for part in parts], position.mark) if line[0] not in here]
    lines = Beside(parts[0].query, (*_builtin(unit, parts).lines, *then))
    return lines.merged([row[:-1] for row in found], position.values, position.backwards), position.mark


def _builtin(unit: Unit, parts: Sequence[Part]) -> Beside:
    """The built-in resources that match. They are not among "everything": only a search that names their type finds
    them."""
    query = parts[0].query
    named = not query.place or any(name == "_type" for name, _ in query.used)
    return Beside(query, tuple(line for part in parts if named for line in beside(unit, part.query).lines))


def _beyond(unit: Unit, query: Query, row: Line, position: Position) -> str:
    """The query of the page after a row, or before it."""
    return link(query, seal(unit, query, replace(position, values=tuple(row[len(COLUMNS) :]))))


def _statement(unit: Unit, parts: Sequence[Part], position: Position | None) -> Select[Any]:
    """The documents of a page in order, each followed by its sort values and the mark.

    A later page says instead how many writes there were since the mark.
    """
    limit = parts[0].query.count + 1
    backwards = position is not None and position.backwards
    sort = parts[0].query.sort
    down = [*(key.descending for key in sort), sort[-1].descending if sort else False]
    names = [*(f"k{n}" for n in range(len(sort))), "pk"]
    directions = [desc if descending is not backwards else asc for descending in down]
    by_name: list[Any] = [direction(name) for direction, name in zip(directions, names, strict=True)]
    each = [_keys(part, position).order_by(*by_name).limit(limit) for part in parts]
    if len(each) == 1:
        found = each[0].subquery("found")
    else:  # SQLite takes no ORDER BY inside of a UNION, unless it is a query of its own
        found = union_all(*(select(keys.subquery()) for keys in each)).order_by(*by_name).limit(limit).subquery("found")
    values: list[ColumnClause[Any]] = [literal_column(f"found.{name}") for name in names]
    types = [part.query.type for part in parts]
    marked = [marks.writes(position.mark, types)] if position else marks.columns(unit.connection)
    return (
        select(*COLUMNS, *values, *marked)
        .join_from(found, resource, resource.c.pk == values[-1])
        .order_by(*(direction(value) for direction, value in zip(directions, values, strict=True)))
    )


def _keys(part: Part, position: Position | None) -> Select[Any]:
    """The sort values and the pk of the matches of one type that lie beyond the position."""
    plan = Plan(part.query.type, part.sets)
    ordered = order(plan, part.query.sort)
    keys = plan.select(*(item.expression.label(f"k{n}") for n, item in enumerate(ordered[:-1])))
    if position is None:
        return keys
    return keys.where(after(ordered, position.values, position.backwards), *_unchanged(plan.pk, part, position.mark))


def _unchanged(pk: ColumnElement[int], part: Part, mark: Mark) -> list[ColumnElement[bool]]:
    """The conditions that a resource existed at the mark and was not written since."""
    return [pk <= mark.pk, pk.not_in(marks.changed(mark, [part.query.type]))]


def _first_total(unit: Unit, parts: Sequence[Part], mark: Mark, rows: Sequence[Line], more: bool) -> int | None:
    """How many match, in the eyes of a first page with these rows."""
    total = parts[0].query.total
    if total == "none":
        return None
    if not more:
        return len(rows)
    bound = None if total else unit.services.settings.total_bound
    counted = _count(unit, parts, bound, mark)
    return counted if bound is None or counted <= bound else None


def _count(unit: Unit, parts: Sequence[Part], bound: int | None = None, mark: Mark | None = None) -> int:
    """How many match now, or matched at the mark; counting ends beyond the bound."""
    limit = None if bound is None else bound + 1
    each = []
    for part in parts:
        plan = Plan(part.query.type, part.sets)
        matches = plan.select() if mark is None else plan.select().where(*_unchanged(plan.pk, part, mark))
        each.append(matches.limit(limit))
    all_of_them = each[0] if len(each) == 1 else union_all(*(select(keys.subquery()) for keys in each)).limit(limit)
    queries = [part.query for part in parts]
    written = marks.writes(mark, [query.type for query in queries]) if mark is not None else literal(0)
    counting = select(func.count(), written, *marks.columns(unit.connection)).select_from(all_of_them.subquery())
    counted, writes, *moment = unit.connection.execute(counting, execution_options=ANEW).one()
    # What is written after the counting was counted by it.
    until = marks.mark_of(moment, unit.connection)
    then = past(unit, queries, mark, until) if mark is not None and writes else ()
    return int(counted) + len(then) + len(_builtin(unit, parts).lines)
