"""What clients see of a database that restarts, and reads without a thread."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from fhir_lab.app import create_app
from fhir_lab.http.fhir import FhirEdge
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.database import Database
from tests.support.api import BASE, Api, patient

TERMINATE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def drop_connections(services: Services) -> None:
    """What a restart of PostgreSQL does to every open connection."""
    other = Database(services.settings.database)
    with other.engine.connect() as connection:
        connection.execute(text(TERMINATE))
    other.dispose()


def test_no_request_after_a_restart_of_the_database_fails(postgres_services: Services) -> None:
    api = Api(postgres_services)
    api.put("/Patient/a", patient("a"))
    for verb in (api.get, api.delete):
        drop_connections(postgres_services)
        assert [verb("/Patient/a").status_code for _ in range(2)] == [200, 200]
    api.close()


def served(services: Services, use: Callable[[httpx.AsyncClient, FhirEdge], Awaitable[None]]) -> None:
    """Run `use` while the app is up, as under a server: reads by id need no thread then."""
    app = create_app(services=services)
    edge: FhirEdge = app.state.fhir
    headers = {"Authorization": f"Bearer {issue(services, subject='tester', scopes='system/*.cruds')}"}

    async def run() -> None:
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", headers=headers) as client,
        ):
            await use(client, edge)

    asyncio.run(run())


def test_a_read_without_a_thread_answers_as_one_with_a_thread(services: Services) -> None:
    api = Api(services)
    api.put("/Patient/a", patient("a", active=True))
    api.put("/Patient/b", patient("b"))
    api.delete("/Patient/b")
    api.close()
    limited = {"Authorization": api.scoped("patient/Patient.r", patient="a").headers["Authorization"]}
    nothing = {"Authorization": api.scoped("user/Observation.r").headers["Authorization"]}
    calls: list[tuple[str, dict[str, str], int]] = [
        ("Patient/a", {}, 200),
        ("Patient/a", {"If-None-Match": 'W/"1"'}, 304),
        ("Patient/a?_pretty=true", {}, 200),
        ("Patient/a?foo=bar", {}, 400),
        ("Patient/a", {"Accept": "application/fhir+xml"}, 200),
        ("Patient/c", {"Accept": "application/fhir+xml"}, 404),
        ("Patient/a", {"Accept": "text/turtle"}, 406),
        ("Patient/a", {"Authorization": "Bearer nonsense"}, 401),
        ("Patient/a", limited, 200),
        ("Patient/a", nothing, 403),
        ("Patient/b", {}, 410),
        ("Patient/c", {}, 404),
    ]

    async def use(client: httpx.AsyncClient, edge: FhirEdge) -> None:
        for path, headers, status in calls:
            quick = await client.get(path, headers=headers)
            direct, edge._direct = edge._direct, None
            slow = await client.get(path, headers=headers)
            edge._direct = direct
            assert (quick.status_code, quick.content) == (status, slow.content)
            changing = ("x-request-id", "server-timing")
            assert {k: v for k, v in quick.headers.items() if k not in changing} == {
                k: v for k, v in slow.headers.items() if k not in changing
            }
        assert (edge._direct is not None) is (services.database.dialect == "postgresql")

    served(services, use)


def test_many_reads_at_once_without_threads_share_a_few_connections(postgres_services: Services) -> None:
    api = Api(postgres_services)
    api.put("/Patient/a", patient("a"))
    api.close()

    async def use(client: httpx.AsyncClient, edge: FhirEdge) -> None:
        answers = await asyncio.gather(*(client.get("Patient/a") for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert edge._direct is not None
        assert len(edge._direct._idle) <= postgres_services.settings.database_pool // 2

    served(postgres_services, use)


def test_reads_without_threads_survive_a_restart_of_the_database(postgres_services: Services) -> None:
    api = Api(postgres_services)
    api.put("/Patient/a", patient("a"))
    api.close()

    async def use(client: httpx.AsyncClient, edge: FhirEdge) -> None:
        for _ in range(2):
            assert [(await client.get("Patient/a")).status_code for _ in range(3)] == [200, 200, 200]
            drop_connections(postgres_services)
        assert edge._direct is not None

    served(postgres_services, use)


@pytest.mark.parametrize("path", ["Patient/a", "Patient/a/_history/1", "Patient"])
def test_a_database_that_is_away_is_503_with_and_without_threads(tmp_path: Path, path: str) -> None:
    settings = Settings(
        _env_file=None,
        var=tmp_path,
        database_url="postgresql+psycopg://root@127.0.0.1:1/none",
        secret_key="test-secret-test-secret-test-secret",
    )
    services = Services(settings)

    async def use(client: httpx.AsyncClient, _: FhirEdge) -> None:
        assert (await client.get(path)).status_code == 503

    served(services, use)
    services.close()
