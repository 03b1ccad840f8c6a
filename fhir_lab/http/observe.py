"""Middleware that names, times, counts and logs each request: X-Request-Id, Server-Timing, one log line, metrics."""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhir_lab.http.metrics import Metrics
from fhir_lab.http.trace import HEADER, begin

logger = logging.getLogger("fhir_lab.access")
QUIET = ("/healthz", "/readyz", "/metrics")


class Observe:
    """The outermost middleware. Its log line never holds an id, a query or anything of a body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; what is not HTTP passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace = begin(scope)
        started = perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                milliseconds = (perf_counter() - started) * 1000
                message["headers"] = [
                    *message["headers"],
                    (HEADER, trace.request_id.encode()),
                    (b"server-timing", b"total;dur=%.2f" % milliseconds),
                ]
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            seconds = perf_counter() - started
            route = trace.route or _template(scope)
            self.metrics.count(trace.interaction or "other", trace.type, status, seconds)
            if route not in QUIET and logger.isEnabledFor(logging.INFO):
                # Made by hand: `logger.info` would first look through the stack for the line that called it.
                record = logging.LogRecord(logger.name, logging.INFO, __file__, 0, "request", None, None)
                record.method = scope["method"]
                record.route = route
                record.status = status
                record.ms = round(seconds * 1000, 2)
                record.request_id = trace.request_id
                record.subject = trace.subject
                logger.handle(record)


def _template(scope: Scope) -> str:
    """The path template of the route that answered; empty when none did, or when it does not say."""
    if "route" in scope:
        return str(scope["route"].path)
    return scope["path"] if "endpoint" in scope and not scope.get("path_params") else ""
