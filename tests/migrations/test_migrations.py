"""The migrations build exactly the schema that the tables describe, on both databases, and take it away again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from fhir_lab.storage import schema
from fhir_lab.storage.database import Database
from fhir_lab.storage.tables import metadata
from fhir_lab.storage.tables.text import SHADOWS


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{tmp_path / 'bare.db'}" if sqlite else request.getfixturevalue("bare_postgres_url"))
    yield database
    database.dispose()


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        options = {"include_object": lambda _, name, kind, *__: schema.is_compared(connection, name, kind)}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def things_in(database: Database) -> set[str]:
    inspector = inspect(database.engine)
    sequences = inspector.get_sequence_names() if database.dialect == "postgresql" else []
    return {*inspector.get_table_names(), *sequences} - {"alembic_version"} - SHADOWS


def test_upgrade_gives_the_schema_that_the_code_describes(bare: Database) -> None:
    assert schema.upgrade(bare)
    assert differences(bare) == []
    sequences = set(metadata._sequences) if bare.dialect == "postgresql" else set()
    assert things_in(bare) == set(metadata.tables) | sequences
    assert schema.is_current(bare)


DEFINITIONS = {
    "sqlite": [
        "SELECT type, name, tbl_name FROM sqlite_master",
        "SELECT sql FROM sqlite_master WHERE type <> 'table' OR sql LIKE 'CREATE VIRTUAL%'",
    ],
    "postgresql": [
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint",
        "SELECT table_name, column_name, data_type, column_default, is_nullable, character_maximum_length"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    ],
}


def definitions(database: Database) -> set[tuple[object, ...]]:
    with database.read() as connection:
        rows = {tuple(row) for query in DEFINITIONS[database.dialect] for row in connection.execute(text(query))}
    return {row for row in rows if "alembic_version" not in str(row)}


def test_upgrade_gives_the_same_indexes_constraints_and_defaults_as_the_tables(bare: Database) -> None:
    metadata.create_all(bare.engine)
    created = definitions(bare)
    metadata.drop_all(bare.engine)
    schema.upgrade(bare)
    assert definitions(bare) == created


def test_a_second_upgrade_does_nothing(bare: Database) -> None:
    schema.upgrade(bare)
    assert not schema.upgrade(bare)


def test_downgrade_leaves_nothing_and_upgrade_works_again(bare: Database) -> None:
    schema.upgrade(bare)
    schema.downgrade(bare)
    assert things_in(bare) == set()
    assert schema.current(bare) is None
    assert schema.upgrade(bare)
    assert differences(bare) == []


def test_a_failing_upgrade_leaves_nothing_behind(bare: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic.operations import Operations

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(Operations, "create_index", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        schema.upgrade(bare)
    assert things_in(bare) == set()
    assert schema.current(bare) is None


def test_the_revision_read_from_the_files_is_alembics_own_head() -> None:
    from alembic.script import ScriptDirectory

    assert schema.head() == ScriptDirectory("migrations").get_current_head()
