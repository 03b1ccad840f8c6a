"""How Alembic reaches the database: on the connection `fhir_lab.storage.schema` hands over, else by the settings."""

from alembic import context
from sqlalchemy import Connection

from fhir_lab.settings import Settings
from fhir_lab.storage.database import Database
from fhir_lab.storage.schema import is_compared
from fhir_lab.storage.tables import metadata


def run(connection: Connection) -> None:
    """Run the migrations on an open connection; who opened it commits."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        include_object=lambda _, name, kind, *__: is_compared(connection, name, kind),
    )
    with context.begin_transaction():
        context.run_migrations()


def run_from_alembic_command() -> None:
    """Serve the `alembic` command: its database is the one of the settings."""
    settings = Settings()
    if not settings.database_url:
        settings.var.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    with database.write() as connection:
        run(connection)
    database.dispose()


handed_over: Connection | None = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise SystemExit("Migrations run on a database, not as a script of SQL: leave out --sql.")
if handed_over is not None:
    run(handed_over)
else:
    run_from_alembic_command()
