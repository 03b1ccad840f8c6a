"""A snapshot that outlasts transactions: every change up to a mark, and none after it.

PostgreSQL commits changes in another order than it numbers them: while number 7 is stored, 6 may still be under way. So
`take` waits for the writes that have numbers already (`locks.settle`); from then on the mark divides the changes for
good, and the version that was current at it is told by numbers alone: `seq <= mark < superseded_seq`. Nothing needs to
stay open, so a job can be resumed by another process. SQLite has one writer, which the mark itself is.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from fhir_lab.clock import Clock
from fhir_lab.storage import locks
from fhir_lab.storage.tables import change, resource

LONGEST_WAIT = 0.02


@dataclass(frozen=True, slots=True)
class Mark:
    """The last change in the snapshot, its time (microseconds UTC), and the highest `resource.pk` there was."""

    seq: int
    at: int
    pk: int


def take(connection: Connection, clock: Clock) -> Mark:
    """The mark of now. `connection` is a write transaction that does nothing else, and ends soon: writers wait for it.

    Later changes have a later time, as far as the clocks of the machines agree, so `_since` may begin where this ends.
    """
    locks.settle(connection)
    seq = connection.execute(select(func.coalesce(func.max(change.c.seq), 0))).scalar_one()
    pk = connection.execute(select(func.coalesce(func.max(resource.c.pk), 0))).scalar_one()
    at = clock.now()
    until = time.monotonic() + LONGEST_WAIT
    while clock.now() <= at and time.monotonic() < until:
        time.sleep(0.0005)
    return Mark(seq, at, pk)
