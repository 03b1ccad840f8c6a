"""Chains and reverse chains: resources by what they refer to, and by what refers to them.

A link ends only at resources that the caller may read. https://hl7.org/fhir/R4/search.html#chaining #has
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import ColumnElement, FromClause, and_, select

from fhir_lab.search.aliases import fresh
from fhir_lab.search.columns import ANSWERED, ReferenceColumn
from fhir_lab.search.plan import keys
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.search.rows import SOME
from fhir_lab.search.sets import Intersection, Rows, Set, Test, union_of
from fhir_lab.search.tree import Chain, Criterion, Has
from fhir_lab.storage.tables import CODING_TABLES, LAB_TABLES, idx_reference, idx_uri


class Linking(Protocol):
    """What this module needs of the compiler: the sets that a criterion on resources at the end of a link makes."""

    registry: Registry

    def linked(self, resource_type: str, criterion: Criterion) -> list[Set]: ...


def chain(compiler: Linking, resource_type: str, criterion: Chain) -> Set:
    """The resources whose reference leads to one that satisfies the criterion for its type."""
    column = ANSWERED.get((resource_type, criterion.parameter.code))
    sets: list[Set] = []
    for target, inner in criterion.targets:
        found = Intersection(target, tuple(compiler.linked(target, inner)))
        sets.append(_referring(criterion.parameter, column, found))
        url = _url(compiler.registry, criterion.parameter, target)
        if url is not None:
            sets.append(Rows(idx_reference, _by_url(criterion.parameter, url, found), SOME))
    return union_of(sets)


def _url(registry: Registry, parameter: SearchParameter, target: str) -> SearchParameter | None:
    """The `url` of the target type, where the references of a parameter may be canonicals."""
    found = registry.get(target, "url") if registry.canonical(parameter) else None
    return found if found is not None and found.kind == "uri" else None


def _by_url(parameter: SearchParameter, url: SearchParameter, found: Intersection) -> Test:
    def test(row: FromClause) -> ColumnElement[bool]:
        uris = fresh(idx_uri)
        urls = select(uris.c.value).where(uris.c.param == url.id, uris.c.pk.in_(keys(found, found.type)))
        return and_(row.c.param == parameter.id, row.c.url != "", row.c.url.in_(urls))

    return test


def _referring(parameter: SearchParameter, column: object, found: Intersection) -> Rows:
    target = found.type
    if isinstance(column, ReferenceColumn) and column.target == target:
        name = column.column.name
        return Rows(LAB_TABLES[parameter.type], lambda row: row.c[name].in_(keys(found, target)), SOME)
    return Rows(
        idx_reference,
        lambda row: and_(row.c.param == parameter.id, row.c.target_pk.in_(keys(found, target))),
        SOME,
    )


def has(compiler: Linking, resource_type: str, criterion: Has) -> Set:
    """The resources that one of `source` which satisfies the criterion refers to."""
    inner = compiler.linked(criterion.source, criterion.criterion)
    url = _url(compiler.registry, criterion.parameter, resource_type)
    if url is None:
        return _referred(resource_type, criterion, inner)
    by_url = Rows(idx_uri, _of_url(criterion, url, inner), SOME)
    return union_of([_referred(resource_type, criterion, inner), by_url])


def _of_url(criterion: Has, url: SearchParameter, inner: Sequence[Set]) -> Test:
    found = Intersection(criterion.source, tuple(inner))

    def test(row: FromClause) -> ColumnElement[bool]:
        rows = fresh(idx_reference)
        named = select(rows.c.url).where(
            rows.c.param == criterion.parameter.id, rows.c.url != "", rows.c.pk.in_(keys(found, criterion.source))
        )
        return and_(row.c.param == url.id, row.c.value.in_(named))

    return test


def _referred(resource_type: str, criterion: Has, inner: Sequence[Set]) -> Set:
    column = ANSWERED.get((criterion.source, criterion.parameter.code))
    if not (isinstance(column, ReferenceColumn) and column.target == resource_type):
        return Rows(idx_reference, _by_index(criterion, resource_type, inner), SOME, key="target_pk")
    key = column.column.name
    if key == "patient_pk" and len(inner) == 1:
        only = inner[0]
        if isinstance(only, Rows) and only.alive and only.table in CODING_TABLES.values():
            return Rows(only.table, _and_not_null(only.test, key), SOME, key=key)
    return Rows(LAB_TABLES[criterion.source], _by_column(criterion.source, key, inner), SOME, key=key)


def _by_index(criterion: Has, resource_type: str, inner: Sequence[Set]) -> Test:
    found = Intersection(criterion.source, tuple(inner))

    def test(row: FromClause) -> ColumnElement[bool]:
        return and_(
            row.c.param == criterion.parameter.id,
            row.c.target_type == resource_type,
            row.c.target_pk.is_not(None),
            row.c.pk.in_(keys(found, criterion.source)),
        )

    return test


def _by_column(source: str, key: str, inner: Sequence[Set]) -> Test:
    """Tests on the row that holds the reference itself, and the other sets by pk."""
    table = LAB_TABLES[source]
    here = [part for part in inner if isinstance(part, Rows) and part.alive and part.table is table]
    others = Intersection(source, tuple(part for part in inner if part not in here))

    def test(row: FromClause) -> ColumnElement[bool]:
        tests = [row.c[key].is_not(None), *(part.test(row) for part in here)]
        if others.sets:
            tests.append(row.c.pk.in_(keys(others, source)))
        return and_(*tests)

    return test


def _and_not_null(test: Test, key: str) -> Test:
    return lambda row: and_(row.c[key].is_not(None), test(row))
