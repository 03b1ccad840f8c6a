"""How a test run finds its databases: what a setting names, or servers of its own that leave nothing behind."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.support import databases
from tests.support.commands import Done, run
from tests.support.private_servers import CannotStartError, PrivateServers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def servers() -> Iterator[PrivateServers]:
    """Private servers, stopped at the end."""
    found = PrivateServers()
    yield found
    found.stop()


def can_connect(url: str) -> bool:
    host, _, port = url.rpartition("@")[2].removeprefix("redis://").partition("/")[0].partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def started(start: Callable[[], str]) -> str | None:
    """The URL of a private server; None on a machine that has a server to test with, but not its programs."""
    try:
        return start()
    except CannotStartError as reason:
        if str(reason).endswith("is not installed"):
            return None
        raise


def test_a_private_postgresql_serves_and_is_gone_afterwards(servers: PrivateServers, postgres_schema: str) -> None:
    if url := started(servers.start_postgresql):
        with psycopg.connect(databases.libpq(url)) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        servers.stop()
        assert not can_connect(url)


def test_a_private_redis_serves_and_is_gone_afterwards(servers: PrivateServers, redis_database: str) -> None:
    if url := started(servers.start_redis):
        with redis.Redis.from_url(url) as client:
            assert client.ping()
        servers.stop()
        assert not can_connect(url)


def pytest_with(settings: dict[str, str]) -> Done:
    kept = {name: os.environ[name] for name in (databases.POSTGRES, databases.REDIS) if name in os.environ}
    return run("pytest", "tests/test_logs.py", folder=ROOT, settings=kept | settings)


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        (databases.POSTGRES, "postgresql+psycopg://nobody@127.0.0.1:1/none"),
        (databases.REDIS, "redis://127.0.0.1:1/0"),
    ],
)
def test_a_setting_that_names_no_server_ends_the_run(setting: str, url: str) -> None:
    done = pytest_with({setting: url})
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert f"{setting} is set, but" in done.err


def test_the_last_lines_name_the_databases() -> None:
    done = pytest_with({})
    assert done.code == 0
    *_, report, result = done.out.strip().splitlines()
    assert report.startswith("databases: SQLite ")
    assert result.split()[1:3] == ["passed", "in"]


def test_two_workers_never_get_the_same_redis_database(redis_database: str) -> None:
    with databases.claimed_redis() as other:
        assert other != redis_database
    with redis.Redis.from_url(other) as client:
        assert client.dbsize() == 0
