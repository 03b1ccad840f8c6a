"""The journal over HTTP: what came in, what became of it, bringing files in, and having one processed again.

Entries and raw messages hold results of any patient. So they are shown to those who read and enter results of every
patient (technician, pathologist, administrator, system); bringing in and replaying needs the right to create and update
patients, orders, specimens, results and reports (technician, administrator, system).
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.types import Message

from fhir_lab.http.body import read_body
from fhir_lab.ingest.folders import shown
from fhir_lab.ingest.intake import accept, announce
from fhir_lab.outcomes import BadRequest, Forbidden
from fhir_lab.security.access import Caller, Permission
from fhir_lab.security.tokens import authenticate, missing_token
from fhir_lab.services import Services
from fhir_lab.storage import journal

PATH = "/api/v1/messages"
MAX_FILES = 1000
RESULTS = ("Observation", "DiagnosticReport")
WRITTEN = ("Patient", "ServiceRequest", "Specimen", *RESULTS)
State = Literal["received", "processed", "quarantined", "failed", "duplicate"]
router = APIRouter(prefix=PATH, tags=["Messages"])

_REASON = {
    "code": "no-code",
    "segment": "OBX[3]",
    "field": "OBX-3",
    "found": "",
    "allowed": "a code or a name of the test",
    "repair": "Add the code of the test to OBX-3 in a copy of the file and drop the copy into the inbox.",
}
_ENTRY: dict[str, Any] = {
    "id": "0197f3a2-6c1e-7b3a-9a55-0d3c5f2b7e10",
    "file": "haematology.hl7",
    "received": "2026-11-20T08:30:00.123Z",
    "sender": "CORVANE|LINDENHOF",
    "control_id": "LH20261118-0003",
    "message_type": "ORU^R01",
    "state": "processed",
    "reasons": [_REASON],
    "warnings": [],
    "unmapped": ["PV1-44"],
    "obx_in": 5,
    "obx_stored": 4,
    "obx_quarantined": 1,
    "resources": [{"reference": "DiagnosticReport/0197f3a2-6c2b-7c11-8d2e-3f6a1b2c3d4e", "version": 1}],
    "attempts": 1,
    "duplicate_of": None,
}


class Reason(BaseModel):
    """Why something is held back, for the person who repairs it."""

    code: str = Field(description="A stable name for programs.")
    segment: str = Field(description="A segment such as OBX[3], the third OBX; empty for the whole message.")
    field: str = Field(description="A field such as OBX-3; empty where none is meant.")
    found: str = Field(description="What was there.")
    allowed: str = Field(description="What may be there.")
    repair: str = Field(description="What to do.")


class Reference(BaseModel):
    """A resource that the message made, changed, or found as it says."""

    reference: str
    version: int


class Entry(BaseModel):
    """One message of the journal. `obx_in` is always `obx_stored + obx_quarantined` once the message has ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    id: str
    file: str
    received: str = Field(description="FHIR instant.")
    sender: str | None = Field(description="MSH-3|MSH-4.")
    control_id: str | None = Field(description="MSH-10.")
    message_type: str | None = Field(description="MSH-9.")
    state: State
    reasons: list[Reason]
    warnings: list[str]
    unmapped: list[str] = Field(description="Segments and fields that are kept in the journal only.")
    obx_in: int
    obx_stored: int
    obx_quarantined: int
    resources: list[Reference]
    attempts: int
    duplicate_of: str | None = Field(description="The id of the message that this one repeats.")


class Wanted(BaseModel):
    """Which entries to list; every filter that is given must be equal."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    file: str | None = Field(None, description="The name the file arrived under.")
    sender: str | None = Field(None, description="MSH-3|MSH-4.")
    control_id: str | None = Field(None, description="MSH-10.")
    patient: str | None = Field(None, description="The first identifier in PID-3.")
    order: str | None = Field(None, description="The number of the first order: OBR-3, else OBR-2.")
    before: str | None = Field(None, description="The id of the last entry of the page before.")
    limit: int = Field(50, ge=1, le=500)


class Page(BaseModel):
    """Entries, newest first; `next` is the URL of the following page."""

    messages: list[Entry]
    next: str | None = None


def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def _caller(request: Request) -> Caller:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise missing_token()
    return authenticate(_services(request), token.strip(), request.state.request_id)


def _needs(caller: Caller, types: tuple[str, ...], permissions: tuple[Permission, ...], what: str) -> None:
    for resource_type in types:
        if not all(caller.access(resource_type, permission).unrestricted for permission in permissions):
            raise Forbidden.of(
                f"To {what} messages your scopes must grant '{''.join(permissions)}' on every {resource_type}."
            )


def reader(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    """Who may see the journal. Raises `Unauthorized` and `Forbidden`."""
    _needs(caller, RESULTS, ("c", "r"), "see")
    return caller


def writer(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    """Who may bring messages in and replay them. Raises `Unauthorized` and `Forbidden`."""
    _needs(caller, WRITTEN, ("c", "u"), "bring in")
    return caller


Lab = Annotated[Services, Depends(_services)]


@router.get("", summary="List messages", dependencies=[Depends(reader)])
def list_messages(services: Lab, wanted: Annotated[Wanted, Query()]) -> Page:
    """Messages, newest first, a page at a time."""
    named = journal.Filter(wanted.state, wanted.file, wanted.sender, wanted.control_id, wanted.patient, wanted.order)
    with services.database.read() as connection:
        found = journal.entries(connection, named, limit=wanted.limit + 1, before=wanted.before)
    shown_now = found[: wanted.limit]
    following = None
    if len(found) > wanted.limit:
        given = wanted.model_dump(exclude_none=True) | {"before": shown_now[-1]["id"]}
        following = f"{services.settings.public_url}{PATH}?{urlencode(given)}"
    return Page(messages=[Entry(**entry) for entry in shown_now], next=following)


@router.get("/{message_id}", summary="Show a message", dependencies=[Depends(reader)])
def show_message(services: Lab, message_id: str) -> Entry:
    """What became of one message."""
    with services.database.read() as connection:
        return Entry(**journal.entry(connection, message_id))


@router.get(
    "/{message_id}/raw",
    summary="The original bytes",
    dependencies=[Depends(reader)],
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The message as it was received."}},
)
def show_raw(services: Lab, message_id: str) -> Response:
    """The message as it was received, byte by byte."""
    with services.database.read() as connection:
        data = journal.raw(connection, message_id)
    headers = {"Content-Disposition": f'attachment; filename="{message_id[:36]}.hl7"', "Cache-Control": "no-store"}
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.post("/{message_id}/replay", status_code=202, summary="Process a message again", dependencies=[Depends(writer)])
def replay_message(services: Lab, message_id: str) -> Entry:
    """Process the original bytes again, as if they arrived now: after a repair of the mapping or of a record."""
    now = services.clock.now()
    due = now + services.settings.message_lease_seconds * 1_000_000
    services.database.transact(lambda connection: journal.replay(connection, message_id, now=now, due=due))
    announce(services, [message_id])
    return show_message(services, message_id)


@router.post(
    "",
    status_code=202,
    summary="Bring in files",
    dependencies=[Depends(writer)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["files"],
                        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    }
                }
            },
        }
    },
)
async def bring_in(request: Request, services: Lab) -> Page:
    """Journal the messages of one or more files, all or none, and have them processed.

    A file without any message becomes one quarantined entry that says why.
    """
    files = await _files(request, services.settings.max_body_bytes)
    return await run_in_threadpool(_journal, services, files)


def _journal(services: Services, files: list[tuple[str, bytes]]) -> Page:
    accepted = services.database.transact(
        lambda connection: [accept(connection, services, name, data) for name, data in files]
    )
    waiting = [message_id for one in accepted if not one.reasons for message_id in one.ids]
    announce(services, waiting)
    with services.database.read() as connection:
        return Page(messages=[Entry(**journal.entry(connection, found)) for one in accepted for found in one.ids])


async def _files(request: Request, limit: int) -> list[tuple[str, bytes]]:
    """Name and bytes of each file of a multipart body of at most `limit` bytes."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest.of("Send files as multipart/form-data, each in a part named 'files'.", "http.Content-Type")
    body = await read_body(request.receive, limit, request.headers.get("content-length", ""))

    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, again).form(max_files=MAX_FILES) as form:
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        files = [(shown(part.filename or "upload"), await part.read()) for part in parts]
    if not files:
        raise BadRequest.of("There is no file in a part named 'files'.", "http.body")
    return files
