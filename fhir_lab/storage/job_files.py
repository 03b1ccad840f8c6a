"""The NDJSON files of jobs, kept in the database: lines are stored in the transaction that notes how far the job is.

So a killed worker neither repeats nor loses a line, deleting a job deletes its files, and machines need no shared
folder. The text is stored as deflate blocks that end on a byte (NDJSON shrinks to a tenth); the blocks of a file are
one stream, so a download as gzip is a copy: header, blocks, end block, checksum. https://www.rfc-editor.org/rfc/rfc1952
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from fhir_lab.storage.tables import job_file, job_part

LEVEL = 5
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END = b"\x03\x00"  # an empty last block


@dataclass(frozen=True, slots=True)
class File:
    """One file so far: what it holds, its lines, the size and checksum of its text, and its parts."""

    number: int
    kind: str
    type: str
    url: str | None = None
    lines: int = 0
    size: int = 0
    crc: int = 0
    parts: int = 0


_COLUMNS = tuple(job_file.c[name] for name in ("number", "kind", "type", "url", "lines", "size", "crc", "parts"))


def files(connection: Connection, job_id: str) -> list[File]:
    """The files of a job, in the order in which they were begun."""
    rows = connection.execute(select(*_COLUMNS).where(job_file.c.job_id == job_id).order_by(job_file.c.number))
    return [File(*row) for row in rows]


def append(connection: Connection, job_id: str, file: File, lines: Sequence[bytes]) -> File:
    """Add lines to a file, which begins with its first part; the file as it is then."""
    text = b"".join(line + b"\n" for line in lines)
    squeezed = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = squeezed.compress(text) + squeezed.flush(zlib.Z_FULL_FLUSH)
    grown = replace(
        file,
        lines=file.lines + len(lines),
        size=file.size + len(text),
        crc=zlib.crc32(text, file.crc),
        parts=file.parts + 1,
    )
    counts = {"lines": grown.lines, "size": grown.size, "crc": grown.crc, "parts": grown.parts}
    if file.parts == 0:
        names = {"number": file.number, "kind": file.kind, "type": file.type, "url": file.url}
        connection.execute(insert(job_file).values(job_id=job_id, **names, **counts))
    else:
        this = (job_file.c.job_id == job_id, job_file.c.number == file.number)
        connection.execute(update(job_file).where(*this).values(counts))
    key = {"job_id": job_id, "number": file.number, "part": file.parts}
    connection.execute(insert(job_part).values(**key, data=data))
    return grown


def drop(connection: Connection, job_id: str, number: int) -> None:
    """Forget a file that was written in part."""
    for table in (job_part, job_file):
        connection.execute(delete(table).where(table.c.job_id == job_id, table.c.number == number))


def part(connection: Connection, job_id: str, file: File, number: int) -> bytes:
    """The text of one part: whole lines, each with its line end; empty when the job was deleted meanwhile."""
    found = _stored(connection, job_id, file, number)
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(found) if found else b""


def gzip_part(connection: Connection, job_id: str, file: File, number: int) -> bytes:
    """A stretch of the file as gzip; `number` from 0 to `file.parts`, the last of which is the end of the stream."""
    before = _HEADER if number == 0 else b""
    if number == file.parts:
        return before + _END + struct.pack("<II", file.crc, file.size & 0xFFFFFFFF)
    return before + (_stored(connection, job_id, file, number) or b"")


def gzip_size(connection: Connection, job_id: str, file: File) -> int:
    """How many bytes the file has as gzip."""
    these = (job_part.c.job_id == job_id, job_part.c.number == file.number)
    stored = connection.scalar(select(func.sum(func.length(job_part.c.data))).where(*these)) or 0
    return len(_HEADER) + int(stored) + len(_END) + 8


def _stored(connection: Connection, job_id: str, file: File, number: int) -> bytes | None:
    where: tuple[Any, ...] = (
        job_part.c.job_id == job_id,
        job_part.c.number == file.number,
        job_part.c.part == number,
    )
    found: bytes | None = connection.scalar(select(job_part.c.data).where(*where))
    return found
