"""Puts the application together: routes and middleware around one `Services`, nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from fhir_lab.http import jobs
from fhir_lab.http.fhir import FhirEdge
from fhir_lab.http.health import Health
from fhir_lab.http.metrics import Metrics
from fhir_lab.http.observe import Observe
from fhir_lab.http.problems import Guard, refused
from fhir_lab.ingest import api as messages
from fhir_lab.interactions.router import Router
from fhir_lab.openapi import routes as documentation
from fhir_lab.operations.routes import ROUTED
from fhir_lab.outcomes import FhirError
from fhir_lab.security import endpoints
from fhir_lab.security.endpoints import smart_configuration
from fhir_lab.services import Services
from fhir_lab.settings import Settings

EXPOSED = (
    "ETag",
    "Last-Modified",
    "Location",
    "Content-Location",
    "Preference-Applied",
    "X-Request-Id",
    "Server-Timing",
    "WWW-Authenticate",
    "Allow",
    "Retry-After",
    "X-Progress",
    "Expires",
)


def create_app(settings: Settings | None = None, services: Services | None = None) -> FastAPI:
    """The application; `app.state.services` is what it runs on.

    It closes services that it made itself; those given belong to the caller.
    """
    own = services is None
    services = services or Services(settings or Settings())
    metrics, health = Metrics(services), Health(services)
    router = Router(ROUTED, services.registry.types, smart_configuration(services.settings))
    fhir = FhirEdge(services, router)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with fhir.running():
            yield
        if own:
            services.close()

    app = FastAPI(title="FHIR Lab", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = services
    app.state.fhir = fhir
    app.router.routes += [
        *endpoints.routes(services),
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        Route("/metrics", metrics.show),
        *messages.router.routes,
        *jobs.routes(services),
        *documentation.routes(services, ROUTED),
    ]
    for error in (FhirError, HTTPException, RequestValidationError):
        app.add_exception_handler(error, refused)
    _add_middleware(app, fhir, services.settings, metrics)
    return app


def _add_middleware(app: FastAPI, fhir: FhirEdge, settings: Settings, metrics: Metrics) -> None:
    """The one added last is the outermost."""
    app.add_middleware(Guard)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(fhir.before)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
        max_age=3600,
    )
    app.add_middleware(Observe, metrics=metrics)
