"""Rebuild lab, coding and index rows from the documents, a batch at a time, while the server goes on serving.

Needed for a custom search parameter, and after a change of the laboratory's zone, of the public URL, or of what the
index holds. How far a run has come is kept in the database: one that was killed goes on where it stopped, and two of
the same scope share the work.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from fhir_lab.documents import parse
from fhir_lab.outcomes import NotFound
from fhir_lab.search.kinds.token import of_type
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.storage import parameters as custom
from fhir_lab.storage.bulk import Batch
from fhir_lab.storage.indexing import INDEX_TABLES, LAB_COLUMNS, Indexed, derive
from fhir_lab.storage.locks import PARAMETERS, hold
from fhir_lab.storage.references import Target, references, rows_of
from fhir_lab.storage.tables import LAB_TABLES, reindex_run, resource
from fhir_lab.storage.unit import Unit

BATCH = 200
PURGED = 20_000  # index rows of a parameter taken away in one transaction


@dataclass(frozen=True, slots=True)
class Scope:
    """What to rebuild: everything, one resource type, or the search parameter with a canonical URL."""

    type: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """What a run of this scope is kept under."""
        return f"parameter {self.url}" if self.url else f"type {self.type}" if self.type else "everything"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many resources a run has rebuilt, and how many there were when it began."""

    done: int
    total: int
    resumed: bool = False


def begin(unit: Unit, scope: Scope) -> Progress:
    """Start a run, or go on with the one that was stopped unless it would not be enough any more.

    Raises `NotFound` for a parameter that nobody defined.
    """
    connection = unit.connection
    hold(connection, PARAMETERS)  # whoever still writes with an older registry ends first
    unit.services.parameters.refresh(connection)
    settings = _settings(unit)
    ids = [found.id for found in custom.in_state(connection, custom.WAITING) if _within(scope, found)]
    run = _run(connection, scope)
    if run is not None and run.settings == settings and set(ids) <= set(json.loads(run.parameters)):
        return Progress(run.done, run.total, resumed=True)
    connection.execute(delete(reindex_run).where(reindex_run.c.scope == scope.name))
    types = _types(unit.services.registry, scope)
    last, total = connection.execute(
        select(func.coalesce(func.max(resource.c.pk), 0), func.count()).where(*_of(types))
    ).one()
    connection.execute(
        insert(reindex_run).values(
            scope=scope.name,
            settings=settings,
            types=json.dumps(types),
            parameters=json.dumps(ids),
            narrow=bool(scope.url) and _with_url(unit.services.registry, scope.url)[0].custom,
            after_pk=0,
            last_pk=last,
            done=0,
            total=total,
        )
    )
    return Progress(0, total)


def step(unit: Unit, scope: Scope, limit: int = BATCH) -> Progress | None:
    """Rebuild the next `limit` resources; None when there are no more, and the run is over.

    Their documents are locked until the caller commits, so that a write meanwhile is not overwritten with older rows.
    """
    connection = unit.connection
    run = _run(connection, scope)
    if run is None:
        return None
    registry = unit.services.parameters.agreed(connection, None)
    left = (
        select(resource.c.pk, resource.c.content)
        .where(resource.c.pk > run.after_pk, resource.c.pk <= run.last_pk, *_of(json.loads(run.types)))
        .order_by(resource.c.pk)
        .limit(limit)
    )
    documents = {row.pk: parse(row.content) for row in connection.execute(left.with_for_update(key_share=True))}
    if not documents and connection.execute(left.limit(1)).first() is not None:
        return Progress(run.done, run.total)  # others deleted just those that were to come
    if not documents:
        _finish(connection, run)
        return None
    _rebuild(unit, registry, documents, scope if run.narrow else None)
    done = run.done + len(documents)
    connection.execute(
        update(reindex_run).where(reindex_run.c.scope == scope.name).values(after_pk=max(documents), done=done)
    )
    return Progress(done, run.total)


def purge(unit: Unit) -> bool:
    """Take away some index rows of parameters that are no longer defined; True when there may be more.

    First they stop being written, then they go, then the parameter is forgotten: each in a transaction of its own.
    """
    connection = unit.connection
    leaving = [found.id for found in custom.in_state(connection, custom.LEAVING)]
    if leaving:
        hold(connection, PARAMETERS)
        custom.set_state(connection, leaving, custom.GONE)
        custom.new_stamp(connection)
        return True
    gone = [found.id for found in custom.in_state(connection, custom.GONE)]
    ids = _ids_of_rows(gone)
    for table in INDEX_TABLES if gone else ():
        some = select(table.c.pk).where(table.c.param.in_(ids)).limit(PURGED)
        if connection.execute(delete(table).where(table.c.param.in_(ids), table.c.pk.in_(some))).rowcount:
            return True
    custom.forget(connection, gone)
    return False


def waiting(connection: Connection) -> list[str]:
    """The URLs of the parameters that a rebuild would make usable."""
    return sorted({found.url for found in custom.in_state(connection, custom.WAITING)})


def _finish(connection: Connection, run: Row[Any]) -> None:
    hold(connection, PARAMETERS)
    completed = set(json.loads(run.parameters))
    still = [found.id for found in custom.in_state(connection, custom.WAITING) if found.id in completed]
    if still:
        custom.set_state(connection, still, custom.ANSWERED)
        custom.new_stamp(connection)
    connection.execute(delete(reindex_run).where(reindex_run.c.scope == run.scope))


def _run(connection: Connection, scope: Scope) -> Row[Any] | None:
    return connection.execute(
        select(reindex_run).where(reindex_run.c.scope == scope.name).with_for_update()
    ).one_or_none()


def _settings(unit: Unit) -> str:
    """What the rows depend on beside the documents: with other settings a stopped run begins again."""
    settings = unit.services.settings
    return json.dumps([str(settings.zone), settings.fhir_base])


def _within(scope: Scope, parameter: SearchParameter) -> bool:
    return scope.url in ("", parameter.url) and scope.type in ("", parameter.type)


def _with_url(registry: Registry, url: str) -> list[SearchParameter]:
    return [found for name in registry.types for found in registry.indexed(name) if found.url == url]


def _types(registry: Registry, scope: Scope) -> list[str]:
    """The types to go through, empty for all. Raises `NotFound`."""
    if not scope.url:
        return [scope.type] if scope.type else []
    types = sorted({found.type for found in _with_url(registry, scope.url)})
    if not types:
        raise NotFound.of(f"No search parameter has the URL '{scope.url}'.")
    return types


def _of(types: Sequence[str]) -> list[ColumnElement[bool]]:
    live: list[ColumnElement[bool]] = [resource.c.deleted.is_(False)]
    return [*live, resource.c.type.in_(types)] if types else live


def _rebuild(unit: Unit, registry: Registry, documents: Mapping[int, dict[str, Any]], narrow: Scope | None) -> None:
    """Write the rows of these documents anew; only those of one parameter when `narrow` names it."""
    pks = _pks_of_targets(unit, list(documents.values()))
    batch = Batch(unit.connection)
    ids = _ids_of_rows(found.id for found in _with_url(registry, narrow.url)) if narrow else []
    for pk, document in documents.items():
        indexed = derive(unit.services, registry, document, pk, lambda *target: pks.get(target))
        if narrow:
            _replace_some(batch, pk, indexed, ids)
        else:
            _replace(batch, pk, indexed, document["resourceType"])
    batch.flush()


def _ids_of_rows(parameters: Iterable[int]) -> list[int]:
    """The ids that the index rows of these parameters carry, those of `:of-type` among them."""
    return sorted(found for each in parameters for found in (each, of_type(each)))


def _replace(batch: Batch, pk: int, indexed: Indexed, resource_type: str) -> None:
    if indexed.lab is not None:
        batch.update(LAB_TABLES[resource_type], LAB_COLUMNS[resource_type], [(*indexed.lab, pk)])
    for table, rows in indexed.rows.items():
        batch.delete(table, [pk])
        batch.insert(table, rows)


def _replace_some(batch: Batch, pk: int, indexed: Indexed, ids: Sequence[int]) -> None:
    for table in INDEX_TABLES:
        batch.delete_of(table, [pk], ids)
        batch.insert(table, [row for row in indexed.rows[table] if row[0] in ids])


def _pks_of_targets(unit: Unit, documents: list[dict[str, object]]) -> dict[Target, int]:
    locator = unit.services.locator
    targets = {
        target for document in documents for ref in references(document) if (target := locator.local(ref)) is not None
    }
    return {key: pk for key, (pk, _) in rows_of(unit, targets).items()}
