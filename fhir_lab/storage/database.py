"""Engines and transactions for SQLite and PostgreSQL: one place that knows how each begins, waits and fails.

Only the edge (a request, a task, a command) opens a transaction; what it calls never commits.
"""

import random
import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, TimeoutError
from sqlalchemy.pool import QueuePool

from fhir_lab.outcomes import Unavailable

T = TypeVar("T")
DRIVER_ERRORS = (DBAPIError, psycopg.Error, sqlite3.Error)
ATTEMPTS = 6
# SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock, unique and foreign key races.
RETRY_STATES = {"40001", "40P01", "23505", "23503"}
# What else a client may wait for: (what to say, SQLSTATEs, words of the error).
TROUBLES = (
    ("has no space left", ("53100",), ("database or disk is full", "no space left")),
    ("cannot be written now", ("25006",), ("readonly database",)),
    ("did not finish in time", ("57014", "55P03"), ()),
    ("has no tables; run fhir-lab migrate", ("42P01",), ("no such table",)),
)

# From Python 3.12 on the driver asks for this; the lab columns of type Date are written through it directly.
sqlite3.register_adapter(date, date.isoformat)


class Database:
    """The engines of one installation. `dialect` is `sqlite` or `postgresql`."""

    def __init__(self, url: str, pool: int = 10) -> None:
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        options: dict[str, Any] = {"pool_size": pool, "max_overflow": 2 * pool, "pool_timeout": 30}
        if self.dialect == "sqlite":
            options["connect_args"] = {"check_same_thread": False, "timeout": 30}
        else:
            options["connect_args"] = {"prepare_threshold": 2, "connect_timeout": 5}
            # Pooled connections rest in autocommit, so that a read neither switches it on and off nor rolls back.
            options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
        self._reader: Engine = create_engine(self.url, **options)
        if self.dialect == "sqlite":
            event.listen(self._reader, "connect", _sqlite_connect)
            event.listen(self._reader, "begin", _sqlite_begin)
            self.engine = self._reader
        else:
            event.listen(self._reader, "connect", _postgres_connect)
            event.listen(self._reader, "do_execute", _plan_anew)
            event.listen(self._reader, "checkout", _refuse_dead)
            self.engine = self._reader.execution_options(isolation_level="READ COMMITTED")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading. Raises `Unavailable` when the database does not answer."""
        with _told(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction: committed when the block ends, undone when it raises."""
        with _told(), self.engine.connect() as opened:
            connection = opened.execution_options(writes=True)
            with connection.begin():
                yield connection

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction, again when it lost a race against another writer.

        `work` must have no effect outside the transaction. Raises what `work` raises, and `Unavailable`.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except DRIVER_ERRORS as error:
                if not _lost_race(error):
                    raise
                if attempt == ATTEMPTS:
                    raise Unavailable.of("Other writers kept winning. Nothing was stored; try again.") from error
                time.sleep(random.uniform(0.005, 0.02) * 2**attempt)
        raise AssertionError("unreachable")

    def connections(self) -> dict[str, int]:
        """How many pooled connections are `busy` and `idle`."""
        pool = self.engine.pool
        return {"busy": pool.checkedout(), "idle": pool.checkedin()} if isinstance(pool, QueuePool) else {}

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # this module begins transactions itself, so that writers can begin IMMEDIATE
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "cache_size=-32000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgres_connect(connection: Any, _record: object) -> None:
    """Statements here take milliseconds. Starting parallel workers or a compiler takes longer than that, and with a
    million rows PostgreSQL begins to think of both: a page of a worklist took 30 ms instead of 0.2."""
    automatic, connection.autocommit = connection.autocommit, True
    connection.execute("SET max_parallel_workers_per_gather = 0")
    connection.execute("SET jit = off")
    connection.autocommit = automatic


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _refuse_dead(connection: Any, _record: object, _proxy: object) -> None:
    """After a restart of PostgreSQL, make the pool connect anew instead of failing once per pooled connection.

    The server says nothing on an idle connection unless it closes it, so whatever can be read means the end.
    """
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise InvalidatePoolError("The server closed the connection.")


def _plan_anew(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """Run a search as a statement of its own: a prepared one would soon be planned without looking at its values.

    What they match may be one row or a million, and the plan that suits the average is slow for both.
    """
    if context is None or not context.execution_options.get("plan_anew"):
        return None
    cursor.execute(statement, parameters, prepare=False)
    return True


def _cause(error: BaseException) -> BaseException:
    """The driver's own error; some statements go to the driver without SQLAlchemy around them."""
    return (error.orig or error) if isinstance(error, DBAPIError) else error


def _lost_race(error: BaseException) -> bool:
    cause = _cause(error)
    return getattr(cause, "sqlstate", None) in RETRY_STATES or "database is locked" in str(cause)


def _trouble(error: BaseException) -> str | None:
    """What keeps the database from answering; None when neither it nor time can help."""
    cause = _cause(error)
    state, said = getattr(cause, "sqlstate", None) or "", str(cause).lower()
    for trouble, states, words in TROUBLES:
        if state in states or any(word in said for word in words):
            return trouble
    if isinstance(cause, sqlite3.Error):
        answers = not isinstance(cause, sqlite3.OperationalError) or "syntax" in said
    elif state:  # class 08 connection, 53 insufficient resources, 57P server shutdown
        answers = state[:2] not in ("08", "53") and state[:3] != "57P"
    else:  # the connection never was, or it broke; other errors without a state are the driver's own
        answers = not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return None if answers else "does not answer"


@contextmanager
def _told() -> Iterator[None]:
    """Turn a database that is down, full, read-only or out of connections into an error a client can act on."""
    try:
        yield
    except TimeoutError:
        raise Unavailable.of("Every database connection is busy. Nothing was stored; try again.") from None
    except DRIVER_ERRORS as error:
        trouble = None if _lost_race(error) else _trouble(error)
        if trouble is None:
            raise
        raise Unavailable.of(f"The database {trouble}. Nothing of this request was stored; try again.") from error
