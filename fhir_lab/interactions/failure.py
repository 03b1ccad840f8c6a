"""Turns whatever went wrong into a Response with an OperationOutcome; one place for HTTP and for batch entries.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

import logging
from collections.abc import Sequence

from fhir_lab.documents import dumps
from fhir_lab.interactions.message import Response
from fhir_lab.outcomes import FhirError, Issue, operation_outcome

logger = logging.getLogger(__name__)


def refusal(error: Exception, request_id: str) -> Response:
    """The answer to an error. One that nobody expected is logged under `request_id` and told without its text."""
    if isinstance(error, FhirError):
        return Response(error.status, outcome=dumps(error.outcome()), headers=error.headers)
    logger.error("unexpected error", exc_info=error, extra={"request_id": request_id})
    issue = Issue(
        "exception",
        "The server failed at this request; nothing of it was stored. Its log tells more under the request id.",
        diagnostics=f"request id {request_id}",
    )
    return Response(500, outcome=dumps(operation_outcome([issue])))


def told(issues: Sequence[Issue]) -> bytes:
    """The JSON text of an OperationOutcome."""
    return dumps(operation_outcome(issues))


def informed(text: str) -> bytes:
    """The JSON text of an OperationOutcome that reports success."""
    return told([Issue("informational", text, severity="information")])
