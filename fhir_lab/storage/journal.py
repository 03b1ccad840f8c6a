"""The message journal: raw bytes before anything else, then who works on them, then what became of them.

States: `received` (waits, or a worker has it), then one of `processed`, `quarantined` (cannot be applied; a person
repairs it and replays it), `duplicate` (came before, changed nothing), `failed` (given up after several attempts).
A worker holds a message by a lease; one that lost its lease cannot finish, so each message is applied once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson
from sqlalchemy import Connection, Row, and_, insert, select, text, update
from uuid_utils import uuid7

from fhir_lab.clock import instant
from fhir_lab.outcomes import Conflict, NotFound
from fhir_lab.storage import locks
from fhir_lab.storage.tables import message

Reason = Mapping[str, Any]  # code, segment, field, found, allowed, repair

STATES = ("received", "processed", "quarantined", "failed", "duplicate")
_JSON = ("reasons", "warnings", "unmapped", "resources")
_ENTRY = (
    "id",
    "file",
    "received",
    "sender",
    "control_id",
    "message_type",
    "state",
    "reasons",
    "warnings",
    "unmapped",
    "obx_in",
    "obx_stored",
    "obx_quarantined",
    "resources",
    "attempts",
    "duplicate_of",
)
_ENTRY_COLUMNS = [message.c[name] for name in _ENTRY]


class LeaseLostError(Exception):
    """Another worker has taken the message meanwhile; what this one did must be undone."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that a worker has: the journaled bytes, and the token it finishes with.

    `attempts` counts this one; `faults` counts the attempts that ended by the message's own doing, this one included.
    """

    id: str
    file: str
    raw: bytes
    received: int
    attempts: int
    faults: int
    worker: str


@dataclass(slots=True)
class Result:
    """What became of a message; the names are those of the journal's columns."""

    state: str
    sender: str | None = None
    control_id: str | None = None
    message_type: str | None = None
    charset: str | None = None
    content_hash: str | None = None
    patient_identifier: str | None = None
    order_number: str | None = None
    duplicate_of: str | None = None
    obx_in: int = 0
    obx_stored: int = 0
    obx_quarantined: int = 0
    reasons: list[Reason] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)


_RESULT = [one.name for one in fields(Result)]
# The statements of every message are written out: building them takes longer than running them.
_TAKE = text(
    "UPDATE message SET attempts = attempts + 1, worker = :worker, due = :due "
    "WHERE id = :id AND state = 'received' AND (worker IS NULL OR due <= :now) "
    "RETURNING file, raw, received, attempts, retries"
).columns(message.c.file, message.c.raw, message.c.received, message.c.attempts, message.c.retries)
_FINISH = text(
    f"UPDATE message SET {', '.join(f'{name} = :{name}' for name in _RESULT)}, due = NULL, ended = :ended, "
    "worker = NULL WHERE id = :id AND state = 'received' AND worker = :worker"
)
_MET = text(
    "SELECT * FROM (SELECT id, control_id, content_hash, ended FROM message WHERE sender = :sender "
    "AND content_hash = :hash AND state = 'processed' AND id <> :id ORDER BY ended DESC LIMIT 100) AS same "
    "UNION ALL SELECT * FROM (SELECT id, control_id, content_hash, ended FROM message WHERE control_id = :control "
    "AND sender = :sender AND content_hash <> :hash AND id <> :id LIMIT 1) AS reused"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to list; every field that is filled must be equal."""

    state: str | None = None
    file: str | None = None
    sender: str | None = None
    control_id: str | None = None
    patient_identifier: str | None = None
    order_number: str | None = None


def add(
    connection: Connection,
    messages: Sequence[bytes],
    *,
    file: str,
    file_hash: str,
    now: int,
    due: int,
    claim: str | None = None,
    reasons: Sequence[Reason] = (),
) -> list[str]:
    """Journal the messages of one file and return their ids, in order.

    With `reasons` they are quarantined at once. A `claim` that was journaled before adds nothing: the ids of then.
    """
    if claim is not None and (known := claimed_ids(connection, claim)):
        return known
    rows: list[dict[str, Any]] = [
        {
            "id": str(uuid7()),
            "file": _text(file),
            "file_hash": file_hash,
            "ordinal": ordinal,
            "claim": claim,
            "received": now,
            "raw": raw,
            "state": "quarantined" if reasons else "received",
            "due": None if reasons else due,
            "ended": now if reasons else None,
            "reasons": _json(list(reasons)),
        }
        for ordinal, raw in enumerate(messages)
    ]
    connection.execute(insert(message), rows)
    return [row["id"] for row in rows]


def claimed_ids(connection: Connection, claim: str) -> list[str]:
    """The ids of the messages journaled under a watcher's claim, in their order; none if it never got that far."""
    return list(connection.scalars(select(message.c.id).where(message.c.claim == claim).order_by(message.c.ordinal)))


def take(connection: Connection, message_id: str, *, now: int, lease: int) -> Claimed | None:
    """Lease a waiting message for `lease` microseconds; None when it has ended or another worker has it."""
    worker = str(uuid7())
    given = {"id": message_id, "now": now, "due": now + lease, "worker": worker}
    row = connection.execute(_TAKE, given).first()
    if row is None:
        return None
    return Claimed(message_id, row.file, row.raw, row.received, row.attempts, row.attempts - row.retries, worker)


def finish(connection: Connection, claimed: Claimed, result: Result, now: int) -> None:
    """End a message with this result. Raises `LeaseLostError` when the caller no longer has it."""
    values = {column: getattr(result, column) for column in _RESULT}
    values.update({name: _json(values[name]) for name in _JSON})
    values.update({name: _text(value) for name, value in values.items() if isinstance(value, str)})
    if connection.execute(_FINISH, values | {"id": claimed.id, "worker": claimed.worker, "ended": now}).rowcount != 1:
        raise LeaseLostError(claimed.id)


def put_back(connection: Connection, claimed: Claimed, due: int, *, fault: bool) -> None:
    """Let a message wait until `due` for another attempt; with `fault` this one counts towards giving up.

    Raises `LeaseLostError` when the caller no longer has it.
    """
    values: dict[str, Any] = {"worker": None, "due": due}
    if not fault:
        values["retries"] = message.c.retries + 1
    mine = and_(message.c.id == claimed.id, message.c.state == "received", message.c.worker == claimed.worker)
    if connection.execute(update(message).where(mine).values(values)).rowcount != 1:
        raise LeaseLostError(claimed.id)


def due(connection: Connection, *, now: int, lease: int, limit: int) -> list[str]:
    """The waiting messages that no worker was told of or whose worker fell silent, oldest first.

    They are taken from whoever had them and become due again after `lease` microseconds.
    """
    overdue = (
        select(message.c.id)
        .where(message.c.due <= now, message.c.state == "received")
        .order_by(message.c.due, message.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.scalars(overdue))
    if ids:
        connection.execute(update(message).where(message.c.id.in_(ids)).values(worker=None, due=now + lease))
    return ids


def set_due(connection: Connection, ids: Sequence[str], now: int) -> None:
    """Make the sweeper send these messages, because nobody could be told of them."""
    waits = and_(message.c.id.in_(ids), message.c.state == "received", message.c.worker.is_(None))
    connection.execute(update(message).where(waits).values(due=now))


def resume(connection: Connection, now: int) -> None:
    """Make every waiting message due: no other process has workers, so whoever had one is gone."""
    connection.execute(update(message).where(message.c.state == "received").values(worker=None, due=now))


def replay(connection: Connection, message_id: str, *, now: int, due: int) -> None:
    """Let an ended message be processed again from its original bytes, as if it arrived now.

    Raises `NotFound`, and `Conflict` while a worker has it.
    """
    row = connection.execute(
        select(message.c.state, message.c.worker).where(message.c.id == message_id).with_for_update()
    ).first()
    if row is None:
        raise _missing(message_id)
    if row.state == "received" and row.worker is not None:
        raise Conflict.of(f"The message {message_id} is being processed now; wait until that has ended.")
    cleared: dict[str, Any] = dict.fromkeys(_JSON, "[]") | dict.fromkeys(("obx_in", "obx_stored", "obx_quarantined"), 0)
    connection.execute(
        update(message)
        .where(message.c.id == message_id)
        .values(
            state="received", worker=None, due=due, ended=None, duplicate_of=None, retries=message.c.attempts, **cleared
        )
    )


def hold(connection: Connection, names: Sequence[str]) -> None:
    """Take turns with other messages about the same things until the transaction ends."""
    locks.hold(connection, locks.INGEST, names)


@dataclass(frozen=True, slots=True)
class Met:
    """What the journal knows of a message's like: the one it repeats, and whether its control id was used before."""

    original: str | None
    reused: bool


def met(connection: Connection, claimed: Claimed, result: Result) -> Met:
    """Whether this message came before, and whether the sender gave its MSH-10 to other content.

    The same content from the same sender is a repetition when it has the same control id, or when nothing else was
    processed for the order since: otherwise it may put back a value that was changed in between.
    """
    given = {"id": claimed.id, "sender": result.sender, "hash": result.content_hash, "control": result.control_id}
    found = connection.execute(_MET, given).all()
    same = sorted((row for row in found if row.content_hash == result.content_hash), key=lambda row: -row.ended)
    original = next((row.id for row in same if row.control_id == result.control_id), None)
    if original is None and same and not _changed_since(connection, claimed, result, same[0].ended):
        original = same[0].id
    return Met(original, len(found) > len(same))


def _changed_since(connection: Connection, claimed: Claimed, result: Result, moment: int) -> bool:
    later = select(message.c.id).where(
        message.c.order_number == result.order_number,
        message.c.sender == result.sender,
        message.c.state == "processed",
        message.c.ended >= moment,
        message.c.content_hash != result.content_hash,
        message.c.id != claimed.id,
    )
    return connection.execute(later.limit(1)).first() is not None


def entry(connection: Connection, message_id: str) -> dict[str, Any]:
    """One journal entry as the API and the command line show it. Raises `NotFound`."""
    row = connection.execute(select(*_ENTRY_COLUMNS).where(message.c.id == message_id)).first()
    if row is None:
        raise _missing(message_id)
    return _entry(row)


def raw(connection: Connection, message_id: str) -> bytes:
    """The original bytes of a message. Raises `NotFound`."""
    found: bytes | None = connection.scalar(select(message.c.raw).where(message.c.id == message_id))
    if found is None:
        raise _missing(message_id)
    return found


def entries(
    connection: Connection, wanted: Filter | None = None, *, limit: int = 50, before: str | None = None
) -> list[dict[str, Any]]:
    """Entries, newest first; `before` is the id of the last one of the page before."""
    query = select(*_ENTRY_COLUMNS).order_by(message.c.id.desc()).limit(limit)
    for name, value in asdict(wanted or Filter()).items():
        if value is not None:
            query = query.where(message.c[name] == value)
    if before is not None:
        query = query.where(message.c.id < before)
    return [_entry(row) for row in connection.execute(query)]


def _entry(row: Row[Any]) -> dict[str, Any]:
    found = dict(row._mapping)
    found["received"] = instant(found["received"])
    found.update({name: orjson.loads(found[name]) for name in _JSON})
    return found


def _missing(message_id: str) -> NotFound:
    return NotFound.of(f"There is no message with the id '{message_id}' in the journal.")


def _json(value: Any) -> str:
    return _text(orjson.dumps(value, default=str).decode())


def _text(value: str) -> str:
    """Text that PostgreSQL takes: it refuses NUL and lone surrogates."""
    return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
