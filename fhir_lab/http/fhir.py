"""The HTTP edge of the FHIR API: one ASGI route for everything at and below the base.

It reads the body, does the work in a thread (the core is synchronous) and sends the answer. What goes wrong becomes an
OperationOutcome. https://hl7.org/fhir/R4/http.html
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from fhir_lab.http import prefer
from fhir_lab.http.body import read_body
from fhir_lab.http.incoming import Incoming, incoming_of, request_of
from fhir_lab.http.render import Headers, rendered
from fhir_lab.interactions.failure import refusal
from fhir_lab.interactions.message import Response
from fhir_lab.interactions.router import Router, perform
from fhir_lab.outcomes import FhirError
from fhir_lab.services import Services
from fhir_lab.settings import FHIR_PATH

WELL_KNOWN = f"{FHIR_PATH}/.well-known/"  # https://www.rfc-editor.org/rfc/rfc8615
WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


class FhirRoute(BaseRoute):
    """Answers FHIR requests from a table of interactions."""

    def __init__(self, services: Services, router: Router) -> None:
        self.path = FHIR_PATH
        self._services = services
        self._router = router
        # One thread per pooled connection: more would only wait for one.
        self._threads = ThreadPoolExecutor(services.settings.database_pool, thread_name_prefix="fhir")

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Full for HTTP at and below the base, `.well-known` left to others; else none."""
        path: str = scope["path"]
        if scope["type"] != "http" or not path.startswith(FHIR_PATH) or path.startswith(WELL_KNOWN):
            return Match.NONE, {}
        return Match.FULL if path[len(FHIR_PATH) :][:1] in ("", "/") else Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        incoming = incoming_of(scope)
        try:
            if incoming.method in WITH_BODY:
                limit = self._services.settings.max_body_bytes
                incoming.body = await read_body(receive, limit, incoming.headers.get("content-length", ""))
        except FhirError as error:
            status, headers, body = rendered(refusal(error, incoming.trace.request_id))
        else:
            answer = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, incoming)
            status, headers, body = await answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if incoming.method == "HEAD" else body})

    def _answer(self, incoming: Incoming) -> tuple[int, Headers, bytes]:
        try:
            if incoming.method == "OPTIONS":
                return rendered(Response(204, headers={"Allow": self._router.methods(incoming.path)}))
            return self._performed(incoming)
        except Exception as error:
            return rendered(refusal(error, incoming.trace.request_id))

    def _performed(self, incoming: Incoming) -> tuple[int, Headers, bytes]:
        trace = incoming.trace
        trace.route = FHIR_PATH
        target = self._router.find(incoming.method, incoming.path)
        trace.interaction, trace.type, trace.route = (
            target.interaction.name,
            target.type,
            FHIR_PATH + target.interaction.path,
        )
        request = request_of(incoming, target, self._services, self._router)
        response = perform(request)
        applied = prefer.applied(incoming.headers.get("prefer", ""), writing=incoming.method != "GET")
        return rendered(response, pretty="_pretty=true" in request.kept, applied=applied)
