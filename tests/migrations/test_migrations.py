"""The migrations build exactly the schema that the tables describe, on both databases, and take it away again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from fhir_lab.storage import schema
from fhir_lab.storage.database import Database
from fhir_lab.storage.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{tmp_path / 'bare.db'}" if sqlite else request.getfixturevalue("bare_postgres_url"))
    yield database
    database.dispose()


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def things_in(database: Database) -> set[str]:
    inspector = inspect(database.engine)
    sequences = inspector.get_sequence_names() if database.dialect == "postgresql" else []
    return {*inspector.get_table_names(), *sequences} - {"alembic_version"}


def test_upgrade_gives_the_schema_that_the_code_describes(bare: Database) -> None:
    assert schema.upgrade(bare)
    assert differences(bare) == []
    sequences = set(metadata._sequences) if bare.dialect == "postgresql" else set()
    assert things_in(bare) == set(metadata.tables) | sequences
    assert schema.is_current(bare)


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
