"""A light HTTP/1.1 client, so that the generator leaves the cores to the server: one kept connection per user."""

import asyncio
import re
from dataclasses import dataclass
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BODYLESS = frozenset((204, 304))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, the head as sent, and the body."""

    status: int
    head: bytes
    body: bytes


class DisconnectedError(ConnectionError):
    """The server closed the connection, or answered what this client does not read."""


class _Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self._head = b""
        self._needed = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(exc or DisconnectedError("The server closed the connection."))

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        if self.transport is None:
            raise DisconnectedError("Not connected.")
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._needed < 0 and not self._read_head():
            return
        if len(self._buffer) >= self._needed:
            body = bytes(self._buffer[: self._needed])
            del self._buffer[: self._needed]
            self._needed = -1
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(Answer(int(self._head[9:12]), self._head, body))

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        length = _LENGTH.search(self._head)
        if length is None and int(self._head[9:12]) not in _BODYLESS:
            self._fail(DisconnectedError("The answer has no Content-Length."))
            return False
        self._needed = int(length[1]) if length else 0
        return True

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class Target:
    """A server on 127.0.0.1, and the bearer token to ask it with."""

    port: int
    token: str = ""


class Client:
    """One user: asks one question after the other on one connection, and reconnects when it is lost."""

    def __init__(self, target: Target) -> None:
        authorization = f"Authorization: Bearer {target.token}\r\n" if target.token else ""
        self._port = target.port
        self._common = f"Host: 127.0.0.1:{target.port}\r\n{authorization}Accept: application/fhir+json\r\n".encode()
        self._wire: _Wire | None = None

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Send one request. Raises `OSError` when the server does not answer."""
        if self._wire is None or self._wire.transport is None:
            loop = asyncio.get_running_loop()
            _, self._wire = await loop.create_connection(_Wire, "127.0.0.1", self._port)
        content = b""
        if body is not None:
            content = b"Content-Type: application/fhir+json\r\nContent-Length: %d\r\n" % len(body)
        head = f"{method} {path} HTTP/1.1\r\n".encode() + self._common + content + b"\r\n"
        return await self._wire.ask(head + (body or b""))

    def close(self) -> None:
        """Hang up."""
        if self._wire is not None and self._wire.transport is not None:
            self._wire.transport.close()
