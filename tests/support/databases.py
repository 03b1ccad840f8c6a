"""Which databases a test run uses: the one a setting names, else one on the default port, else a private one.

The process that starts the run looks once and leaves the answer in the environment; the workers of pytest-xdist, which
inherit it, take it from there.
"""

import getpass
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from fhir_lab.storage.tables import metadata
from tests.support.private_servers import CannotStartError, PrivateServers

POSTGRES = "FHIR_LAB_TEST_POSTGRES_URL"
REDIS = "FHIR_LAB_TEST_REDIS_URL"
REPORT = "FHIR_LAB_TEST_DATABASES"
CLAIM = "fhir-lab-test-claim"
PERMITTED = """
    SELECT current_setting('server_version'), rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user
"""


@dataclass(frozen=True)
class Found:
    """A server to test with, or `url` None and why there is none."""

    url: str | None
    description: str


def find_all(servers: PrivateServers) -> None:
    """Find or start PostgreSQL and Redis and note them in the environment.

    Raises `pytest.UsageError` when a setting names a server that does not answer.
    """
    postgres, broker = find_postgresql(servers), find_redis(servers)
    for name, found in ((POSTGRES, postgres), (REDIS, broker)):
        if found.url is not None:
            os.environ[name] = found.url
    os.environ[REPORT] = f"SQLite {sqlite3.sqlite_version}; {postgres.description}; {broker.description}"


def missing() -> list[str]:
    """The servers that `find_all` did not find."""
    return [name for name, variable in (("PostgreSQL", POSTGRES), ("Redis", REDIS)) if variable not in os.environ]


def find_postgresql(servers: PrivateServers) -> Found:
    """A PostgreSQL on which databases can be created."""
    setting = os.environ.get(POSTGRES)
    if setting:
        return _ask_postgresql(setting, f"{POSTGRES} is set, but")
    users = dict.fromkeys([getpass.getuser(), "postgres"])
    hosts = ["127.0.0.1:5432/postgres", "/postgres"]  # TCP, then the socket
    for url in (f"postgresql+psycopg://{user}@{host}" for host in hosts for user in users):
        found = _try_postgresql(url)
        if found.url is not None:
            return found
    try:
        return _ask_postgresql(servers.start_postgresql(), "the private PostgreSQL:", "private, ")
    except CannotStartError as reason:
        return Found(None, f"PostgreSQL NOT TESTED: none on port 5432 that may be used, and {reason}")


def _ask_postgresql(url: str, complaint: str, note: str = "") -> Found:
    found = _try_postgresql(url, note)
    if found.url is None:
        raise pytest.UsageError(f"{complaint} {found.description}")
    return found


def _try_postgresql(url: str, note: str = "") -> Found:
    try:
        with psycopg.connect(libpq(url), connect_timeout=3) as connection:
            row = connection.execute(PERMITTED).fetchone()
    except psycopg.Error as error:
        return Found(None, f"PostgreSQL does not answer: {str(error).strip()}")
    if row is None or not row[1]:
        return Found(None, "the PostgreSQL user may not create databases")
    return Found(url, f"PostgreSQL {row[0].split()[0]} ({note}{urlsplit(url).netloc.rpartition('@')[2] or 'socket'})")


def find_redis(servers: PrivateServers) -> Found:
    """A Redis with an unused database."""
    setting = os.environ.get(REDIS)
    if setting:
        found = _try_redis(setting)
        if found.url is None:
            raise pytest.UsageError(f"{REDIS} is set, but {found.description}")
        return found
    found = _try_redis("redis://127.0.0.1:6379/0")
    if found.url is not None:
        return found
    try:
        return _try_redis(servers.start_redis(), "private, ")
    except CannotStartError as reason:
        return Found(None, f"Redis NOT TESTED: none on port 6379 that may be used, and {reason}")


def _try_redis(url: str, note: str = "") -> Found:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3) as client:
            version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        return Found(None, f"Redis does not answer: {error}")
    return Found(url, f"Redis {version} ({note}{urlsplit(url).netloc.rpartition('@')[2]})")


def libpq(url: str) -> str:
    """A SQLAlchemy URL as libpq reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def sibling(url: str, database: str) -> str:
    """The URL of another database on the same server; options after `?` stay."""
    base, _, options = url.partition("?")
    return base.rpartition("/")[0] + f"/{database}" + (f"?{options}" if options else "")


@contextmanager
def new_database() -> Iterator[str]:
    """The URL of an empty PostgreSQL database that lasts as long as the block."""
    server = os.environ[POSTGRES]
    name = f"fhir_lab_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(libpq(server), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    try:
        yield sibling(server, name)
    finally:
        with psycopg.connect(libpq(server), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def empty(url: str) -> None:
    """Delete every row and restart the sequences. Deleting takes 1 ms where TRUNCATE of all tables takes 57."""
    deletes = [f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables)]
    restarts = [f'ALTER SEQUENCE "{sequence.name}" RESTART' for sequence in metadata._sequences.values()]
    with psycopg.connect(libpq(url), options="-c lock_timeout=20s") as connection:
        connection.execute("; ".join(deletes + restarts))


@contextmanager
def claimed_redis() -> Iterator[str]:
    """The URL of a Redis database that was empty and that no other worker takes, emptied again at the end."""
    for number in range(15, -1, -1):
        url = sibling(os.environ[REDIS], str(number))
        with redis.Redis.from_url(url) as client:
            if not client.set(CLAIM, os.getpid(), nx=True, ex=3600):
                continue
            if client.dbsize() > 1:
                client.delete(CLAIM)
                continue
            try:
                yield url
            finally:
                client.flushdb()
            return
    raise RuntimeError("Every Redis database holds keys; empty one for the tests, or name another Redis in " + REDIS)


def empty_redis(url: str) -> None:
    """Delete every key but the claim."""
    with redis.Redis.from_url(url) as client:
        keys = [key for key in client.scan_iter() if key != CLAIM.encode()]
        if keys:
            client.delete(*keys)
