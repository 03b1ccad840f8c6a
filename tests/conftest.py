"""Fixtures on real databases: every test that takes `services` runs on SQLite and on PostgreSQL, on a fresh schema.

Where neither a PostgreSQL nor its binaries exist, its tests are left out and the summary says so; with `CI=true` or
`FHIR_LAB_TEST_REQUIRE_ALL=1` that is a failure instead.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import text

from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.database import Database
from fhir_lab.storage.tables import metadata
from tests.support import databases
from tests.support.private_servers import PrivateServers

SERVERS = pytest.StashKey[PrivateServers]()

# The same examples in every run and no clock in the verdict; `--hypothesis-profile=explore` looks for new ones.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Find the databases once, before the workers of pytest-xdist start; they inherit the environment."""
    for name in [name for name in os.environ if name.startswith("FHIR_LAB_") and not name.startswith("FHIR_LAB_TEST_")]:
        del os.environ[name]
    if hasattr(config, "workerinput"):
        return
    config.stash[SERVERS] = servers = PrivateServers()
    config.add_cleanup(servers.stop)
    databases.find_all(servers)
    required = os.environ.get("CI") == "true" or os.environ.get("FHIR_LAB_TEST_REQUIRE_ALL") == "1"
    if required and databases.missing():
        raise pytest.UsageError(f"This run must test every database. {os.environ[databases.REPORT]}")


def pytest_report_header() -> str:
    """Name the databases above the first test."""
    return f"databases: {os.environ[databases.REPORT]}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the databases below the last test."""
    terminalreporter.write_line(f"databases: {os.environ[databases.REPORT]}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of a database that is not there."""
    missing = databases.missing()
    left_out = [item for item in items if any(_needs(item, name) for name in missing)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _needs(item: pytest.Item, server: str) -> bool:
    fixtures = {"PostgreSQL": {"postgres_schema", "bare_postgres_url"}, "Redis": {"redis_database"}}[server]
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return not fixtures.isdisjoint(getattr(item, "fixturenames", ())) or server.lower() in map(str, parameters)


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
def postgres_schema() -> Iterator[str]:
    """A PostgreSQL database of this worker, with the schema."""
    with databases.new_database() as url:
        database = Database(url)
        metadata.create_all(database.engine)
        database.dispose()
        yield url


@pytest.fixture
def postgres_url(postgres_schema: str) -> str:
    """The worker's PostgreSQL database, emptied."""
    databases.empty(postgres_schema)
    return postgres_schema


@pytest.fixture
def bare_postgres_url() -> Iterator[str]:
    """A new PostgreSQL database without tables."""
    with databases.new_database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_database() -> Iterator[str]:
    """A Redis database of this worker."""
    with databases.claimed_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_database: str) -> str:
    """The worker's Redis database, emptied."""
    databases.empty_redis(redis_database)
    return redis_database


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the keys of this worker lie: making one takes longer than most tests."""
    return tmp_path_factory.mktemp("keys")


def _settings(folder: Path, url: str, keys: Path) -> Settings:
    return Settings(
        _env_file=None,
        var=folder / "var",
        keys=keys,
        database_url=url,
        secret_key="test-secret-test-secret-test-secret",
    )


@pytest.fixture
def sqlite_services(tmp_path: Path, sqlite_template: Path, signing_keys: Path) -> Iterator[Services]:
    """Services on a fresh SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    services = Services(_settings(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", signing_keys))
    yield services
    services.close()


@pytest.fixture
def postgres_services(tmp_path: Path, postgres_url: str, signing_keys: Path) -> Iterator[Services]:
    """Services on an emptied PostgreSQL database."""
    services = Services(_settings(tmp_path, postgres_url, signing_keys))
    yield services
    services.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def services(request: pytest.FixtureRequest) -> Services:
    """Services on each database in turn."""
    found: Services = request.getfixturevalue("sqlite_services" if request.param == "sqlite" else "postgres_services")
    return found
