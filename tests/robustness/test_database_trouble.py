"""A database that is full, read-only, slow or gone: each is told, nothing is half written, and it works again after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.pool import Pool

from fhir_lab.services import Services
from fhir_lab.storage.tables import metadata
from tests.support.api import Api, Json, issues, observation, patient


@pytest.fixture
def api(services: Services) -> Api:
    found = Api(services)
    found.put("/Patient/a", patient("a"))
    return found


@contextmanager
def every_connection(services: Services, does: str, undoes: str) -> Iterator[None]:
    """Run a statement on each connection that is taken from the pool, and undo it when the connection comes back."""
    pool: Pool = services.database.engine.pool

    def taken(connection: Any, *_: object) -> None:
        connection.execute(does).close()

    def returned(connection: Any, *_: object) -> None:
        if connection is not None:
            connection.execute(undoes).close()

    event.listen(pool, "checkout", taken)
    event.listen(pool, "checkin", returned)
    try:
        yield
    finally:
        event.remove(pool, "checkout", taken)
        event.remove(pool, "checkin", returned)


def rows(services: Services) -> dict[str, int]:
    """How many rows each table has."""
    with services.database.read() as connection:
        return {
            name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in metadata.tables
        }


def transaction() -> Json:
    """Something to write that touches many tables."""
    entries = [
        {
            "request": {"method": "POST", "url": "Observation"},
            "resource": observation("Patient/a", note=[{"text": "x" * 5000}]),
        }
        for _ in range(100)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def refused(answered: Any, reason: str) -> None:
    assert (answered.status_code, issues(answered)) == (503, [("transient", [])])
    assert reason in answered.json()["issue"][0]["details"]["text"]


def test_a_full_disk_stores_nothing_and_lets_reads_through(sqlite_services: Services) -> None:
    api = Api(sqlite_services)
    api.put("/Patient/a", patient("a"))
    before = rows(sqlite_services)
    with sqlite_services.database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    with every_connection(sqlite_services, f"PRAGMA max_page_count = {pages + 5}", "PRAGMA max_page_count = 1000000"):
        refused(api.post("", transaction()), "no space left")
        assert api.get("/Patient/a").status_code == 200
    assert rows(sqlite_services) == before
    assert api.post("", transaction()).status_code == 200


READ_ONLY = {
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    "postgresql": ("SET default_transaction_read_only = on", "RESET ALL"),
}


def test_a_database_that_has_become_read_only_still_answers_reads(api: Api, services: Services) -> None:
    before = rows(services)
    with every_connection(services, *READ_ONLY[services.database.dialect]):
        for answered in (api.post("", transaction()), api.put("/Patient/b", patient("b")), api.delete("/Patient/a")):
            refused(answered, "cannot be written now")
        assert api.get("/Patient/a").status_code == 200
        assert api.get("/Patient").json()["total"] == 1
    assert rows(services) == before
    assert api.post("", transaction()).status_code == 200


def test_a_statement_that_the_database_stops_is_503(postgres_services: Services) -> None:
    api = Api(postgres_services)
    api.put("/Patient/a", patient("a"))
    with postgres_services.database.write() as holder:
        holder.execute(text("SELECT * FROM resource FOR UPDATE"))
        for limit in ("statement_timeout", "lock_timeout"):
            with every_connection(postgres_services, f"SET {limit} = 100", "RESET ALL"):
                refused(api.put("/Patient/a", patient("a", active=True)), "did not finish in time")
    assert api.put("/Patient/a", patient("a", active=True)).status_code == 200


def test_connections_that_the_server_closed_are_replaced(postgres_services: Services) -> None:
    api = Api(postgres_services)
    api.put("/Patient/a", patient("a"))
    before = rows(postgres_services)
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(3):
        with postgres_services.database.read() as killer:
            killer.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        for answered in (api.get("/Patient/a"), api.get("/Patient"), api.post("", transaction())):
            assert answered.status_code in (200, 503)
            if answered.status_code == 503:
                refused(answered, "does not answer")
    assert api.get("/Patient/a").status_code == 200
    stored = rows(postgres_services)["resource"] - before["resource"]
    assert stored % 100 == 0


def test_a_database_without_tables_says_what_to_do(services: Services) -> None:
    api = Api(services)
    metadata.drop_all(services.database.engine)
    try:
        refused(api.get("/Patient"), "run fhir-lab migrate")
        refused(api.post("/Patient", patient()), "run fhir-lab migrate")
    finally:
        metadata.create_all(services.database.engine)
    assert api.post("/Patient", patient()).status_code == 201
