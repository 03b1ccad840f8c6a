"""The database server itself: what it says for `fhir-lab doctor`, and its statistics after a load."""

from sqlalchemy import text

from fhir_lab.storage.database import Database


def version(database: Database) -> str:
    """`15.3` or `3.45.1`. Raises `Unavailable`."""
    query = "SHOW server_version" if database.dialect == "postgresql" else "SELECT sqlite_version()"
    with database.read() as connection:
        return str(connection.execute(text(query)).scalar_one()).split()[0]


def clock(database: Database) -> int | None:
    """The server's time in microseconds UTC; None for SQLite, which has only this machine's. Raises `Unavailable`."""
    if database.dialect == "sqlite":
        return None
    with database.read() as connection:
        return int(connection.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000000")).scalar_one())


def gather_statistics(database: Database) -> None:
    """Let PostgreSQL count anew what a load brought, instead of planning for empty tables until autovacuum comes.

    SQLite keeps the estimates that the migrations give it. Raises `Unavailable`.
    """
    if database.dialect == "postgresql":
        with database.read() as connection:
            connection.execute(text("ANALYZE"))
