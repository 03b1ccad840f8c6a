"""A client that holds a token and speaks to an app below its FHIR base, without a server."""

from typing import Any
from urllib.parse import urljoin

import httpx
from starlette.types import ASGIApp

from tests.support.asgi import BASE, call


class Client:
    """`get("Patient/1")` asks the app; absolute URLs are taken as they are."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET below the base."""
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST below the base."""
        return self.send("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        """PUT below the base."""
        return self.send("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """DELETE below the base."""
        return self.send("DELETE", path, **options)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """One request with the token and these headers."""
        url = urljoin(f"{BASE}/fhir/R4/", path)
        return call(self.app, method, url, headers=self.headers | (headers or {}), **options)
