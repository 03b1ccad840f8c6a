"""Removing for good what was deleted, and the earlier versions of what is current.

R4 has no such operation; the law of many countries asks for it. The audit trail keeps that it was done, and to what, as
`Type/id`. What a subscription to its type is still to be told of waits: it goes the next time.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, or_, select, update

from fhir_lab.storage.numbers import new_id
from fhir_lab.storage.referrers import referrers_of
from fhir_lab.storage.tables import (
    audit_event,
    change,
    notification,
    outbox,
    resource,
    resource_history,
    subscription_state,
)
from fhir_lab.storage.unit import Unit

CHUNK = 400


def expunge_deleted(unit: Unit, types: Sequence[str], resource_id: str | None, limit: int) -> int:
    """Remove at most `limit` deleted resources of these types, or the one with this id, with all their versions.

    One that others still refer to keeps its place without content, as if it had never been written. Returns how many
    versions went.
    """
    rows = _locked(unit, _deleted(types, resource_id).where(~_awaited()).order_by(resource.c.pk).limit(limit))
    if not rows:
        return 0
    pks = [row.pk for row in rows]
    _record(unit, rows)
    for start in range(0, len(pks), CHUNK):
        _remove(unit, pks[start : start + CHUNK])
    return sum(row.version for row in rows)


def expunge_versions(unit: Unit, types: Sequence[str], resource_id: str | None, limit: int) -> int:
    """Remove at most `limit` earlier versions of the resources of these types, or of the one with this id.

    Returns how many went.
    """
    key = ("pk", resource_history.c.version)
    rows = _locked(unit, _earlier(types, resource_id).where(~_awaited(earlier=True)).order_by(*key).limit(limit))
    _record(unit, rows)
    for row in rows:
        unit.connection.execute(
            delete(resource_history).where(
                resource_history.c.resource_pk == row.pk, resource_history.c.version == row.version
            )
        )
        _forget(unit, and_(change.c.resource_pk == row.pk, change.c.version == row.version))
    return len(rows)


def waiting(
    unit: Unit, types: Sequence[str], resource_id: str | None, *, deleted: bool = False, versions: bool = False
) -> int:
    """How many deleted resources and earlier versions stay until a subscription was told of them."""
    queries = [_deleted(types, resource_id).where(_awaited())] if deleted else []
    queries += [_earlier(types, resource_id).where(_awaited(earlier=True))] if versions else []
    return sum(
        unit.connection.execute(select(func.count()).select_from(query.subquery())).scalar_one() for query in queries
    )


def _deleted(types: Sequence[str], resource_id: str | None) -> Select[Any]:
    return select(resource.c.pk, resource.c.type, resource.c.id, resource.c.version).where(
        resource.c.deleted.is_(True), resource.c.version > 0, *_which(types, resource_id)
    )


def _earlier(types: Sequence[str], resource_id: str | None) -> Select[Any]:
    return (
        select(resource_history.c.resource_pk.label("pk"), resource.c.type, resource.c.id, resource_history.c.version)
        .join_from(resource_history, resource, resource.c.pk == resource_history.c.resource_pk)
        .where(resource.c.deleted.is_(False), *_which(types, resource_id))
    )


def _awaited(*, earlier: bool = False) -> ColumnElement[bool]:
    """True where a change (`earlier`: of this version or one before) was not matched yet, and somebody may listen.

    A change of a Subscription itself always counts: matching it is what makes the subscription begin.
    """
    state = subscription_state.c
    listens = exists().where(
        or_(state.activated.is_not(None), state.status == "requested"),
        state.criteria.like(resource.c.type.concat("?%")),
    )
    unmatched = exists().where(
        outbox.c.seq == change.c.seq,
        change.c.resource_pk == resource.c.pk,
        *([change.c.version <= resource_history.c.version] if earlier else []),
    )
    return and_(unmatched, or_(resource.c.type == "Subscription", listens))


def _forget(unit: Unit, which: ColumnElement[bool]) -> None:
    """Take changes out of the feed, and out of the outbox where nobody is to be told of them."""
    gone = select(change.c.seq).where(which)
    unit.connection.execute(delete(outbox).where(outbox.c.seq.in_(gone)))
    unit.connection.execute(delete(change).where(which))


def _which(types: Sequence[str], resource_id: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [resource.c.type.in_(types)]
    return conditions if resource_id is None else [*conditions, resource.c.id == resource_id]


def _locked(unit: Unit, query: Select[Any]) -> list[Any]:
    return list(unit.connection.execute(query.with_for_update(of=resource)).all())


def _remove(unit: Unit, pks: Sequence[int]) -> None:
    connection = unit.connection
    connection.execute(delete(resource_history).where(resource_history.c.resource_pk.in_(pks)))
    _forget(unit, change.c.resource_pk.in_(pks))
    connection.execute(delete(notification).where(notification.c.subscription_pk.in_(pks)))
    connection.execute(delete(subscription_state).where(subscription_state.c.pk.in_(pks)))
    referred = referrers_of(unit, list(pks))
    connection.execute(update(resource).where(resource.c.pk.in_(referred)).values(version=0, content=None))
    connection.execute(delete(resource).where(and_(resource.c.pk.in_(pks), resource.c.version > 0)))


def _record(unit: Unit, rows: Sequence[Any]) -> None:
    """An audit row for each resource, in the transaction that removes."""
    versions: dict[tuple[int, str, str], int] = {}
    for row in rows:
        versions[row.pk, row.type, row.id] = max(row.version, versions.get((row.pk, row.type, row.id), 0))
    caller, now = unit.caller, unit.services.clock.now()
    values = [
        {
            "id": new_id(),
            "at": now,
            "action": "D",
            "interaction": "expunge",
            "outcome": "0",
            "agent": caller.subject,
            "client": caller.client,
            "request_id": caller.request_id,
            "resource_pk": pk,
            "type": resource_type,
            "resource_id": resource_id,
            "version": version,
        }
        for (pk, resource_type, resource_id), version in versions.items()
    ]
    if values:
        unit.connection.execute(insert(audit_event), values)
