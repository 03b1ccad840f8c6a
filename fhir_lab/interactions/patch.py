"""patch: a change to the resource under the id or the criteria in the URL. https://hl7.org/fhir/R4/http.html#patch"""

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.writes import write


def patch(request: Request) -> Response:
    """200 with the new version, or with the current one when the patch changes nothing.

    The change is made on the version that is current and locked inside the write transaction, so that of many patches
    at once none is lost. Raises `BadRequest` (no patch), `NotFound` (also when the criteria match nothing), `Gone`,
    `PreconditionFailed` (If-Match, or several resources match), `Unprocessable` (it does not fit, or the result is not
    valid), `UnsupportedMediaType` and `Forbidden`.
    """
    return write(request)
