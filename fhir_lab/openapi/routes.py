"""Routes of the documents, the pages and their assets. None of them needs a token: they hold no patient data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from swagger_ui_bundle import swagger_ui_path

from fhir_lab.interactions.message import Interaction
from fhir_lab.openapi.document import Documents
from fhir_lab.openapi.laboratory import laboratory_document
from fhir_lab.openapi.pages import index_page, swagger_page
from fhir_lab.outcomes import NotFound, nearest
from fhir_lab.security.headers import page_headers
from fhir_lab.services import Services

_STATIC = Path(__file__).parent / "static"
ASSETS = {
    **{
        name: Path(str(swagger_ui_path)) / name
        for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
    },
    **{name: _STATIC / name for name in ("docs.css", "init.js")},
}
# Swagger UI's style sheet has its icons inside as data: URLs.
_HEADERS = page_headers(img_src="'self' data:")
_DAY = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}


def routes(services: Services, interactions: Sequence[Interaction]) -> list[BaseRoute]:
    """The routes of the documentation of what `interactions` route."""
    site = _Site(services, interactions)
    return [
        Route("/docs", site.index),
        Route("/docs/assets/{name}", site.asset),
        Route("/docs/{name}", site.page),
        Route("/openapi/{name}.json", site.document),
    ]


class _Site:
    def __init__(self, services: Services, interactions: Sequence[Interaction]) -> None:
        self._documents = Documents(services, interactions)
        self._services = services
        self._settings = services.settings
        self._prefix = urlsplit(services.settings.public_url).path
        self._general: dict[str, Callable[[Request], dict[str, Any]]] = {
            "first-steps": lambda _: self._documents.of_first_steps(),
            "system": lambda _: self._documents.of_system(),
            "laboratory": lambda request: laboratory_document(request.app.routes, self._settings),
        }

    def index(self, _: Request) -> Response:
        """GET /docs"""
        return HTMLResponse(index_page(self._prefix, self._documents.types), headers=_HEADERS)

    def page(self, request: Request) -> Response:
        """GET /docs/{name}: Swagger UI on one document. Raises `NotFound`."""
        return HTMLResponse(swagger_page(self._prefix, self._known(request)), headers=_HEADERS)

    def document(self, request: Request) -> Response:
        """GET /openapi/{name}.json: one document. Raises `NotFound`."""
        name = self._known(request)
        self._services.parameters.look(self._services.database)
        make = self._general.get(name)
        found = make(request) if make else self._documents.of_type(name)
        return Response(orjson.dumps(found), media_type="application/json", headers={"Cache-Control": "no-cache"})

    def asset(self, request: Request) -> Response:
        """GET /docs/assets/{name}: a file of the pages. Raises `NotFound`."""
        path = ASSETS.get(request.path_params["name"])
        if path is None:
            raise NotFound.of("There is no such file.")
        return FileResponse(path, headers=_DAY)

    def _known(self, request: Request) -> str:
        name: str = request.path_params["name"]
        known = (*self._general, *self._documents.types)
        if name not in known:
            raise NotFound.of(f"There is no document '{name[:64]}'.{nearest(name, known)}")
        return name
