"""Is the process alive, and can it serve? For orchestrators and load balancers; no token is needed."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from fhir_lab.outcomes import Unavailable
from fhir_lab.services import Services
from fhir_lab.storage.schema import is_current


class Health:
    """The two probes of one installation."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def alive(self, _: Request) -> JSONResponse:
        """GET /healthz: 200 as long as the process answers at all."""
        return JSONResponse({"status": "ok"})

    def ready(self, _: Request) -> JSONResponse:
        """GET /readyz: 200 when the database answers and its schema is this release's, else 503 with the reason."""
        try:
            migrated = is_current(self._services.database)
        except Unavailable:
            return JSONResponse({"status": "unavailable", "reason": "The database does not answer."}, 503)
        if not migrated:
            return JSONResponse({"status": "unavailable", "reason": "Run: fhir-lab migrate"}, 503)
        return JSONResponse({"status": "ok"})
