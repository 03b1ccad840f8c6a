"""The parts that all documents share: how a request proves who asks, and what the answers look like.

https://spec.openapis.org/oas/v3.0.3#components-object
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from fhir_lab.clock import to_micros
from fhir_lab.documents import stamped
from fhir_lab.openapi.examples import example, in_both_formats
from fhir_lab.openapi.texts import ERRORS, REFUSED
from fhir_lab.security.endpoints import TOKEN_PATH
from fhir_lab.settings import Settings

Json = dict[str, Any]
_STORED = to_micros(datetime(2026, 4, 15, 10, 6, tzinfo=UTC))
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


def outcome_schema() -> Json:
    """The schema `Outcome`: an OperationOutcome, by the example of an error."""
    issue = {
        "severity": "error",
        "code": "invalid",
        "details": {"text": "What is wrong."},
        "expression": ["Patient.name"],
    }
    return {"type": "object", "example": {"resourceType": "OperationOutcome", "issue": [issue]}}


def responses(resource_types: Sequence[str]) -> Json:
    """The answers that operations refer to by name; a resource by the name of its type."""
    outcome = in_both_formats({"$ref": "#/components/schemas/Outcome"})
    return {
        **{name: _resource(name) for name in resource_types},
        "Page": {
            "description": "A Bundle; its links lead to further pages.",
            "content": in_both_formats({"type": "object"}, _page(resource_types[0])),
        },
        "Resource": {"description": "The resource.", "content": in_both_formats({"type": "object"})},
        "Outcome": {"description": "Done, with an OperationOutcome.", "content": outcome},
        "Empty": {"description": "Done."},
        "NotModified": {"description": "The version is the one named in If-None-Match."},
        **{name: {"description": text, "content": outcome} for name, text in (*ERRORS.values(), ("Refused", REFUSED))},
    }


def _resource(resource_type: str) -> Json:
    sent = example(resource_type)
    content = in_both_formats({"$ref": f"#/components/schemas/{resource_type}"}, stamped(sent, sent["id"], 1, _STORED))
    if resource_type == "Binary":  # what it holds, as it is
        content["*/*"] = {"schema": {"type": "string", "format": "binary"}}
    return {"description": "The resource as it is stored.", "content": content}


def _page(resource_type: str) -> Json:
    found = {"resourceType": resource_type, "id": example(resource_type)["id"]}
    entry = {"fullUrl": f".../{resource_type}/{found['id']}", "resource": found, "search": {"mode": "match"}}
    link = {"relation": "self", "url": f".../{resource_type}?_count=20"}
    return {"resourceType": "Bundle", "type": "searchset", "total": 1, "link": [link], "entry": [entry]}
