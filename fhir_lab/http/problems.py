"""Errors of the paths that are not FHIR, as application/problem+json. https://www.rfc-editor.org/rfc/rfc9457"""

import logging
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_lab.http.trace import trace_of
from fhir_lab.outcomes import FhirError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class Guard:
    """Middleware that answers an exception nobody expected with 500, and logs it without what it quotes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection. An answer that has begun cannot be taken back, so its exception goes on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            request_id = trace_of(scope).request_id
            logger.error("unexpected error", exc_info=error, extra={"request_id": request_id})
            await problem(500, "The server failed at this request; its log tells more.", request_id=request_id)(
                scope, receive, send
            )


async def refused(_: Request, error: Exception) -> Response:
    """A typed error of this project, or of the framework, as a problem."""
    if isinstance(error, FhirError):
        issues = [issue.as_fhir() for issue in error.issues]
        return problem(error.status, str(error), dict(error.headers), issues=issues)
    if isinstance(error, RequestValidationError):
        return problem(422, "The request is not valid.", errors=[_shown(found) for found in error.errors()])
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, dict(error.headers or {}))


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem document."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def _shown(error: dict[str, Any]) -> dict[str, Any]:
    return {"where": ".".join(map(str, error["loc"])), "what": error["msg"]}
