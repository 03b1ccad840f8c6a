"""Locks on names, held until the transaction ends: who works on the same patient, report or queue takes turns.

On PostgreSQL they are advisory locks. A SQLite writer is alone already, so there they cost and do nothing.
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

import zlib
from collections.abc import Iterable

from sqlalchemy import Connection, text

INGEST = 1
OUTBOX = 2
WRITING = 3
PARAMETERS = 4
# Different names may share a lock, so that a message of a thousand orders cannot fill PostgreSQL's lock table.
SHARES = 4096

# A write holds the other one from the moment it takes its numbers (`numbers.allocate`).
_SETTLE = text(f"SELECT pg_advisory_xact_lock({WRITING}, 0)")
HOLD_WRITING = f"pg_advisory_xact_lock_shared({WRITING}, 0)"
_BEGIN_WRITING = text(f"SELECT {HOLD_WRITING}")
_HOLD = text("SELECT pg_advisory_xact_lock(CAST(:kind AS int), key) FROM unnest(CAST(:keys AS int[])) AS key")
_SHARE = text("SELECT pg_advisory_xact_lock_shared(CAST(:kind AS int), key) FROM unnest(CAST(:keys AS int[])) AS key")


def lock_key(name: str = "") -> int:
    """The second key of PostgreSQL's lock on a name."""
    return zlib.crc32(name.encode("utf-8", "replace")) % SHARES


def hold(connection: Connection, kind: int, names: Iterable[str] = ("",), *, shared: bool = False) -> None:
    """Wait until no other transaction holds any of these names of this kind (`INGEST`, ...), then hold them.

    `shared` locks only wait for those that are not.

    Every caller takes its names in the same order, so two of them cannot wait for each other.
    """
    if connection.dialect.name == "postgresql":
        keys = sorted({lock_key(name) for name in names})
        connection.execute(_SHARE if shared else _HOLD, {"kind": kind, "keys": keys}).all()


def settle(connection: Connection) -> None:
    """Wait until every write that has its numbers is committed or undone; none gets any until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SETTLE).all()


def begin_writing(connection: Connection) -> None:
    """Hold what `settle` waits for before the numbers are taken: for who takes another lock in between."""
    if connection.dialect.name == "postgresql":
        connection.execute(_BEGIN_WRITING).all()
