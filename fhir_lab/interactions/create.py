"""create: a new resource under an id that the server gives. https://hl7.org/fhir/R4/http.html#create"""

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.writes import write


def create(request: Request) -> Response:
    """201 with the resource; with If-None-Exist, 200 for the one that matches already.

    https://hl7.org/fhir/R4/http.html#ccreate. Criteria in the URL mean the same: fhirpy sends them there.
    Raises `BadRequest`, `Unprocessable`, `Forbidden`, and `PreconditionFailed` when several match.
    """
    return write(request)
