"""The rights of a caller, kept for what acts in their name later: subscriptions and jobs.

https://hl7.org/fhir/R4/subscription.html#safety
"""

from typing import Any

import orjson

from fhir_lab.security.access import Caller
from fhir_lab.security.scopes import Scope


def dump(caller: Caller) -> str:
    """The rights of a caller as JSON text."""
    scopes = [
        [scope.context, scope.resource_type, "".join(sorted(scope.permissions)), scope.query] for scope in caller.scopes
    ]
    return orjson.dumps(
        {
            "subject": caller.subject,
            "client": caller.client,
            "patient": caller.patient,
            "fhir_user": caller.fhir_user,
            "scopes": scopes,
        }
    ).decode()


def load(text: str, request_id: str) -> Caller:
    """The caller that `dump` wrote down, acting in the name of `request_id`."""
    kept: dict[str, Any] = orjson.loads(text)
    scopes = tuple(
        Scope(context, resource_type, frozenset(permissions), query)
        for context, resource_type, permissions, query in kept["scopes"]
    )
    return Caller(kept["subject"], kept["client"], scopes, request_id, kept["patient"], kept["fhir_user"])
