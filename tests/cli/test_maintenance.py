"""`adopt`, `reindex`, `doctor`: what a laboratory runs on its own installation."""

from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text

from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.tables import idx_token, patient, resource
from tests.support.commands import call


@pytest.fixture
def services(installation: Path) -> Services:
    """The services of the installation."""
    return Services(Settings())


def load_a_patient(installation: Path) -> None:
    (installation / "p.json").write_text('{"resourceType": "Patient", "id": "a", "language": "de", "gender": "female"}')
    assert call("load", "p.json").code == 0


def test_rows_that_the_laboratory_inserted_become_documents(installation: Path, services: Services) -> None:
    with services.database.write() as connection:
        connection.execute(insert(patient).values(pk=900_001, family="Okoye", given="Amara", gender="female"))
        connection.execute(insert(patient).values(pk=900_002, family="Weller", gender="banana"))
    done = call("adopt", "patient")
    assert done.code == 1
    assert done.out == "patient: 1 rows adopted\n"
    assert done.err.startswith("patient 900002 not adopted: ")
    with services.database.read() as connection:
        (content,) = connection.execute(select(resource.c.content).where(resource.c.type == "Patient")).scalars()
    assert '"name":[{"family":"Okoye","given":["Amara"]}]' in content
    services.close()


def test_an_unknown_table_is_refused(sqlite_installation: Path) -> None:
    done = call("adopt", "pationt")
    assert (done.code, "no lab table" in done.err) == (1, True)


def test_reindex_brings_back_rows_that_were_lost(installation: Path, services: Services) -> None:
    load_a_patient(installation)
    with services.database.read() as connection:
        before = connection.execute(select(idx_token).order_by(idx_token.c.param)).all()
    assert before
    with services.database.write() as connection:
        connection.execute(delete(idx_token))
        connection.execute(text("UPDATE patient SET gender = NULL"))
    assert call("reindex").out == "Reindexed 1 resources.\n"
    with services.database.read() as connection:
        assert connection.execute(select(idx_token).order_by(idx_token.c.param)).all() == before
        assert connection.execute(select(patient.c.gender)).scalar_one() == "female"
    services.close()


def test_doctor_finds_a_sound_installation_sound(installation: Path) -> None:
    done = call("doctor")
    assert (done.code, "wrong" in done.out) == (0, False)
    subjects = [line.split()[1] for line in done.out.splitlines()]
    assert subjects == ["versions", "public", "database", "clock", "schema", "journal", "keys", "inbox", "broker"]


def test_doctor_says_what_to_do_about_each_thing_that_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "occupied").write_text("a file where a folder should be")
    monkeypatch.setenv("FHIR_LAB_PUBLIC_URL", "http://lab.example")
    monkeypatch.setenv("FHIR_LAB_INBOX", "occupied/inbox")
    monkeypatch.setenv("FHIR_LAB_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("FHIR_LAB_REDIS_URL", "redis://127.0.0.1:1/0")
    done = call("doctor")
    assert done.code == 1
    wrong = [line.split()[1] for line in done.out.splitlines() if line.startswith("wrong")]
    assert wrong == ["public", "schema", "inbox", "broker", "redis"]
    assert "-> Run: fhir-lab migrate" in done.out


def test_doctor_names_a_database_that_does_not_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_LAB_DATABASE_URL", "postgresql+psycopg://lab:secret@127.0.0.1:1/none")
    done = call("doctor")
    assert done.code == 1
    assert "Connection refused" in done.out
    assert "secret" not in done.out


def test_doctor_reports_keys_that_others_may_read(sqlite_installation: Path) -> None:
    call("token")
    key = sqlite_installation / "var" / "keys" / "signing-1.json"
    assert key.stat().st_mode & 0o077 == 0
    key.chmod(0o644)
    assert "Others may read signing-1.json" in call("doctor").out


def test_doctor_without_a_worker_says_to_start_one(
    sqlite_installation: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_LAB_BROKER_URL", redis_url)
    done = call("doctor")
    assert "-> Run: fhir-lab worker" in done.out
