"""The HTTP edge of the FHIR API: everything at and below the base.

It reads the body, does the work in a thread (the core is synchronous; `storage.direct` is the exception, and says why)
and sends the answer. What goes wrong becomes an OperationOutcome. https://hl7.org/fhir/R4/http.html
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_lab.http import binary, media, prefer
from fhir_lab.http.body import read_body
from fhir_lab.http.incoming import Incoming, caller_of, format_of_errors, incoming_of, request_of
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


class FhirEdge:
    """Answers FHIR requests from a table of interactions, before the framework, which would add 50 us to each."""

    def __init__(self, services: Services, router: Router) -> None:
        self.router = router
        self._services = services
        self._direct: DirectReads | None = None
        # One thread per pooled connection: more would only wait for one.
        self._threads = ThreadPoolExecutor(services.settings.database_pool, thread_name_prefix="fhir")

    def before(self, app: ASGIApp) -> ASGIApp:
        """An app that answers at and below the base, `.well-known` left out, and hands everything else to `app`."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and _is_fhir(scope["path"]):
                await self._handle(scope, receive, send)
            else:
                await app(scope, receive, send)

        return serve

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

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        incoming = incoming_of(scope)
        try:
            status, headers, body = await self._answer(incoming, receive)
        except Exception as error:
            told = refusal(error, incoming.trace.request_id)
            status, headers, body = rendered(told, form=format_of_errors(incoming))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if incoming.method == "HEAD" else body})

    async def _answer(self, incoming: Incoming, receive: Receive) -> Answer:
        incoming.trace.route = FHIR_PATH
        if incoming.method == "OPTIONS":
            return rendered(Response(204, headers={"Allow": self.router.methods(incoming.path)}))
        target = self.router.find(incoming.method, incoming.path)
        interaction = target.interaction
        incoming.trace.answers(interaction.name, target.type, FHIR_PATH + interaction.path)
        if self._direct is not None and interaction.handler is read:
            answer = await self._read(incoming, target, self._direct)
            if answer is not None:
                return answer
        if interaction.content:
            caller_of(incoming, interaction, self._services)  # nobody fills the memory without a token
            limit = self._services.settings.max_body_bytes
            incoming.body = await read_body(receive, limit, incoming.headers.get("content-length", ""))
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._perform, incoming, target)

    async def _read(self, incoming: Incoming, target: Target, direct: DirectReads) -> Answer | None:
        """A read without a thread; None when it has to be done the ordinary way."""
        request = request_of(incoming, target, self._services, self.router)
        check(request)
        if request.format != media.JSON:
            return None  # a long document keeps the event loop too long while it is made into XML
        if not request.caller.access(request.type, "r").unrestricted or request.type in self._services.builtin.types:
            return None
        found = await direct.read(request.type, request.id)
        return None if found is None else self._rendered(incoming, request, shown(request, living(found)))

    def _perform(self, incoming: Incoming, target: Target) -> Answer:
        request = request_of(incoming, target, self._services, self.router)
        return self._rendered(incoming, request, perform(request))

    def _rendered(self, incoming: Incoming, request: Request, response: Response) -> Answer:
        applied = prefer.applied(incoming.headers.get("prefer", ""), writing=incoming.method not in ("GET", "HEAD"))
        encodings = incoming.headers.get("accept-encoding", "")
        pretty, form = "_pretty=true" in request.kept, request.format
        if form == media.NATIVE:
            form, response = binary.native(response, incoming.headers.get("accept", ""))
        return rendered(response, form=form, encodings=encodings, pretty=pretty, applied=applied)


def _is_fhir(path: str) -> bool:
    return path.startswith(FHIR_PATH) and path[len(FHIR_PATH) :][:1] in ("", "/") and not path.startswith(WELL_KNOWN)
