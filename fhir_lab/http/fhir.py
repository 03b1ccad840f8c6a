"""The HTTP edge of the FHIR API: one ASGI route for everything at and below the base.

It reads the body, does the work in a thread (the core is synchronous; `storage.direct` is the exception, and says why)
and sends the answer. What goes wrong becomes an OperationOutcome. https://hl7.org/fhir/R4/http.html
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from fhir_lab.http import prefer
from fhir_lab.http.body import read_body
from fhir_lab.http.incoming import Incoming, incoming_of, request_of
from fhir_lab.http.render import Headers, rendered
from fhir_lab.interactions.failure import refusal
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.read import read, shown
from fhir_lab.interactions.router import Router, Target, check, perform
from fhir_lab.services import Services
from fhir_lab.settings import FHIR_PATH
from fhir_lab.storage.direct import DirectReads
from fhir_lab.storage.repository import living

WELL_KNOWN = f"{FHIR_PATH}/.well-known/"  # https://www.rfc-editor.org/rfc/rfc8615
Answer = tuple[int, Headers, bytes]


class FhirRoute(BaseRoute):
    """Answers FHIR requests from a table of interactions."""

    def __init__(self, services: Services, router: Router) -> None:
        self.path = FHIR_PATH
        self._services = services
        self._router = router
        self._direct: DirectReads | None = None
        # One thread per pooled connection: more would only wait for one.
        self._threads = ThreadPoolExecutor(services.settings.database_pool, thread_name_prefix="fhir")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within this, on the event loop that serves, reads by id on PostgreSQL need no thread."""
        if self._services.database.dialect == "postgresql":
            self._direct = DirectReads(self._services.database, max(2, self._services.settings.database_pool // 2))
        try:
            yield
        finally:
            if self._direct is not None:
                await self._direct.close()
                self._direct = None
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
            status, headers, body = await self._answer(incoming, receive)
        except Exception as error:
            status, headers, body = rendered(refusal(error, incoming.trace.request_id))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if incoming.method == "HEAD" else body})

    async def _answer(self, incoming: Incoming, receive: Receive) -> Answer:
        incoming.trace.route = FHIR_PATH
        if incoming.method == "OPTIONS":
            return rendered(Response(204, headers={"Allow": self._router.methods(incoming.path)}))
        target = self._router.find(incoming.method, incoming.path)
        interaction = target.interaction
        incoming.trace.answers(interaction.name, target.type, FHIR_PATH + interaction.path)
        if self._direct is not None and interaction.handler is read:
            answer = await self._read(incoming, target, self._direct)
            if answer is not None:
                return answer
        if interaction.content:
            limit = self._services.settings.max_body_bytes
            incoming.body = await read_body(receive, limit, incoming.headers.get("content-length", ""))
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._perform, incoming, target)

    async def _read(self, incoming: Incoming, target: Target, direct: DirectReads) -> Answer | None:
        """A read without a thread; None when it has to be done the ordinary way."""
        request = request_of(incoming, target, self._services, self._router)
        check(request)
        if not request.caller.access(request.type, "r").unrestricted:
            return None
        found = await direct.read(request.type, request.id)
        return None if found is None else self._rendered(incoming, request, shown(request, living(found)))

    def _perform(self, incoming: Incoming, target: Target) -> Answer:
        request = request_of(incoming, target, self._services, self._router)
        return self._rendered(incoming, request, perform(request))

    def _rendered(self, incoming: Incoming, request: Request, response: Response) -> Answer:
        applied = prefer.applied(incoming.headers.get("prefer", ""), writing=incoming.method != "GET")
        return rendered(response, pretty="_pretty=true" in request.kept, applied=applied)
