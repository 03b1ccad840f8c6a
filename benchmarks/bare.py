"""The limit: FastAPI and psycopg with nothing between them, reading one stored document by its key.

No authorization, no validation, no headers. Run by uvicorn as the API is, with as many processes.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI
from fastapi.responses import Response

QUERY = "SELECT content FROM resource WHERE type = %s AND id = %s"
CONNECTIONS = 10

connections: "asyncio.Queue[psycopg.AsyncConnection[tuple[str]]]" = asyncio.Queue()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Open the connections for the life of the process."""
    opened = []
    for _number in range(CONNECTIONS):
        connection = await psycopg.AsyncConnection.connect(
            os.environ["BENCH_DATABASE"], autocommit=True, prepare_threshold=2
        )
        opened.append(connection)
        connections.put_nowait(connection)
    yield
    for connection in opened:
        await connection.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/ready")
async def ready() -> Response:
    """200 once it serves."""
    return Response("ok")


@app.get("/{resource_type}/{resource_id}")
async def read(resource_type: str, resource_id: str) -> Response:
    """The stored text."""
    connection = await connections.get()
    try:
        cursor = await connection.execute(QUERY, (resource_type, resource_id))
        row = await cursor.fetchone()
    finally:
        connections.put_nowait(connection)
    return Response(row[0] if row else None, 200 if row else 404, media_type="application/fhir+json")
