"""Jobs over HTTP: how far one is, its files, and its end. Only the client that started a job sees it.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request

They lie beside the FHIR base: what they answer is no resource, and a file is streamed, part by part.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial

from anyio.to_thread import run_sync
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fhir_lab.bulk.kickoff import PATH
from fhir_lab.bulk.manifest import manifest
from fhir_lab.bulk.selections import readable
from fhir_lab.documents import dumps
from fhir_lab.http.compress import accepts_gzip
from fhir_lab.http.polls import Polls
from fhir_lab.http.preconditions import http_date
from fhir_lab.http.render import rendered
from fhir_lab.http.trace import trace_of
from fhir_lab.interactions.failure import informed, refusal
from fhir_lab.interactions.message import Response as Answer
from fhir_lab.outcomes import Forbidden, NotFound, TooManyRequests
from fhir_lab.security.access import Caller
from fhir_lab.security.tokens import authenticate, missing_token
from fhir_lab.services import Services
from fhir_lab.storage import job_files, jobs
from fhir_lab.storage.job_files import File
from fhir_lab.storage.jobs import Job

NDJSON = "application/fhir+ndjson"
PRIVATE = {"Cache-Control": "private, no-store"}
RETRY_SECONDS = 1
Handler = Callable[[Request, Caller], Response]


def routes(services: Services) -> list[BaseRoute]:
    """Status and end of a job, and its files."""
    found = _Jobs(services)
    return [
        Route(f"{PATH}/{{job}}", found.serve(found.status), methods=["GET", "HEAD"]),
        Route(f"{PATH}/{{job}}", found.serve(found.end), methods=["DELETE"]),
        Route(f"{PATH}/{{job}}/{{number:int}}.ndjson", found.serve(found.file), methods=["GET", "HEAD"]),
    ]


class _Jobs:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._polls = Polls()

    def serve(self, handler: Handler) -> Callable[[Request], object]:
        """An endpoint that finds out who asks, works in a thread, and tells errors as OperationOutcomes."""

        async def endpoint(request: Request) -> Response:
            trace = trace_of(request.scope)
            try:
                caller = _caller(self._services, request, trace.request_id)
                trace.subject = caller.subject
                return await run_sync(handler, request, caller)
            except Exception as error:
                return _answered(refusal(error, trace.request_id))

        return endpoint

    def status(self, request: Request, caller: Caller) -> Response:
        """202 while it goes on, 200 with the manifest, or the error of one that failed.

        Raises `NotFound`, and `TooManyRequests` for a client that asks without pause.
        """
        with self._services.database.read() as connection:
            job = _owned(connection, request, caller)
            files = job_files.files(connection, job.id) if job.state == "done" else []
        if job.state == "failed":
            return _answered(Answer(500, outcome=dumps(job.error)))
        if job.state == "done":
            headers = PRIVATE | {"Expires": http_date(job.expires or job.created)}
            return JSONResponse(manifest(self._services, job, files), headers=headers)
        pause = self._polls.pause(job.id)
        if pause:
            raise TooManyRequests.of(
                f"The job was asked for too often; ask again in {pause} s.", headers={"Retry-After": str(pause)}
            )
        progress = {"X-Progress": job.progress or job.state, "Retry-After": str(RETRY_SECONDS)}
        return Response(status_code=202, headers=PRIVATE | progress)

    def end(self, request: Request, caller: Caller) -> Response:
        """202: the job and its files are no more; a worker stops at its next step. Raises `NotFound`."""
        with self._services.database.read() as connection:
            job = _owned(connection, request, caller)
        self._services.database.transact(partial(jobs.remove, job_id=job.id))
        return _answered(Answer(202, outcome=informed("The job and its files are deleted.")))

    def file(self, request: Request, caller: Caller) -> Response:
        """200 with the lines of one file. Raises `NotFound`, and `Forbidden` for a token that may not read the type."""
        with self._services.database.read() as connection:
            job = _owned(connection, request, caller)
            number = request.path_params["number"]
            found = [file for file in job_files.files(connection, job.id) if file.number == number]
            if job.state != "done" or not found or found[0].kind == "input":
                raise NotFound.of("The job has no such file.")
            [file] = found
            if file.kind == "output" and not readable(caller, file.type):
                raise Forbidden.of(f"The scopes of this token do not grant to read {file.type}.")
            zipped = accepts_gzip(request.headers.get("accept-encoding", ""))
            size = job_files.gzip_size(connection, job.id, file) if zipped else file.size
        headers = PRIVATE | {"Content-Length": str(size), "Vary": "Accept-Encoding"}
        headers |= {"Content-Encoding": "gzip"} if zipped else {}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=NDJSON)
        return StreamingResponse(self._parts(job, file, zipped), headers=headers, media_type=NDJSON)

    async def _parts(self, job: Job, file: File, zipped: bool) -> AsyncIterator[bytes]:
        for number in range(file.parts + zipped):
            yield await run_sync(self._part, job, file, zipped, number)

    def _part(self, job: Job, file: File, zipped: bool, number: int) -> bytes:
        read = job_files.gzip_part if zipped else job_files.part
        with self._services.database.read() as connection:
            return read(connection, job.id, file, number)


def _owned(connection: Connection, request: Request, caller: Caller) -> Job:
    return jobs.owned(connection, request.path_params["job"], subject=caller.subject, client=caller.client)


def _caller(services: Services, request: Request, request_id: str) -> Caller:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise missing_token()
    return authenticate(services, token.strip(), request_id)


def _answered(answer: Answer) -> Response:
    status, headers, body = rendered(answer)
    response = Response(body, status)
    response.raw_headers = headers
    return response
