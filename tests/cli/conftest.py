"""Installations to run `fhir-lab` in: an empty working folder, with a schema or without."""

from pathlib import Path

import pytest

from tests.support.commands import call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the commands, empty."""
    place = tmp_path / "installation"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def sqlite_installation(folder: Path) -> Path:
    """An installation on SQLite that has a schema."""
    assert call("migrate").code == 0
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation that has a schema, on each database in turn."""
    if request.param == "postgresql":
        monkeypatch.setenv("FHIR_LAB_DATABASE_URL", request.getfixturevalue("bare_postgres_url"))
    assert call("migrate").code == 0
    return folder
