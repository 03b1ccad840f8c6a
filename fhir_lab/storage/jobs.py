"""Jobs as a queue of record: who asked for what, who works on it now, how far it is, and when it is forgotten.

States: `accepted` (waits), `running` (was begun), then `done` or `failed`. A worker holds a job by a lease, which each
step renews in the transaction that stores what the step made; so a worker that was killed, or lost its lease, leaves no
half of a step behind, and the next goes on after the last whole one. Deleting a job ends it: its worker's next step
finds nothing to hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, and_, delete, insert, or_, select, update
from uuid_utils import uuid7

from fhir_lab.outcomes import NotFound
from fhir_lab.storage.settled import Snapshot
from fhir_lab.storage.tables import job, job_file, job_part, job_patient, job_reference

OPEN = ("accepted", "running")


class JobLostError(Exception):
    """The job was deleted, or another worker has it; what this one did in its transaction must be undone."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is stored. `position` and `parameters` are JSON values; times are microseconds UTC."""

    id: str
    kind: str
    state: str
    caller: str
    request: str
    parameters: dict[str, Any]
    mark: Snapshot | None
    position: Any
    progress: str
    attempts: int
    created: int
    error: dict[str, Any] | None
    expires: int | None
    worker: str | None


_COLUMNS = (
    job.c.id,
    job.c.kind,
    job.c.state,
    job.c.caller,
    job.c.request,
    job.c.parameters,
    job.c.mark_seq,
    job.c.mark_at,
    job.c.mark_pk,
    job.c.position,
    job.c.progress,
    job.c.attempts,
    job.c.created,
    job.c.error,
    job.c.expires,
    job.c.worker,
)


def new_id() -> str:
    """The id of a job that is about to be added."""
    return str(uuid7())


def add(
    connection: Connection,
    job_id: str,
    *,
    kind: str,
    subject: str,
    client: str,
    caller: str,
    request: str,
    parameters: Mapping[str, Any],
    now: int,
) -> None:
    """Accept a job. It is due at once, so that the sweeper sends it if nobody else could."""
    values = {"kind": kind, "subject": subject, "client": client, "caller": caller, "request": request}
    asked = orjson.dumps(parameters).decode()
    connection.execute(
        insert(job).values(id=job_id, state="accepted", parameters=asked, created=now, due=now, **values)
    )


def unfinished(connection: Connection, client: str) -> int:
    """How many jobs of a client have not ended."""
    rows = connection.execute(select(job.c.id).where(job.c.client == client, job.c.state.in_(OPEN)))
    return len(rows.all())


def owned(connection: Connection, job_id: str, *, subject: str, client: str) -> Job:
    """A job for the one who started it. Raises `NotFound`, also for anybody else: to others it does not exist."""
    mine = and_(job.c.id == job_id, job.c.subject == subject, job.c.client == client)
    row = connection.execute(select(*_COLUMNS).where(mine)).first()
    if row is None:
        raise NotFound.of("There is no such job: it never was, it was deleted, it has expired, or another started it.")
    return _job(row)


def take(connection: Connection, job_id: str, *, now: int, lease: int) -> Job | None:
    """Lease a job for `lease` microseconds; None when it has ended or another worker has it."""
    free = and_(job.c.id == job_id, job.c.state.in_(OPEN), or_(job.c.worker.is_(None), job.c.due <= now))
    values = {"state": "running", "worker": str(uuid7()), "due": now + lease, "attempts": job.c.attempts + 1}
    row = connection.execute(update(job).where(free).values(values).returning(*_COLUMNS)).first()
    return None if row is None else _job(row)


def hold(connection: Connection, held: Job, due: int, **values: Any) -> None:
    """Renew the lease until `due` and store how far the job is; its row stays locked until the transaction ends.

    Raises `JobLostError`. `values` are columns, such as `position` (JSON text) and `progress`.
    """
    kept = {"due": due, "attempts": 0, **values}
    if connection.execute(update(job).where(_mine(held)).values(kept)).rowcount != 1:
        raise JobLostError(held.id)


def set_mark(connection: Connection, held: Job, mark: Snapshot) -> None:
    """Note the snapshot that the job is about. Raises `JobLostError`."""
    values = {"mark_seq": mark.seq, "mark_at": mark.at, "mark_pk": mark.pk}
    if connection.execute(update(job).where(_mine(held)).values(values)).rowcount != 1:
        raise JobLostError(held.id)


def release(connection: Connection, held: Job, due: int) -> None:
    """Give the lease back; the job goes on at `due`. Nothing happens when it was lost."""
    connection.execute(update(job).where(_mine(held)).values(worker=None, due=due))


def end(connection: Connection, held: Job, *, now: int, expires: int, error: Mapping[str, Any] | None = None) -> None:
    """The job is done, or has failed with this OperationOutcome. Raises `JobLostError`."""
    values: dict[str, Any] = {"state": "failed" if error else "done", "ended": now, "expires": expires, "due": None}
    values |= {"worker": None, "progress": "", "error": orjson.dumps(error).decode() if error else None}
    if connection.execute(update(job).where(_mine(held)).values(values)).rowcount != 1:
        raise JobLostError(held.id)


def due(connection: Connection, *, now: int, lease: int, limit: int) -> list[str]:
    """The jobs that no worker was told of or whose worker fell silent; they become due again after `lease`."""
    overdue = (
        select(job.c.id)
        .where(job.c.due <= now, job.c.state.in_(OPEN))
        .order_by(job.c.due, job.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.scalars(overdue))
    if ids:
        connection.execute(update(job).where(job.c.id.in_(ids)).values(worker=None, due=now + lease))
    return ids


def resume(connection: Connection, now: int) -> None:
    """Make every open job due: no other process has workers, so whoever had one is gone."""
    connection.execute(update(job).where(job.c.state.in_(OPEN)).values(worker=None, due=now))


def expired(connection: Connection, now: int, limit: int = 100) -> list[str]:
    """The jobs whose time has come to be forgotten."""
    return list(connection.scalars(select(job.c.id).where(job.c.expires <= now).order_by(job.c.expires).limit(limit)))


def remove(connection: Connection, job_id: str) -> bool:
    """Forget a job and everything it holds, running or not; False when there is none."""
    if connection.execute(select(job.c.id).where(job.c.id == job_id).with_for_update()).first() is None:
        return False
    for table in (job_part, job_file, job_patient, job_reference):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    connection.execute(delete(job).where(job.c.id == job_id))
    return True


def _mine(held: Job) -> Any:
    return and_(job.c.id == held.id, job.c.worker == held.worker, job.c.state == "running")


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=row.state,
        caller=row.caller,
        request=row.request,
        parameters=orjson.loads(row.parameters),
        mark=None if row.mark_seq is None else Snapshot(row.mark_seq, row.mark_at, row.mark_pk),
        position=None if row.position is None else orjson.loads(row.position),
        progress=row.progress,
        attempts=row.attempts,
        created=row.created,
        error=None if row.error is None else orjson.loads(row.error),
        expires=row.expires,
        worker=row.worker,
    )
