"""Marks: what could be seen at one moment, so that later pages know what was written since.

The numbers of changes do not tell it alone: PostgreSQL takes them from a sequence before the commit, so one with a
lower number may be committed after the mark was taken. A mark therefore holds the highest change that could be seen
and the transactions that had begun and could not be seen. A transaction takes its own number before it numbers its
changes (`numbers.allocate`), so one that begins after the mark numbers them above all that could be seen. SQLite has
one writer at a time, whose numbers are in the order of the commits.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
)

from fhir_lab.storage.repository import Version, version_of
from fhir_lab.storage.tables import change, resource, resource_history

# Every first page selects these; as text they cost a quarter of what building them costs.
_LAST_SEQ: ColumnElement[int] = literal_column("(SELECT seq FROM change ORDER BY seq DESC LIMIT 1)")
_LAST_PK: ColumnElement[int] = literal_column("(SELECT pk FROM resource ORDER BY pk DESC LIMIT 1)")
# xmin:xmax:xip_list, and how many transactions have begun since xmax: those may be running and are in no list.
_SNAPSHOT: ColumnElement[str] = literal_column(
    "(SELECT CAST(snapshot AS text) || ':' || age(xid(pg_snapshot_xmax(snapshot))) FROM pg_current_snapshot() snapshot)"
)
# A dump that was restored brings numbers of another server's transactions. Such a row was itself written by an older
# transaction than the one it names; a row of this server never was.
_OWN: ColumnElement[bool] = literal_column("age(change.xmin) <= age(xid(CAST(CAST(change.tx AS text) AS xid8)))")


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment: the highest change and the highest pk that could be seen, and the transactions still running."""

    seq: int
    pk: int
    running: tuple[int, ...] = ()


def columns(connection: Connection) -> list[ColumnElement[Any]]:
    """What a statement must select, so that `mark_of` knows the moment at which the statement looks."""
    running = _SNAPSHOT if connection.dialect.name == "postgresql" else null()
    return [_LAST_SEQ.label("mark_seq"), _LAST_PK.label("mark_pk"), running.label("mark_running")]


def now(connection: Connection) -> Mark:
    """The mark of this moment."""
    return mark_of(connection.execute(select(*columns(connection))).one(), connection)


def mark_of(selected: Sequence[Any], connection: Connection) -> Mark:
    """The mark of a statement that selected `columns`."""
    seq, pk, snapshot = selected
    return Mark(seq or 0, pk or 0, _running(snapshot, connection) if snapshot else ())


def _running(snapshot: str, connection: Connection) -> tuple[int, ...]:
    _, end, listed, begun = snapshot.split(":")
    running = [int(number) for number in listed.split(",") if number]
    # A transaction that writes counts from its own number; there what it must not see is only what it lists.
    if not connection.get_execution_options().get("writes"):
        running += range(int(end), int(end) + int(begun))
    return tuple(running)


def since(mark: Mark) -> ColumnElement[bool]:
    """The condition that a row of `change` could not be seen at the mark."""
    later: ColumnElement[bool] = change.c.seq > mark.seq
    return or_(later, and_(change.c.tx.in_(mark.running), _OWN)) if mark.running else later


def by_then(mark: Mark) -> ColumnElement[bool]:
    """The condition that a row of `change` could be seen at the mark."""
    seen: ColumnElement[bool] = change.c.seq <= mark.seq
    if not mark.running:
        return seen
    running = and_(change.c.tx.is_not(None), change.c.tx.in_(mark.running), _OWN)
    return and_(seen, ~running)


def changed(mark: Mark, types: Sequence[str]) -> Select[Any]:
    """The pks of the resources of these types that existed at the mark and were written since, some more than once."""
    return select(change.c.resource_pk).where(change.c.type.in_(types), since(mark), change.c.resource_pk <= mark.pk)


def writes(mark: Mark, types: Sequence[str]) -> ScalarSelect[int]:
    """How many rows `changed` has. (Whether it has any, PostgreSQL would find out by reading the whole feed.)"""
    return select(func.count()).select_from(changed(mark, types).subquery()).scalar_subquery()


def before(
    connection: Connection, between: tuple[Mark, Mark | None], types: Sequence[str], limit: int
) -> list[Version]:
    """The versions that were current at the first mark, of resources written between the two and not deleted then."""
    mark, until = between
    first = func.min(change.c.version)
    written = changed(mark, types).add_columns((first - 1).label("version"))
    if until is not None:
        written = written.where(by_then(until))
    then = written.group_by(change.c.resource_pk).having(first > 1).subquery()
    history = resource_history.c
    query = (
        select(
            *(resource.c.pk, resource.c.type, resource.c.id, history.version, history.last_updated, history.seq),
            *(history.interaction, false(), history.content),
        )
        .join_from(then, resource, resource.c.pk == then.c.resource_pk)
        .join(resource_history, and_(history.resource_pk == then.c.resource_pk, history.version == then.c.version))
        .where(history.content.is_not(None))
        .limit(limit)
    )
    return [version_of(row) for row in connection.execute(query)]
