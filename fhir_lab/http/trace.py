"""What is known of a request while it is answered: its id, and what logs and metrics may say of it.

https://hl7.org/fhir/R4/http.html#custom (X-Request-Id)
"""

import re
from dataclasses import dataclass
from uuid import uuid4

from starlette.types import Scope

KEY = "fhir_lab.trace"
HEADER = b"x-request-id"
REQUEST_ID = re.compile(rb"[A-Za-z0-9\-._]{1,64}")


@dataclass(slots=True)
class Trace:
    """One request. `route` is a template (`/fhir/R4/{type}/{id}`), `type` a resource type; no ids, no query."""

    request_id: str
    route: str = ""
    interaction: str = ""
    type: str = ""
    subject: str = ""

    def answers(self, interaction: str, resource_type: str, route: str) -> None:
        """Say which interaction answers, on which resource type and by which path template."""
        self.interaction, self.type, self.route = interaction, resource_type, route


def begin(scope: Scope) -> Trace:
    """Start the trace of a request; it carries the client's X-Request-Id when that is well-formed.

    Endpoints of the framework find the id in `request.state.request_id`.
    """
    given = next((value for name, value in scope["headers"] if name == HEADER), b"")
    request_id = given.decode("ascii") if REQUEST_ID.fullmatch(given) else uuid4().hex
    scope.setdefault("state", {})["request_id"] = request_id
    trace = scope[KEY] = Trace(request_id)
    return trace


def trace_of(scope: Scope) -> Trace:
    """The trace of a request that `begin` started."""
    found: Trace = scope[KEY]
    return found
