"""One turn of a worker at a job: step after step until it has ended, is lost, or others are to have a turn.

Each step stores what it made together with how far the job is, so the turn may end anywhere, also by SIGKILL.
"""

import logging
import time
from typing import Any, Protocol

from fhir_lab.bulk.export import Export
from fhir_lab.bulk.load import Import
from fhir_lab.outcomes import FhirError, Issue, Unavailable, operation_outcome
from fhir_lab.services import Services
from fhir_lab.storage import jobs
from fhir_lab.storage.jobs import Job, JobLostError

log = logging.getLogger(__name__)
SECOND = 1_000_000
TURN_SECONDS = 5.0
PAUSE_SECONDS = 5
ATTEMPTS = 5


class Work(Protocol):
    """What a job does."""

    def step(self) -> bool:
        """Do the next piece and store it; False once nothing is left. Raises `JobLostError` and `FhirError`."""


def run(services: Services, job_id: str) -> bool:
    """Have a turn at a job; True when it is to go on at once. Raises `Unavailable` when the database is away."""
    now, lease = services.clock.now(), services.settings.job_lease_seconds * SECOND
    held = services.database.transact(lambda connection: jobs.take(connection, job_id, now=now, lease=lease))
    if held is None:
        return False
    try:
        return _turn(services, held)
    except JobLostError:
        log.info("job ended or taken by another", extra={"job": job_id})
    except Unavailable:
        _release(services, held, PAUSE_SECONDS)
    except FhirError as refused:
        _fail(services, held, refused)
    except Exception as problem:
        log.exception("job broke off", extra={"job": job_id, "attempt": held.attempts})
        if held.attempts >= ATTEMPTS:
            _fail(services, held, problem)
        else:
            _release(services, held, PAUSE_SECONDS)
    return False


def _turn(services: Services, held: Job) -> bool:
    work: Work = Export(services, held) if held.kind == "export" else Import(services, held)
    until = time.monotonic() + TURN_SECONDS
    while work.step():
        if time.monotonic() > until:
            _release(services, held, 0)
            return True
    _end(services, held)
    log.info("job done", extra={"job": held.id, "kind": held.kind})
    return False


def _release(services: Services, held: Job, pause: int) -> None:
    due = services.clock.now() + pause * SECOND
    services.database.transact(lambda connection: jobs.release(connection, held, due))


def _end(services: Services, held: Job, error: dict[str, Any] | None = None) -> None:
    now = services.clock.now()
    expires = now + services.settings.job_retention_hours * 3600 * SECOND
    services.database.transact(lambda connection: jobs.end(connection, held, now=now, expires=expires, error=error))


def _fail(services: Services, held: Job, problem: Exception) -> None:
    if isinstance(problem, FhirError):
        outcome = problem.outcome()
    else:
        text = "The server failed at this job. Its log tells more under the id of the job."
        outcome = operation_outcome([Issue("exception", text, diagnostics=f"job {held.id}")])
    try:
        _end(services, held, outcome)
    except JobLostError:
        return
    log.warning("job failed", extra={"job": held.id, "kind": held.kind})
