"""What the OAuth 2.0 endpoints have in common: forms read strictly, answers never cached, standard errors.

https://www.rfc-editor.org/rfc/rfc6749#section-5
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 16 * 1024
NOT_CACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
Form = Mapping[str, str]


@dataclass
class OAuthError(Exception):
    """An error of RFC 6749, section 5.2; `error` is one of its codes."""

    error: str
    description: str
    status: int = 400
    challenge: str | None = None

    def response(self) -> JSONResponse:
        """The error as the client gets it."""
        headers = NOT_CACHED if self.challenge is None else {**NOT_CACHED, "WWW-Authenticate": self.challenge}
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, status_code=self.status, headers=headers)


def answer(body: Mapping[str, Any]) -> JSONResponse:
    """A success that no cache may keep."""
    return JSONResponse(dict(body), headers=NOT_CACHED)


async def read_form(request: Request) -> Form:
    """The parameters of a form body; empty ones count as absent. Raises `OAuthError`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"The body must be {FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise OAuthError("invalid_request", f"The body is larger than {LARGEST_FORM} bytes.")
    pairs = [(name, value) for name, value in parse_qsl(body.decode("utf-8", "replace")) if value]
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter occurs twice.")
    return form


def client_credentials(request: Request, form: Form) -> tuple[str, str]:
    """The client's id and secret, from HTTP Basic or from the form; empty where it sent none. Raises `OAuthError`.

    https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    """
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_client("The Authorization header is not HTTP Basic.") from None
    client = unquote_plus(client)
    if form.get("client_id", client) != client or (secret and "client_secret" in form):
        raise OAuthError("invalid_request", "The client is named twice, in the header and in the body.")
    return client, unquote_plus(secret)


def invalid_client(description: str) -> OAuthError:
    """The client is unknown, or did not prove who it is."""
    return OAuthError("invalid_client", description, 401, 'Basic realm="FHIR Lab"')
