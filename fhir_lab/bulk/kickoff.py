"""Accepting a job: stored, told to a worker, and answered with where to ask for it.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---success
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from fhir_lab.interactions.failure import informed
from fhir_lab.interactions.message import Request, Response
from fhir_lab.outcomes import BadRequest, TooManyRequests
from fhir_lab.security import rights
from fhir_lab.services import Services
from fhir_lab.storage import job_files, jobs
from fhir_lab.storage.job_files import File

PATH = "/bulk"
BUSY_SECONDS = 30


def job_url(services: Services, job_id: str) -> str:
    """Where a job is polled and deleted; its files lie below."""
    return f"{services.settings.public_url}{PATH}/{job_id}"


def accept(
    request: Request, kind: str, parameters: Mapping[str, Any], sent: Sequence[Sequence[bytes]] = ()
) -> Response:
    """202 with Content-Location; `sent` are the lines that came with the request, in pieces.

    Raises `TooManyRequests` while the client has too many jobs that have not ended, and `BadRequest` in a transaction.
    """
    if request.unit is not None:
        raise BadRequest.of("A job cannot be started by a transaction; send it on its own.", code="not-supported")
    services, caller, job_id = request.services, request.caller, jobs.new_id()

    def work(connection: Connection) -> None:
        most = services.settings.jobs_per_client
        if jobs.unfinished(connection, caller.client) >= most:
            raise TooManyRequests.of(
                f"{most} jobs of this client have not ended; wait for one, or delete it.",
                headers={"Retry-After": str(BUSY_SECONDS)},
            )
        jobs.add(
            connection,
            job_id,
            kind=kind,
            subject=caller.subject,
            client=caller.client,
            caller=rights.dump(caller),
            request=_url(request),
            parameters=parameters,
            now=services.clock.now(),
        )
        file = File(1, "input", "")
        for lines in sent:
            file = job_files.append(connection, job_id, file, lines)

    services.database.transact(work)
    services.queue.job(job_id)
    url = job_url(services, job_id)
    return Response(
        202, outcome=informed(f"The job is accepted; ask for it at {url}"), headers={"Content-Location": url}
    )


def _url(request: Request) -> str:
    """The whole URL of the kick-off."""
    path = request.interaction.path.replace("{type}", request.type).replace("{id}", request.id)
    query = "&".join(filter(None, (urlencode(request.parameters), request.kept)))
    return f"{request.base}{path}" + (f"?{query}" if query else "")
