"""`_include` and `_revinclude`: resources that the matches refer to, and that refer to the matches.

Each is given once and only where the caller may read it; what matched stays a match. `:iterate` goes on from what was
included until nothing new turns up. https://hl7.org/fhir/R4/search.html#include
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, Table, select, union

from fhir_lab.outcomes import Issue
from fhir_lab.search.access import Reaches
from fhir_lab.search.aliases import fresh
from fhir_lab.search.columns import ANSWERED, ReferenceColumn
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.search.sets import holds
from fhir_lab.search.tree import Include
from fhir_lab.storage.repository import COLUMNS, Version, version_of
from fhir_lab.storage.tables import LAB_TABLES, idx_reference, idx_uri, resource
from fhir_lab.storage.unit import Unit

MOST = 10_000
CHUNK = 1000
QUERIES = 100  # in one statement; SQLite takes 500
_TRUNCATED = Issue(
    "incomplete", f"More than {MOST} resources would be included; the rest is left out.", severity="warning"
)
Frontier = Mapping[str, Sequence[int]]
Keys = Select[Any]


def included(
    unit: Unit, includes: Sequence[Include], matches: Sequence[Version], reaches: Reaches
) -> tuple[list[Version], list[Issue]]:
    """What the includes bring to a page of matches, and an issue when there is too much of it."""
    seen = {match.pk for match in matches}
    found: list[Version] = []
    frontier, active = _by_type(matches), list(includes)
    while active and frontier:
        pks = sorted(_reached(unit, active, frontier) - seen)
        issues = [_TRUNCATED] if len(found) + len(pks) > MOST else []
        new = _readable(unit, pks[: MOST - len(found)], reaches)
        seen.update(pks)
        found += new
        if issues:
            return found, issues
        frontier, active = _by_type(new), [include for include in active if include.iterate]
    return found, []


def _by_type(versions: Iterable[Version]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for version in versions:
        grouped.setdefault(version.type, []).append(version.pk)
    return grouped


def _reached(unit: Unit, includes: Sequence[Include], frontier: Frontier) -> set[int]:
    registry = unit.services.registry
    queries = [query for include in includes for query in _queries(registry, include, frontier)]
    found: set[int] = set()
    for start in range(0, len(queries), QUERIES):
        batch = queries[start : start + QUERIES]
        statement = union(*batch) if len(batch) > 1 else batch[0].distinct()
        found.update(unit.connection.execute(statement.limit(2 * MOST)).scalars())
    return found


def _queries(registry: Registry, include: Include, frontier: Frontier) -> Iterator[Keys]:
    for start_type, pks in frontier.items():
        for start in range(0, len(pks), CHUNK):
            chunk = pks[start : start + CHUNK]
            if include.reverse and include.target in ("", start_type):
                yield from _referring(registry, include, chunk)
                yield from _referring_by_url(registry, include, start_type, chunk)
            elif not include.reverse and include.source in ("*", start_type):
                yield from _referred(registry, replace(include, source=start_type), chunk)


def _parameters(registry: Registry, include: Include) -> list[SearchParameter]:
    types = registry.types if include.source == "*" else (include.source,)
    return [
        parameter
        for name in types
        for parameter in registry.of(name).values()
        if parameter.kind == "reference" and include.code in ("*", parameter.code)
    ]


def _columns(parameters: Iterable[SearchParameter], target: str) -> set[tuple[Table, str]]:
    """The lab columns that hold these references, where they lead to the target type."""
    found: set[tuple[Table, str]] = set()
    for parameter in parameters:
        column = ANSWERED.get((parameter.type, parameter.code))
        if isinstance(column, ReferenceColumn) and target in ("", column.target):
            found.add((LAB_TABLES[parameter.type], column.column.name))
    return found


def _referred(registry: Registry, include: Include, pks: Sequence[int]) -> Iterator[Keys]:
    parameters = _parameters(registry, include)
    ids = [parameter.id for parameter in parameters]
    rows = fresh(idx_reference)
    from_these = select(rows.c.target_pk.label("pk")).where(rows.c.pk.in_(pks), rows.c.param.in_(ids))
    local = from_these.where(rows.c.target_pk.is_not(None))
    yield local.where(rows.c.target_type == include.target) if include.target else local
    for table, name in _columns(parameters, include.target):
        row = fresh(table)
        yield select(row.c[name].label("pk")).where(row.c.pk.in_(pks), row.c[name].is_not(None))
    yield from _by_url(registry, parameters, include.target, pks)


def _by_url(
    registry: Registry, parameters: Iterable[SearchParameter], target: str, pks: Sequence[int]
) -> Iterator[Keys]:
    """Targets of canonical references: the local resources that have this `url`."""
    ids = [parameter.id for parameter in parameters]
    targets = {name for parameter in parameters for name in parameter.targets if target in ("", name)}
    urls = [found.id for name in targets if (found := registry.get(name, "url")) is not None and found.kind == "uri"]
    if not urls:
        return
    rows, uris = fresh(idx_reference), fresh(idx_uri)
    yield (
        select(uris.c.pk.label("pk"))
        .join_from(rows, uris, uris.c.value == rows.c.url)
        .where(rows.c.pk.in_(pks), rows.c.param.in_(ids), rows.c.url != "", uris.c.param.in_(urls))
    )


def _referring_by_url(registry: Registry, include: Include, target: str, pks: Sequence[int]) -> Iterator[Keys]:
    """Those whose canonical references name the `url` of these resources."""
    url = registry.get(target, "url")
    if url is None or url.kind != "uri":
        return
    ids = [found.id for found in _parameters(registry, include) if target in found.targets]
    rows, uris = fresh(idx_reference), fresh(idx_uri)
    yield (
        select(rows.c.pk.label("pk"))
        .join_from(uris, rows, rows.c.url == uris.c.value)
        .where(uris.c.pk.in_(pks), uris.c.param == url.id, uris.c.value != "", rows.c.param.in_(ids))
    )


def _referring(registry: Registry, include: Include, pks: Sequence[int]) -> Iterator[Keys]:
    parameters = _parameters(registry, include)
    rows = fresh(idx_reference)
    to_these = select(rows.c.pk.label("pk")).where(rows.c.target_pk.in_(pks))
    if include.source != "*":
        to_these = to_these.where(rows.c.param.in_([parameter.id for parameter in parameters]))
    yield to_these
    for table, name in _columns(parameters, ""):
        row = fresh(table)
        yield select(row.c.pk.label("pk")).where(row.c[name].in_(pks))


def _readable(unit: Unit, pks: Sequence[int], reaches: Reaches) -> list[Version]:
    """The current versions of these resources, without deleted ones and those beyond the caller's scopes."""
    found: list[Version] = []
    for start in range(0, len(pks), CHUNK):
        query = select(*COLUMNS).where(resource.c.pk.in_(pks[start : start + CHUNK]))
        alive = query.where(resource.c.deleted.is_(False), resource.c.version > 0).order_by(resource.c.pk)
        found += [version_of(row) for row in unit.connection.execute(alive)]
    allowed = {name: _allowed(unit, name, found_pks, reaches) for name, found_pks in _by_type(found).items()}
    return [version for version in found if version.pk in allowed[version.type]]


def _allowed(unit: Unit, resource_type: str, pks: Sequence[int], reaches: Reaches) -> set[int]:
    reach = reaches.readable(resource_type)
    if reach is None:
        return set(pks)
    allowed: set[int] = set()
    for start in range(0, len(pks), CHUNK):
        query = select(resource.c.pk).where(resource.c.pk.in_(pks[start : start + CHUNK]), holds(reach, resource.c.pk))
        allowed.update(unit.connection.execute(query).scalars())
    return allowed
