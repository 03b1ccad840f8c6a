"""The parts that all documents share: how a request proves who asks, and what the answers look like.

https://spec.openapis.org/oas/v3.0.3#components-object
"""

from typing import Any
from urllib.parse import urlsplit

from fhir_lab.openapi.texts import ERRORS, FHIR_JSON
from fhir_lab.security.endpoints import TOKEN_PATH
from fhir_lab.settings import Settings

Json = dict[str, Any]
# A token covers what was asked for and the role allows, so these few reach as far as any role does.
_SCOPES = {
    "user/*.cruds": "everything that your role allows",
    "user/*.rs": "only reading",
    "patient/*.rs": "for a patient: the own data",
}


def security(settings: Settings) -> list[Json]:
    """What a request needs: one of the schemes."""
    return [{name: []} for name in security_schemes(settings)]


def security_schemes(settings: Settings) -> Json:
    """How a page gets a token: pasted, or for name and password where the installation allows that."""
    schemes: Json = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A bearer token, such as `fhir-lab token` prints.",
        }
    }
    if settings.password_grant:
        flow = {"tokenUrl": urlsplit(settings.public_url).path + TOKEN_PATH, "scopes": _SCOPES}
        schemes["login"] = {
            "type": "oauth2",
            "description": "Name and password. Without a choice of scopes the token covers all that your role allows.",
            "flows": {"password": flow},
        }
    return schemes


def responses() -> Json:
    """The answers that operations refer to by name."""
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": "..."}],
        "entry": [{"fullUrl": "...", "resource": {}, "search": {"mode": "match"}}],
    }
    issue = {
        "severity": "error",
        "code": "invalid",
        "details": {"text": "What is wrong."},
        "expression": ["Patient.name"],
    }
    outcome = _content({"resourceType": "OperationOutcome", "issue": [issue]})
    return {
        "Bundle": {"description": "A Bundle; its links lead to further pages.", "content": _content(bundle)},
        "Outcome": {"description": "Done, with an OperationOutcome.", "content": outcome},
        "Empty": {"description": "Done."},
        "NotModified": {"description": "The version is the one named in If-None-Match."},
        **{name: {"description": text, "content": outcome} for name, text in ERRORS.values()},
    }


def _content(example: Json) -> Json:
    return {FHIR_JSON: {"schema": {"type": "object"}, "example": example}}
