"""A FHIR client for tests: the app over ASGI, with a token whose scopes the test chooses."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

from fhir_lab.app import create_app
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from tests.support.asgi import call

BASE = "http://127.0.0.1:8000/fhir/R4"
EVERYTHING = "system/*.cruds"
Json = dict[str, Any]


class Api:
    """Calls below the FHIR base; `path` may also be an absolute link that the server gave."""

    def __init__(self, services: Services, app: FastAPI | None = None, scopes: str = EVERYTHING, **token: Any) -> None:
        self.services = services
        self.app = app or create_app(services=services)
        self.headers = {"Authorization": f"Bearer {issue(services, subject='tester', scopes=scopes, **token)}"}

    def scoped(self, scopes: str, **token: Any) -> "Api":
        """The same app for another caller."""
        return Api(self.services, self.app, scopes, **token)

    def call(self, method: str, path: str = "", body: Any = None, **headers: str) -> httpx.Response:
        """One request; header names are given with `_` for `-`. A body that is not bytes is sent as JSON."""
        named = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        options: Json = {"headers": {name: value for name, value in named.items() if value}}
        if isinstance(body, bytes):
            options["content"] = body
        elif body is not None:
            options["json"] = body
        url = path if path.startswith("http") else BASE + path
        return call(self.app, method, url, **options)

    def get(self, path: str = "", **headers: str) -> httpx.Response:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.call("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A PATCH; a list is sent as a JSON Patch, Parameters as FHIR JSON, anything else as plain JSON."""
        if isinstance(body, list):
            headers.setdefault("Content_Type", "application/json-patch+json")
        elif isinstance(body, dict) and body.get("resourceType") == "Parameters":
            headers.setdefault("Content_Type", "application/fhir+json")
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.call("DELETE", path, **headers)

    def close(self) -> None:
        """End the app's threads."""

        async def end() -> None:
            async with self.app.router.lifespan_context(self.app):
                pass

        asyncio.run(end())


def patient(patient_id: str = "", **more: Any) -> Json:
    """A small Patient."""
    return {"resourceType": "Patient"} | ({"id": patient_id} if patient_id else {}) | more


def observation(subject: str, **more: Any) -> Json:
    """A small Observation of a patient (`Patient/1`)."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": subject},
    } | more


def issues(response: httpx.Response) -> list[tuple[str, list[str]]]:
    """(code, expression) of each issue; fails unless the body is an OperationOutcome in FHIR JSON."""
    assert response.headers["content-type"] == "application/fhir+json; charset=utf-8"
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["details"]["text"] for issue in outcome["issue"])
    return [(issue["code"], issue.get("expression", [])) for issue in outcome["issue"]]


def links(bundle: Json) -> dict[str, str]:
    """The links of a Bundle by relation."""
    return {link["relation"]: link["url"] for link in bundle.get("link", [])}
