"""A snapshot that outlasts transactions and needs no list of them: every change up to a number, and none after it.

PostgreSQL commits changes in another order than it numbers them: while number 7 is stored, 6 may still be under way. A
page of results cannot wait for 6, so it remembers who was running (`marks`). A bulk export can, and must: what it tells
as its `transactionTime` promises everything that was changed up to then, and a change gets its time before its commit.
So `take` waits for the writes that have numbers already (`locks.settle`). From then on the number divides the changes
for good, and the version that was current is told by `seq <= number < superseded_seq`. SQLite has one writer at a time.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Connection

from fhir_lab.clock import Clock
from fhir_lab.storage import locks, marks

LONGEST_WAIT = 0.02


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The last change in it, its time (microseconds UTC), and the highest `resource.pk` there was."""

    seq: int
    at: int
    pk: int


def take(connection: Connection, clock: Clock) -> Snapshot:
    """The snapshot of now. `connection` is a write transaction that ends soon after, because all writers wait for it.

    Later changes have a later time, as far as the clocks of the machines agree, so `_since` may begin where this ends.
    """
    locks.settle(connection)
    mark = marks.now(connection)
    at = clock.now()
    until = time.monotonic() + LONGEST_WAIT
    while clock.now() <= at and time.monotonic() < until:
        time.sleep(0.0005)
    return Snapshot(mark.seq, at, mark.pk)
