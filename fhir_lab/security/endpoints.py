"""The HTTP endpoints of authorization: tokens, public keys and SMART discovery.

https://www.rfc-editor.org/rfc/rfc6749#section-3.2 (token endpoint)
https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known (discovery)
"""

from collections.abc import Callable
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute

from fhir_lab.http.trace import trace_of
from fhir_lab.security.oauth import FORM, Form, OAuthError, answer, client_credentials, read_form
from fhir_lab.security.password_grant import password_grant
from fhir_lab.services import Services
from fhir_lab.settings import FHIR_PATH, Settings

TOKEN_PATH = "/oauth2/token"
JWKS_PATH = "/oauth2/jwks"
DISCOVERY_PATH = f"{FHIR_PATH}/.well-known/smart-configuration"
Grant = Callable[[Services, Form, tuple[str, str], str], dict[str, Any]]

_TOKEN_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["password"], "example": "password"},
        "username": {"type": "string"},
        "password": {"type": "string", "format": "password"},
        "scope": {
            "type": "string",
            "description": "SMART scopes, separated by spaces. Absent: everything the user's role covers.",
            "example": "user/Patient.rs user/Observation.rs",
        },
    },
}


def grants(settings: Settings) -> dict[str, Grant]:
    """The grants that this installation offers, by `grant_type`."""
    return {"password": password_grant} if settings.password_grant else {}


def smart_configuration(settings: Settings) -> dict[str, Any]:
    """What an app can find out before it has a token; only what works is in it."""
    return {
        "token_endpoint": settings.public_url + TOKEN_PATH,
        "jwks_uri": settings.public_url + JWKS_PATH,
        "grant_types_supported": list(grants(settings)),
        "scopes_supported": ["patient/*.rs", "user/*.cruds", "system/*.cruds"],
        "capabilities": ["permission-patient", "permission-user", "permission-v1", "permission-v2"],
    }


def routes(services: Services) -> list[BaseRoute]:
    """The routes of authorization."""
    router = APIRouter(tags=["Authorization"])
    # A password costs 19 MiB while it is checked; those who log in at once wait in line.
    limiter = CapacityLimiter(4)

    @router.post(
        TOKEN_PATH,
        summary="Get an access token",
        openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": _TOKEN_FORM}}}},
    )
    async def token(request: Request) -> Response:
        """A bearer token for a name and a password (where `FHIR_LAB_PASSWORD_GRANT` is on)."""
        try:
            return await _token(services, limiter, request)
        except OAuthError as error:
            return error.response()

    @router.get(JWKS_PATH, summary="Public keys that verify access tokens")
    def jwks() -> Response:
        """A JWK set (RFC 7517)."""
        return JSONResponse(services.keys.public_jwks(), headers={"Cache-Control": "public, max-age=300"})

    @router.get(DISCOVERY_PATH, summary="SMART discovery")
    def discovery() -> Response:
        """Where tokens are issued and what this server supports."""
        return JSONResponse(smart_configuration(services.settings))

    return router.routes


async def _token(services: Services, limiter: CapacityLimiter, request: Request) -> Response:
    form = await read_form(request)
    name = form.get("grant_type")
    if name is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    offered = grants(services.settings)
    if name not in offered:
        allowed = ", ".join(offered) or "none"
        raise OAuthError("unsupported_grant_type", f"This grant_type is not offered; offered: {allowed}.")
    client = client_credentials(request, form)
    request_id = trace_of(request.scope).request_id
    return answer(await run_sync(offered[name], services, form, client, request_id, limiter=limiter))
