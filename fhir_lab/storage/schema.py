"""The version of the database's schema: what it is, what this release needs, and how to get there.

The versions are Alembic migrations in the package `migrations`; each upgrade is one transaction on both databases.
"""

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from fhir_lab.storage.database import Database
from fhir_lab.storage.tables.text import is_virtual

if TYPE_CHECKING:
    from alembic.config import Config

# Two processes that start together migrate one after the other.
_LOCK = 0x46484952


def is_compared(connection: Connection, name: str | None, kind: str) -> bool:
    """What Alembic compares with the tables of the code: not what only one of the databases can have.

    These are SQLite's virtual tables and PostgreSQL's indexes of spans.
    """
    if kind == "index":
        return not (name or "").endswith("_span")
    return kind != "table" or not is_virtual(connection, name)


def upgrade(database: Database, revision: str = "head") -> bool:
    """Bring the schema up to `revision`; True when something was done. Raises `Unavailable`."""
    if revision == "head" and is_current(database):
        return False
    from alembic import command

    with database.write() as connection:
        command.upgrade(_config(_locked(connection)), revision)
    return True


def downgrade(database: Database, revision: str = "base") -> None:
    """Take the schema back to `revision`; `base` removes every table. Raises `Unavailable`."""
    from alembic import command

    with database.write() as connection:
        command.downgrade(_config(_locked(connection)), revision)


def is_current(database: Database) -> bool:
    """True when the schema is the one this release needs. Raises `Unavailable`."""
    return current(database) == head()


def current(database: Database) -> str | None:
    """The revision the database is at; None for a database without the schema. Raises `Unavailable`."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@cache
def head() -> str:
    """The revision this release needs: the one that no other builds upon.

    Read from the files' text, because every start of every process asks and loading Alembic takes 0.2 s.
    """
    sources = [
        file.read_text() for file in resources.files("migrations.versions").iterdir() if file.name.endswith(".py")
    ]
    revisions = {found for source in sources for found in _assigned("revision", source)}
    built_upon = {found for source in sources for found in _assigned("down_revision", source)}
    (last,) = revisions - built_upon
    return last


def _assigned(name: str, source: str) -> list[str]:
    return re.findall(rf"""^{name}(?:\s*:[^=]+)?\s*=\s*["'](\w+)["']""", source, re.MULTILINE)


def _locked(connection: Connection) -> Connection:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    return connection


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("migrations")))
    config.attributes["connection"] = connection
    return config
