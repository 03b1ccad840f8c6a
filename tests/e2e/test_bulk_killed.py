"""Bulk exports by real workers, killed with SIGKILL and cancelled in the middle, while others write."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import schema
from fhir_lab.storage.tables import job, job_part
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit
from tests.support.api import Api, observation, patient
from tests.support.bulk import downloaded, job_id, kick_off, manifest
from tests.support.commands import running, until

WORKER = ("fhir-lab", "worker", "--concurrency", "2")
RESULTS = 12_000
BATCH = 1_000


class Lab:
    """An installation on PostgreSQL and Redis, looked at from this process."""

    def __init__(self, folder: Path, database: str, broker: str) -> None:
        self.folder = folder
        settings = {
            "database_url": database,
            "broker_url": broker,
            "var": str(folder / "var"),
            "secret_key": "x" * 32,
            "job_lease_seconds": "1",
            "sweep_seconds": "0.3",
        }
        self.environment = {f"FHIR_LAB_{name.upper()}": value for name, value in settings.items()}
        given: dict[str, Any] = settings
        self.services = Services(Settings(_env_file=None, **given))
        self.api = Api(self.services)

    def write(self, *entries: Entry) -> None:
        """Store these in one transaction."""

        def work(connection: Any) -> None:
            apply(Unit(connection, system("writer"), self.services), entries)

        self.services.database.transact(work)

    def start(self, name: str) -> Any:
        """A worker process of this installation."""
        return running(*WORKER, folder=self.folder, settings=self.environment, name=name)

    def job(self, url: str) -> tuple[str, int]:
        """The state of a job, and how many resources it has exported; asked without polling."""
        query = select(job.c.state, job.c.progress).where(job.c.id == job_id(url))
        with self.services.database.read() as connection:
            state, progress = connection.execute(query).one()
        return state, int(progress.split()[0].replace(",", "")) if progress else 0


@pytest.fixture
def lab(tmp_path: Path, bare_postgres_url: str, redis_url: str) -> Iterator[Lab]:
    made = Lab(tmp_path, bare_postgres_url, redis_url)
    schema.upgrade(made.services.database)
    made.write(Entry("PUT", "Patient", id="p", resource=patient("p")))
    for start in range(0, RESULTS, BATCH):
        made.write(*(result(number, "first") for number in range(start, start + BATCH)))
    yield made
    made.api.close()
    made.services.close()


def exported(lab: Lab, url: str, least: int) -> bool:
    """Whether a job has exported so much."""
    return lab.job(url)[1] >= least


def result(number: int, note: str) -> Entry:
    name = f"o{number:05}"
    resource = observation("Patient/p", id=name, note=[{"text": note}])
    return Entry("PUT", "Observation", id=name, resource=resource)


class Writer(threading.Thread):
    """Changes, deletes and adds results until it is stopped."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._lab = lab
        self.stopped = threading.Event()
        self.writes = 0

    def run(self) -> None:
        """Write."""
        while not self.stopped.is_set():
            number = self.writes * 37 % RESULTS
            self._lab.write(result(number, "second"), result(RESULTS + self.writes, "new"))
            self._lab.write(Entry("DELETE", "Observation", id=f"o{(number + 1) % RESULTS:05}"))
            self.writes += 1
            time.sleep(0.005)


def test_an_export_whose_workers_are_killed_is_the_state_at_its_mark(lab: Lab) -> None:
    url = kick_off(lab.api)
    writer = Writer(lab)
    for turn, least in enumerate((1, RESULTS // 3)):
        with lab.start(f"killed-{turn}") as process:
            until(partial(exported, lab, url, least), "a part of the export", 60)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if turn == 0:
            writer.start()
    assert lab.api.get(url).status_code == 202
    with lab.start("last"):
        until(lambda: lab.job(url)[0] == "done", "the end of the export", 120)
    writer.stopped.set()
    writer.join()
    assert writer.writes > 10
    found = downloaded(lab.api, manifest(lab.api, url))
    assert [resource["id"] for resource in found["Patient"]] == ["p"]
    lines = sorted((resource["id"], resource["note"][0]["text"]) for resource in found["Observation"])
    assert lines == [(f"o{number:05}", "first") for number in range(RESULTS)]


def test_a_cancelled_export_stops_and_leaves_nothing(lab: Lab) -> None:
    url = kick_off(lab.api)
    with lab.start("worker"):
        until(partial(exported, lab, url, 1), "a part of the export", 60)
        assert lab.api.delete(url).status_code == 202
        assert lab.api.get(url).status_code == 404
        again = kick_off(lab.api, "/$export?_type=Patient")
        until(lambda: lab.job(again)[0] == "done", "the end of another export", 60)
    with lab.services.database.read() as connection:
        held = connection.execute(select(job_part.c.job_id).distinct()).scalars().all()
    assert held == [job_id(again)]
