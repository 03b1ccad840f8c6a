"""Subscription state and numbered notifications: what is owed to whom, in which order, and who delivers it now.

Numbers have no gaps: they are taken from the subscription's row, which stays locked until the transaction ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, func, insert, or_, select, update
from uuid_utils import uuid7

from fhir_lab.storage.tables import notification, resource, subscription_state


@dataclass(frozen=True, slots=True)
class State:
    """A subscription as the server keeps it. `caller` is JSON; `since`, `activated`, `ends` are microseconds UTC.

    An activated one has its events recorded, also while in error or requested anew; only `active` is delivered to.
    """

    pk: int
    id: str
    version: int
    status: str
    since: int
    activated: int | None
    criteria: str
    ends: int | None
    caller: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change that a subscription is to be told of."""

    seq: int
    focus: str
    version: int
    interaction: str


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification that waits, the first of its subscription. `attempts` counts those already made."""

    id: str
    number: int
    focus: str
    version: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to deliver to one subscription, until another takes it."""

    pk: int
    worker: str


_STATE = (
    select(
        subscription_state.c.pk,
        resource.c.id,
        resource.c.version,
        subscription_state.c.status,
        subscription_state.c.since,
        subscription_state.c.activated,
        subscription_state.c.criteria,
        subscription_state.c.ends,
        subscription_state.c.caller,
    )
    .join(resource, resource.c.pk == subscription_state.c.pk)
    .order_by(subscription_state.c.pk)
)


def state_of(connection: Connection, pk: int) -> State | None:
    """The state of one subscription, if it was ever written."""
    row = connection.execute(_STATE.where(subscription_state.c.pk == pk)).first()
    return None if row is None else State(*row)


def requested(connection: Connection) -> list[State]:
    """The subscriptions that wait for activation."""
    return [State(*row) for row in connection.execute(_STATE.where(subscription_state.c.status == "requested"))]


def activated(connection: Connection) -> list[State]:
    """The subscriptions whose events are recorded, in order of creation."""
    return [State(*row) for row in connection.execute(_STATE.where(subscription_state.c.activated.is_not(None)))]


def request(connection: Connection, pk: int, *, criteria: str, ends: int | None, caller: str, now: int) -> None:
    """A client asks for this subscription: it waits for activation. Its count goes on where it was.

    While the criteria stay the same its events go on being recorded.
    """
    goes_on = case((subscription_state.c.criteria == criteria, subscription_state.c.activated))
    values: dict[str, Any] = {
        "status": "requested",
        "since": now,
        "criteria": criteria,
        "ends": ends,
        "caller": caller,
        "error": None,
        "worker": None,
    }
    found = connection.execute(
        update(subscription_state).where(subscription_state.c.pk == pk).values(values | {"activated": goes_on})
    )
    if found.rowcount == 0:
        connection.execute(insert(subscription_state).values(pk=pk, **values))


def set_status(connection: Connection, pk: int, status: str, now: int, error: str | None = None) -> None:
    """Move a subscription to active, error or off. Off gives up what waits; active makes it due."""
    values: dict[str, Any] = {"status": status, "since": now, "error": error, "worker": None, "due": None}
    if status == "active":
        waits = select(notification.c.id).where(_waiting(pk)).exists()
        values["due"] = now if connection.scalar(select(waits)) else None
        values["activated"] = func.coalesce(subscription_state.c.activated, now)
    elif status == "off":
        values["activated"] = None
    connection.execute(update(subscription_state).where(subscription_state.c.pk == pk).values(values))
    if status == "off":
        connection.execute(
            update(notification)
            .where(_waiting(pk))
            .values(state="dead", ended=now, error=error or "The subscription is off.")
        )


def enqueue(connection: Connection, pk: int, events: Sequence[Event], now: int) -> None:
    """Number these events and let them wait for delivery, in this order, unless the subscription is off by now."""
    last = connection.execute(
        update(subscription_state)
        .where(subscription_state.c.pk == pk, subscription_state.c.activated.is_not(None))
        .values(
            events=subscription_state.c.events + len(events),
            due=func.coalesce(subscription_state.c.due, now),
        )
        .returning(subscription_state.c.events)
    ).scalar()
    if last is None:
        return
    connection.execute(
        insert(notification),
        [
            {
                "id": str(uuid7()),
                "subscription_pk": pk,
                "number": last - len(events) + index,
                "seq": event.seq,
                "focus": event.focus,
                "version": event.version,
                "interaction": event.interaction,
                "created": now,
                "state": "waiting",
            }
            for index, event in enumerate(events, start=1)
        ],
    )


def due(connection: Connection, now: int, limit: int = 1000) -> list[int]:
    """The subscriptions to which something can be delivered now."""
    ready = and_(subscription_state.c.due <= now, subscription_state.c.status == "active")
    query = select(subscription_state.c.pk).where(ready).order_by(subscription_state.c.due).limit(limit)
    return list(connection.scalars(query))


def lease(connection: Connection, pk: int, *, now: int, until: int) -> Lease | None:
    """Take the right to deliver to a subscription; None when nothing is due or another worker has it."""
    worker = str(uuid7())
    ready = and_(
        subscription_state.c.pk == pk, subscription_state.c.status == "active", subscription_state.c.due <= now
    )
    found = connection.execute(update(subscription_state).where(ready).values(worker=worker, due=until))
    return Lease(pk, worker) if found.rowcount == 1 else None


def hold(connection: Connection, held: Lease, until: int) -> bool:
    """Keep the lease, and its row locked in this transaction; False when it was lost or the subscription ended."""
    mine = and_(
        subscription_state.c.pk == held.pk,
        subscription_state.c.worker == held.worker,
        subscription_state.c.status == "active",
    )
    return connection.execute(update(subscription_state).where(mine).values(due=until)).rowcount == 1


def first_waiting(connection: Connection, pk: int) -> Notification | None:
    """What must be delivered next: the waiting notification with the lowest number."""
    query = select(
        notification.c.id,
        notification.c.number,
        notification.c.focus,
        notification.c.version,
        notification.c.attempts,
    )
    row = connection.execute(query.where(_waiting(pk)).order_by(notification.c.number).limit(1)).first()
    return None if row is None else Notification(*row)


def release(connection: Connection, held: Lease, due_at: int | None) -> None:
    """Give the lease back; the next delivery may start at `due_at`, or when there is something new."""
    mine = and_(subscription_state.c.pk == held.pk, subscription_state.c.worker == held.worker)
    connection.execute(update(subscription_state).where(mine).values(worker=None, due=due_at))


def delivered(connection: Connection, notification_id: str, now: int) -> None:
    """A notification was accepted by the receiver."""
    _end(connection, notification_id, state="delivered", ended=now, error=None)


def failed(connection: Connection, notification_id: str, error: str) -> None:
    """An attempt failed; the notification goes on waiting."""
    _end(connection, notification_id, error=error)


def dead(connection: Connection, notification_id: str, now: int, error: str) -> None:
    """A notification is given up."""
    _end(connection, notification_id, state="dead", ended=now, error=error)


def _end(connection: Connection, notification_id: str, **values: Any) -> None:
    connection.execute(
        update(notification)
        .where(notification.c.id == notification_id, notification.c.state == "waiting")
        .values(attempts=notification.c.attempts + 1, **values)
    )


def outlived(connection: Connection, now: int, error_before: int) -> list[State]:
    """Subscriptions whose end has come, and those in error since before `error_before`."""
    over = and_(subscription_state.c.ends <= now, subscription_state.c.status != "off")
    hopeless = and_(subscription_state.c.status == "error", subscription_state.c.since < error_before)
    return [State(*row) for row in connection.execute(_STATE.where(or_(over, hopeless)))]


def _waiting(pk: int) -> Any:
    return and_(notification.c.subscription_pk == pk, notification.c.state == "waiting")
