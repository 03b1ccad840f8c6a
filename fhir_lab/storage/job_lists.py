"""What a job keeps besides its files: the patients that an export is limited to, and what was referred to."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, and_, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from fhir_lab.storage.tables import job_patient, job_reference, resource

Key = tuple[str, str]  # type, id
CHUNK = 400


def add_patients(connection: Connection, job_id: str, patients: Mapping[int, str]) -> None:
    """Limit a job to these patients: pk -> id."""
    rows = [{"job_id": job_id, "pk": pk, "id": patient} for pk, patient in patients.items()]
    for start in range(0, len(rows), CHUNK):
        connection.execute(_insert(connection)(job_patient).on_conflict_do_nothing(), rows[start : start + CHUNK])


def patients(connection: Connection, job_id: str) -> frozenset[str]:
    """The ids of the patients that a job is limited to."""
    return frozenset(connection.scalars(select(job_patient.c.id).where(job_patient.c.job_id == job_id)))


def add_references(connection: Connection, job_id: str, keys: Iterable[Key]) -> None:
    """Have these resources added to the export, unless they were already."""
    rows = [{"job_id": job_id, "type": kind, "id": found, "written": False} for kind, found in sorted(set(keys))]
    for start in range(0, len(rows), CHUNK):
        connection.execute(_insert(connection)(job_reference).on_conflict_do_nothing(), rows[start : start + CHUNK])


def references(connection: Connection, job_id: str, limit: int) -> list[Key]:
    """The resources that are still to be added, at most `limit`."""
    waiting = (job_reference.c.job_id == job_id, job_reference.c.written.is_(False))
    query = select(job_reference.c.type, job_reference.c.id).where(*waiting)
    rows = connection.execute(query.order_by(job_reference.c.type, job_reference.c.id).limit(limit))
    return [(kind, found) for kind, found in rows]


def added(connection: Connection, job_id: str, keys: Sequence[Key]) -> None:
    """These resources were added, or cannot be."""
    for start in range(0, len(keys), CHUNK):
        these = tuple_(job_reference.c.type, job_reference.c.id).in_(keys[start : start + CHUNK])
        connection.execute(update(job_reference).where(job_reference.c.job_id == job_id, these).values(written=True))


def missing(connection: Connection, job_id: str, limit: int) -> list[Key]:
    """The resources noted for a job that do not exist and never did, at most `limit`."""
    stored = (resource.c.type == job_reference.c.type, resource.c.id == job_reference.c.id)
    query = (
        select(job_reference.c.type, job_reference.c.id)
        .outerjoin(resource, and_(*stored))
        .where(job_reference.c.job_id == job_id, func.coalesce(resource.c.version, 0) == 0)
        .order_by(job_reference.c.type, job_reference.c.id)
    )
    return [(kind, found) for kind, found in connection.execute(query.limit(limit))]


def _insert(connection: Connection) -> "type[postgresql.Insert] | type[sqlite.Insert]":
    return postgresql.Insert if connection.dialect.name == "postgresql" else sqlite.Insert
