"""delete: the resource is gone, its history stays. https://hl7.org/fhir/R4/http.html#delete"""

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.writes import write


def delete(request: Request) -> Response:
    """200 with an OperationOutcome, also when there was nothing to delete; by id or by criteria that match one.

    Raises `BadRequest` (neither id nor criteria), `Forbidden`, `Conflict` (referred to by others) and
    `PreconditionFailed` (If-Match, or several resources match).
    """
    return write(request)
