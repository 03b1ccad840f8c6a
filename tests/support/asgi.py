"""Calls an ASGI app over HTTP without a server."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp

BASE = "http://127.0.0.1:8000"


def call(app: ASGIApp, method: str, url: str, **options: Any) -> httpx.Response:
    """One request to the app; `options` are those of `httpx.Client.request`."""

    async def exchange() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
            return await client.request(method, url, **options)

    return asyncio.run(exchange())
