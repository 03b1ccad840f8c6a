"""update: a new version under the id or the criteria in the URL. https://hl7.org/fhir/R4/http.html#update"""

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.writes import write


def update(request: Request) -> Response:
    """200 with the new version, 201 when the id, or the criteria, named nothing yet.

    By criteria: https://hl7.org/fhir/R4/http.html#cond-update. Raises `BadRequest`, `Unprocessable`, `Forbidden`, and
    `PreconditionFailed` when If-Match names another version or several resources match.
    """
    return write(request)
