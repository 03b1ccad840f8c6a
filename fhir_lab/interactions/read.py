"""read: the current version of a resource. https://hl7.org/fhir/R4/http.html#read"""

from fhir_lab.http.preconditions import unchanged
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.subset import cut_of, reduced
from fhir_lab.outcomes import BadRequest
from fhir_lab.storage import repository
from fhir_lab.storage.repository import Version


def read(request: Request) -> Response:
    """200 with the resource, or 304 when If-None-Match or If-Modified-Since say that the client has it.

    Raises `NotFound`, `Gone` and `Forbidden`.
    """
    with request.reading() as unit:
        found = repository.read(unit, request.type, request.id)
    return shown(request, found)


def shown(request: Request, found: Version) -> Response:
    """A version, or what the request wants of it, as the answer to a conditional read."""
    if unchanged(request.headers, found.version, found.last_updated):
        return Response(304, version=found.version, last_updated=found.last_updated)
    assert found.content is not None
    if ("_summary", "count") in request.parameters:
        raise BadRequest.of("_summary=count is for searches; one resource has nothing to count.", "http._summary")
    cut = cut_of(request.parameters, found.type) if request.parameters else None
    content = reduced(found.content, cut) if cut else found.content.encode()
    return Response(200, content, version=found.version, last_updated=found.last_updated)
