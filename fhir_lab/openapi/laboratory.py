"""The OpenAPI document of the laboratory's own API, authorization and health, from the routes of the application.

FastAPI writes OpenAPI 3.1; the bundled Swagger UI reads 3.0, so the few things that differ are rewritten.
https://spec.openapis.org/oas/v3.0.3 https://www.openapis.org/blog/2021/02/16/migrating-from-openapi-3-0-to-3-1-0
"""

import inspect
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from fhir_lab.openapi.components import security, security_schemes
from fhir_lab.openapi.document import OPENAPI
from fhir_lab.settings import FHIR_PATH, Settings

Json = dict[str, Any]
PROTECTED = "/api/v1"
OAUTH_ERROR, PROBLEM = "application/json", "application/problem+json"
SHOWN = (PROTECTED, "/oauth2", "/healthz", "/readyz", "/metrics", f"{FHIR_PATH}/.well-known")


def laboratory_document(routes: Iterable[BaseRoute], settings: Settings) -> Json:
    """The document of everything that is neither FHIR nor a page."""
    shown = [route for route in routes if isinstance(route, Route) and route.path.startswith(SHOWN)]
    text = "Messages, worklists and the other things a laboratory needs beside FHIR; authorization; health."
    written = get_openapi(
        title="The laboratory's own API",
        version=version("fhir-lab"),
        description=text,
        routes=[route for route in shown if isinstance(route, APIRoute)],
    )
    document: Json = _as_3_0(written)
    paths = document.setdefault("paths", {})
    for route in shown:
        if not isinstance(route, APIRoute):
            paths[route.path] = {"get": _plain(route)}
    for path, methods in paths.items():
        for operation in methods.values():
            operation["responses"].pop("422", None)  # what FastAPI says of its own errors, which nobody is sent
            operation["responses"]["4XX"] = _refused(OAUTH_ERROR if path.startswith("/oauth2") else PROBLEM)
            if not path.startswith(PROTECTED):
                operation["security"] = []
    components = document.setdefault("components", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(unused, None)
    components["securitySchemes"] = security_schemes(settings)
    prefix = urlsplit(settings.public_url).path
    return {**document, "openapi": OPENAPI, "servers": [{"url": prefix or "/"}], "security": security(settings)}


def _refused(media_type: str) -> Json:
    return {"description": "Refused; the answer says why.", "content": {media_type: {"schema": {"type": "object"}}}}


def _plain(route: Route) -> Json:
    """A route that FastAPI does not know: what its docstring says."""
    text = inspect.getdoc(route.endpoint) or ""
    return {
        "tags": ["Health"],
        "operationId": route.path.strip("/"),
        "summary": route.path.strip("/"),
        "description": text.removeprefix(f"GET {route.path}: "),
        "responses": {"200": {"description": "The answer."}},
    }


def _as_3_0(value: Any) -> Any:
    """A part of a 3.1 document as 3.0 says it: no `null` type, no `const`, no numeric exclusive bounds, one example."""
    if isinstance(value, list):
        return [_as_3_0(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _as_3_0(item) for name, item in value.items()}
    if isinstance(found.get("anyOf"), list):
        found = _nullable(found)
    if "const" in found and isinstance(found.get("type"), str):
        found["enum"] = [found.pop("const")]
    for bound, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(bound), int | float) and not isinstance(found[bound], bool):
            found |= {inclusive: found[bound], bound: True}
    if isinstance(found.get("examples"), list):
        found["example"] = found.pop("examples")[0]
    return found


def _nullable(schema: Json) -> Json:
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    if len(kinds) == len(schema["anyOf"]):
        return schema
    rest = {name: item for name, item in schema.items() if name != "anyOf"}
    if len(kinds) == 1 and "$ref" not in kinds[0]:
        return {**kinds[0], **rest, "nullable": True}
    return {**rest, "anyOf": kinds, "nullable": True}
