"""The outbox: changes that subscriptions have not been matched against yet, each taken exactly once.

One transaction at a time takes from it, so that a subscription that becomes active partway through the feed is asked
about every later change and no earlier one. PostgreSQL may commit a change with a lower number after one with a
higher; it is then taken with the next batch, never left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, select, tuple_

from fhir_lab.storage import locks
from fhir_lab.storage.tables import change, outbox, resource, resource_history


@dataclass(frozen=True, slots=True)
class Change:
    """One write: which version of which resource, and how it came about (create, update, patch, delete)."""

    seq: int
    pk: int
    type: str
    id: str
    version: int
    interaction: str


_TAKE = (
    select(change.c.seq, change.c.resource_pk, change.c.type, change.c.id, change.c.version, change.c.interaction)
    .join(outbox, outbox.c.seq == change.c.seq)
    .order_by(change.c.seq)
)


def take(connection: Connection, limit: int) -> list[Change]:
    """The oldest changes that wait, in the order of the feed; no other transaction takes any until this one ends."""
    locks.hold(connection, locks.OUTBOX)
    return [Change(*row) for row in connection.execute(_TAKE.limit(limit))]


def done(connection: Connection, changes: Iterable[Change]) -> None:
    """These changes were matched."""
    connection.execute(delete(outbox).where(outbox.c.seq.in_([item.seq for item in changes])))


def pending(connection: Connection) -> bool:
    """True when a change waits."""
    return connection.execute(select(outbox.c.seq).limit(1)).first() is not None


def documents(connection: Connection, changes: Iterable[Change]) -> dict[int, str]:
    """The JSON text that each of these changes wrote, by seq; none for a delete or an expunged version."""
    by_version = {(item.pk, item.version): item.seq for item in changes}
    if not by_version:
        return {}
    current = select(resource.c.pk, resource.c.version, resource.c.content).where(
        resource.c.pk.in_({pk for pk, _ in by_version})
    )
    found = {(pk, version): content for pk, version, content in connection.execute(current)}
    missing = by_version.keys() - found.keys()
    if missing:
        history = resource_history.c
        earlier = select(history.resource_pk, history.version, history.content).where(
            and_(tuple_(history.resource_pk, history.version).in_(missing))
        )
        found.update({(pk, version): content for pk, version, content in connection.execute(earlier)})
    return {seq: found[key] for key, seq in by_version.items() if found.get(key) is not None}
