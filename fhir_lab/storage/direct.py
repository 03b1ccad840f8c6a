"""Reads documents by id on the event loop, without a thread: the one statement that is worth a second way.

Handing a read to a thread and back costs more CPU (150 us, most of it the two threads' quarrel about the interpreter
lock) than everything else a read does. So where PostgreSQL answers and the caller's scopes set no bounds, the same
statement goes over connections of its own. Whatever is unusual is left to the ordinary way.
"""

import asyncio

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from fhir_lab.storage.database import Database
from fhir_lab.storage.repository import BY_ID, Version, existing

CONNECT_SECONDS = 5
_STATEMENT = BY_ID.format("%s")


class DirectReads:
    """A few connections of one event loop. Open it in the loop that uses it, and close it there."""

    def __init__(self, database: Database, connections: int) -> None:
        """`database` must be PostgreSQL; connections are made when they are first needed."""
        self._conninfo = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._idle: list[AsyncConnection[TupleRow]] = []
        self._slots = asyncio.Semaphore(connections)

    async def read(self, resource_type: str, resource_id: str) -> Version | None:
        """The current version, deleted or not; None when the database could not be asked: the ordinary way then tells.

        Raises `NotFound`.
        """
        async with self._slots:
            try:
                row = await self._row(resource_type, resource_id)
            except psycopg.Error:
                return None
        return existing(row, resource_type, resource_id)

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _row(self, resource_type: str, resource_id: str) -> TupleRow | None:
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            cursor = await connection.execute(_STATEMENT, (resource_type, resource_id))
            row = await cursor.fetchone()
        except BaseException:
            # Broken, or in the middle of an answer that nobody awaits any more.
            await connection.close()
            raise
        self._idle.append(connection)
        return row

    async def _connect(self) -> AsyncConnection[TupleRow]:
        return await AsyncConnection.connect(
            self._conninfo, autocommit=True, prepare_threshold=2, connect_timeout=CONNECT_SECONDS
        )
