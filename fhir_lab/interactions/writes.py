"""What writing interactions and transactions share: a request as a storage entry, and the answer the client prefers.

https://hl7.org/fhir/R4/http.html#ops
"""

from fhir_lab.documents import Resource
from fhir_lab.http.links import version_url
from fhir_lab.interactions.changes import change_of
from fhir_lab.interactions.failure import informed
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.subset import is_subset
from fhir_lab.outcomes import BadRequest
from fhir_lab.storage.transaction import Entry, Written, apply


def write(request: Request) -> Response:
    """Perform a request that is one write, and answer it. Raises what `storage.transaction.apply` raises."""
    entry = entry_of(request)
    return answer(request, request.writing(lambda unit: apply(unit, [entry]))[0])


def entry_of(request: Request, full_url: str | None = None, label: str = "") -> Entry:
    """A create, update, patch or delete as a storage entry.

    Raises `BadRequest` when the body is no resource of the type, or no patch.
    """
    content = request.interaction.content
    return Entry(
        request.interaction.method,
        request.type,
        id=request.id or None,
        resource=_whole(request.resource()) if content == "resource" else None,
        change=change_of(request) if content == "patch" else None,
        full_url=full_url,
        if_match=request.headers.get("if-match"),
        if_none_match=request.headers.get("if-none-match"),
        if_none_exist=request.headers.get("if-none-exist", request.criteria or None),
        query=request.criteria or None,
        label=label,
    )


def _whole(resource: Resource) -> Resource:
    if is_subset(resource):
        raise BadRequest.of(
            "The resource is tagged SUBSETTED; storing a part would lose the rest.",
            f"{resource['resourceType']}.meta.tag",
        )
    return resource


def answer(request: Request, written: Written) -> Response:
    """201 or 200 with ETag, Last-Modified and Location; the body is the resource, an OperationOutcome or nothing.

    Storage leaves out a resource that the caller may not read.
    """
    if written.status == 204:
        return _deleted(request, written)
    response = Response(
        written.status,
        version=written.version,
        last_updated=written.last_updated,
        location=version_url(request.base, written.type, written.id, written.version),
    )
    if request.returns == "OperationOutcome":
        response.outcome = informed(f"{written.type}/{written.id} is stored, at version {written.version}.")
    elif request.returns == "representation" and written.content is not None:
        response.resource = written.content.encode()
    return response


def _deleted(request: Request, written: Written) -> Response:
    version = written.version or None
    if request.returns == "minimal":
        return Response(204, version=version)
    text = (
        f"{written.type}/{written.id} is deleted." if written.id else f"No {written.type} matches; nothing was deleted."
    )
    return Response(200, outcome=informed(text), version=version)
