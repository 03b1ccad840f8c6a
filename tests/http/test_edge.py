"""The HTTP edge: body limits, CORS, compression, probes, paths."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message

from fhir_lab.app import create_app
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.schema import upgrade
from tests.support.api import BASE, Api, issues, patient

SERVER = "http://127.0.0.1:8000"


@pytest.fixture
def api(sqlite_services: Services) -> Iterator[Api]:
    """The app on SQLite with a body limit of 2,000 bytes."""
    sqlite_services.settings = sqlite_services.settings.model_copy(update={"max_body_bytes": 2000})
    api = Api(sqlite_services)
    yield api
    api.close()


def test_a_body_up_to_the_limit_is_read_and_a_larger_one_is_413(api: Api) -> None:
    for size, status in ((2000, 201), (2001, 413)):
        body = b'{"resourceType":"Patient"' + b" " * (size - 26) + b"}"
        answer = api.post("/Patient", body, Content_Type="application/json")
        assert (len(body), answer.status_code) == (size, status)
    assert (issues(answer), answer.headers["connection"]) == ([("too-long", ["http.body"])], "close")


def test_a_streamed_body_is_refused_as_soon_as_it_exceeds_the_limit(api: Api) -> None:
    sent: list[Message] = []
    chunks = 0

    async def receive() -> Message:
        nonlocal chunks
        chunks += 1
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = _scope("POST", "/fhir/R4/Patient", [(b"authorization", api.headers["Authorization"].encode())])
    asyncio.run(api.app(scope, receive, send))
    assert (sent[0]["status"], chunks) == (413, 3)


def test_a_client_that_goes_away_in_the_middle_stores_nothing(api: Api) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = _scope("POST", "/fhir/R4/Patient", [(b"authorization", api.headers["Authorization"].encode())])
    asyncio.run(api.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert api.get("/Patient?_summary=count").json()["total"] == 0


def _scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "root_path": "",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }


def test_a_trailing_slash_makes_no_difference(api: Api) -> None:
    api.put("/Patient/a/", patient("a"))
    assert api.get("/Patient/a/").status_code == 200
    assert api.get("/Patient/").json()["total"] == 1
    assert api.get("/metadata/").status_code == 200


def test_browsers_may_call_and_read_the_headers_of_fhir(api: Api) -> None:
    preflight = api.call(
        "OPTIONS",
        "/Patient/a",
        Authorization="",
        Origin="https://app.example.org",
        Access_Control_Request_Method="PUT",
        Access_Control_Request_Headers="authorization,content-type,if-match",
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    for name in ("authorization", "content-type", "if-match"):
        assert name in preflight.headers["access-control-allow-headers"].lower()
    answer = api.get("/Patient/a", Origin="https://app.example.org")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, "*")
    exposed = answer.headers["access-control-expose-headers"]
    assert {"ETag", "Location", "Content-Location", "X-Request-Id"} <= set(exposed.split(", "))


def test_an_origin_that_is_not_allowed_gets_no_permission(sqlite_services: Services) -> None:
    sqlite_services.settings = sqlite_services.settings.model_copy(update={"cors_origins": ("https://good.example",)})
    api = Api(sqlite_services)
    assert "access-control-allow-origin" not in api.get("/metadata", Origin="https://bad.example").headers
    answer = api.get("/metadata", Origin="https://good.example")
    assert answer.headers["access-control-allow-origin"] == "https://good.example"
    api.close()


def test_answers_of_a_kilobyte_are_compressed_for_clients_that_can(api: Api) -> None:
    large = api.get("/metadata", Accept_Encoding="gzip")
    assert large.headers["content-encoding"] == "gzip"
    assert set(large.headers["vary"].split(", ")) >= {"Accept", "Accept-Encoding"}
    assert int(large.headers["content-length"]) < 100_000
    assert "content-encoding" not in api.get("/metadata", Accept_Encoding="identity").headers
    assert "content-encoding" not in api.get("/Patient/none", Accept_Encoding="gzip").headers


def test_the_process_is_alive_before_it_is_ready(tmp_path: Any) -> None:
    services = Services(Settings(_env_file=None, var=tmp_path / "var", secret_key="test-secret-test-secret-test"))
    api = Api(services)
    assert api.call("GET", f"{SERVER}/healthz").json() == {"status": "ok"}
    waiting = api.call("GET", f"{SERVER}/readyz")
    assert (waiting.status_code, waiting.json()["reason"]) == (503, "Run: fhir-lab migrate")
    upgrade(services.database)
    assert api.call("GET", f"{SERVER}/readyz").json() == {"status": "ok"}
    api.close()
    services.close()


def test_links_start_with_the_public_url(sqlite_services: Services) -> None:
    sqlite_services.settings = sqlite_services.settings.model_copy(update={"public_url": "https://lab.example/x"})
    api = Api(sqlite_services)
    made = api.post(f"{BASE}/Patient", patient())
    assert made.headers["location"].startswith("https://lab.example/x/fhir/R4/Patient/")
    [link] = [each for each in api.get(f"{BASE}/Patient").json()["link"] if each["relation"] == "self"]
    assert link["url"].startswith("https://lab.example/x/fhir/R4/Patient")
    api.close()


def test_the_app_closes_the_services_it_made_and_no_others(tmp_path: Any, sqlite_services: Services) -> None:
    async def live(app: Any) -> None:
        async with app.router.lifespan_context(app):
            assert app.state.services.database.connections()["idle"] >= 0

    sqlite_services.database.read().__enter__()
    app = create_app(services=sqlite_services)
    pool = sqlite_services.database.engine.pool
    asyncio.run(live(app))
    assert sqlite_services.database.engine.pool is pool
    own = create_app(Settings(_env_file=None, var=tmp_path / "own", secret_key="test-secret-test-secret-test"))
    pool = own.state.services.database.engine.pool
    asyncio.run(live(own))
    assert own.state.services.database.engine.pool is not pool
