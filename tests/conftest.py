"""Fixtures on real databases: every test that takes `services` runs on SQLite and on PostgreSQL, on a fresh schema."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.database import Database
from fhir_lab.storage.tables import metadata

POSTGRES = os.environ.get("FHIR_LAB_TEST_POSTGRES_URL", "postgresql+psycopg://root@127.0.0.1:5432/postgres")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that holds the empty schema; tests copy it."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    with database.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database of this test session, with the schema."""
    name = f"fhir_lab_test_{uuid.uuid4().hex[:12]}"
    admin = POSTGRES.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = POSTGRES.rsplit("/", 1)[0] + f"/{name}"
    database = Database(url)
    metadata.create_all(database.engine)
    database.dispose()
    yield url
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _empty(url: str) -> None:
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        tables = ", ".join(f'"{table}"' for table in metadata.tables)
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


def _settings(folder: Path, url: str) -> Settings:
    return Settings(_env_file=None, var=folder / "var", database_url=url, secret_key="test-secret-test-secret-test-secret")


@pytest.fixture
def sqlite_services(tmp_path: Path, sqlite_template: Path) -> Iterator[Services]:
    """Services on a fresh SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    services = Services(_settings(tmp_path, f"sqlite:///{tmp_path / 'test.db'}"))
    yield services
    services.close()


@pytest.fixture
def postgres_services(tmp_path: Path, postgres_url: str) -> Iterator[Services]:
    """Services on an emptied PostgreSQL database."""
    _empty(postgres_url)
    services = Services(_settings(tmp_path, postgres_url))
    yield services
    services.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def services(request: pytest.FixtureRequest) -> Services:
    """Services on each database in turn."""
    found: Services = request.getfixturevalue("sqlite_services" if request.param == "sqlite" else "postgres_services")
    return found
