"""`fhir-lab reindex` beside a real server: killed in the middle, it goes on, and its parameter is exact at once."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.tables import reindex_run
from tests.support.commands import run, running, until
from tests.support.parameters import RACE, URL, parameter
from tests.support.private_servers import free_port

PATIENTS = 3000
KILLED_AFTER = 400


class Installation:
    """A folder with a schema, patients, and a server of its own."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = {
            "FHIR_LAB_DATABASE_URL": database,
            "FHIR_LAB_VAR": str(folder / "var"),
            "FHIR_LAB_SECRET_KEY": "x" * 32,
            "FHIR_LAB_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
        }
        var = folder / "var"
        self.services = Services(Settings(_env_file=None, database_url=database, var=var, secret_key="x" * 32))
        self.do("migrate")
        lines = [json.dumps(patient(f"p{n}", str(n % 10))) for n in range(PATIENTS)]
        (folder / "patients.ndjson").write_text("\n".join(lines))
        self.do("load", "patients.ndjson")
        token = self.do("token", "--scope", "system/*.cruds").strip()
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/fhir/R4/", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def do(self, *command: str) -> str:
        """Run a command; what it printed."""
        done = run("fhir-lab", *command, folder=self.folder, settings=self.settings, seconds=120)
        assert done.code == 0, done.err
        return done.out

    def serving(self) -> bool:
        """Whether the server answers."""
        try:
            return self.client.get("metadata").status_code == 200
        except httpx.TransportError:
            return False

    def rebuilt(self) -> int:
        """How many resources the run has done that is going on."""
        with self.services.database.read() as connection:
            return connection.execute(select(reindex_run.c.done)).scalar() or 0


def patient(patient_id: str, code: str) -> dict[str, object]:
    extension = [{"url": RACE, "valueCoding": {"code": code}}]
    return {"resourceType": "Patient", "id": patient_id, "extension": extension}


@pytest.fixture(params=["sqlite", "postgresql"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    sqlite = request.param == "sqlite"
    made = Installation(
        tmp_path, f"sqlite:///{tmp_path / 'lab.db'}" if sqlite else request.getfixturevalue("bare_postgres_url")
    )
    yield made
    made.client.close()
    made.services.close()


def test_a_killed_reindex_goes_on_beside_writers_and_the_parameter_is_exact(lab: Installation) -> None:
    serve = ("fhir-lab", "serve", "--port", str(lab.port))
    with running(*serve, folder=lab.folder, settings=lab.settings, name="serve"):
        until(lab.serving, "an answer of the server")
        body = parameter("race", "token", f"Patient.extension.where(url = '{RACE}').value.as(Coding)")
        assert lab.client.put("SearchParameter/race", json=body).status_code == 201
        over = threading.Event()
        current = {f"p{n}": str(n % 10) for n in range(PATIENTS)}
        refused: list[int] = []

        def write() -> None:
            n = 0
            while not over.is_set():
                n += 1
                name = f"p{n * 37 % PATIENTS}" if n % 3 else f"new{n}"
                current[name] = str(n % 10)
                status = lab.client.put(f"Patient/{name}", json=patient(name, str(n % 10))).status_code
                refused.extend([status] if status not in (200, 201) else [])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            reindex = ("fhir-lab", "reindex", "--parameter", f"{URL}race")
            with running(*reindex, folder=lab.folder, settings=lab.settings, name="killed") as process:
                until(lambda: lab.rebuilt() >= KILLED_AFTER, "some progress")
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert KILLED_AFTER <= lab.rebuilt() < PATIENTS
            assert lab.client.get("Patient?race=1").status_code == 400
            told = lab.do("reindex", "--parameter", f"{URL}race")
        finally:
            over.set()
            writer.join()
        assert told.startswith("Going on after ")
        assert refused == []
        for code in ("1", "7"):
            page = lab.client.get(f"Patient?race={code}&_count=1000&_total=accurate").json()
            found = {entry["resource"]["id"] for entry in page["entry"]}
            assert found == {name for name, own in current.items() if own == code}
            assert page["total"] == len(found)
        assert lab.do("reindex", "--parameter", f"{URL}race").startswith("Reindexed ")
