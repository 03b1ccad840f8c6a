"""One snapshot: whatever is written meanwhile, however often the worker dies, an export is the state at its mark."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from fhir_lab.bulk import export as export_module
from fhir_lab.bulk import run as run_module
from fhir_lab.bulk.export import Export
from fhir_lab.bulk.run import run
from fhir_lab.search import snapshot
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage import jobs, settled
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit
from tests.support.api import Api, observation, patient
from tests.support.bulk import downloaded, job_id, kick_off, manifest, work

Json = dict[str, Any]
Lines = dict[str, list[Json]]
PATHS = [
    "/$export",
    "/$export?_type=Observation,Patient&_typeFilter=Observation%3Fstatus%3Dfinal,Patient%3Fgender%3Dmale",
    "/Patient/$export",
    "/Group/g/$export",
    "/$export?_since=2020-01-01T00:00:00Z",
]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is one step, and a step a few lines."""
    monkeypatch.setattr(export_module, "LINES_AT_ONCE", 3)
    monkeypatch.setattr(run_module, "TURN_SECONDS", 0.0)


class Writers:
    """Writes at random: creates, changes so that resources leave or enter a selection, deletes, brings back."""

    def __init__(self, services: Services, seed: int) -> None:
        self._services = services
        self._random = random.Random(seed)
        self._made = 0

    def write(self, *entries: Entry) -> None:
        def work(connection: Any) -> None:
            apply(Unit(connection, system("writer"), self._services), entries)

        self._services.database.transact(work)

    def begin(self) -> None:
        """Six patients with some results, and a Group of two of them."""
        self.write(*(self._patient(f"p{number}") for number in range(6)))
        members = [{"entity": {"reference": f"Patient/p{number}"}} for number in (1, 4)]
        group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": members}
        self.write(Entry("PUT", "Group", id="g", resource=group))
        self.write(*(self._result(f"o{number}") for number in range(25)))

    def some(self) -> None:
        """A few writes."""
        for _ in range(self._random.randrange(1, 6)):
            chosen = self._random.random()
            if chosen < 0.5:
                self.write(self._result(f"o{self._random.randrange(25)}"))
            elif chosen < 0.7:
                self.write(Entry("DELETE", "Observation", id=f"o{self._random.randrange(25)}"))
            elif chosen < 0.85:
                self._made += 1
                self.write(self._result(f"new{self._made}"))
            else:
                self.write(self._patient(f"p{self._random.randrange(6)}"))

    def _patient(self, name: str) -> Entry:
        gender = self._random.choice(["male", "female"])
        return Entry("PUT", "Patient", id=name, resource=patient(name, gender=gender, active=self._flag()))

    def _result(self, name: str) -> Entry:
        subject = f"Patient/p{self._random.randrange(6)}"
        status = self._random.choice(["final", "preliminary"])
        note = [{"text": str(self._random.random())}]
        return Entry("PUT", "Observation", id=name, resource=observation(subject, id=name, status=status, note=note))

    def _flag(self) -> bool:
        return self._random.random() < 0.5


def result(api: Api, url: str) -> tuple[Lines, list[str]]:
    """What a job that is done gives, by type and id, and what it tells was deleted."""
    found = manifest(api, url)
    bundles = downloaded(api, found, "deleted").get("Bundle", [])
    deleted = sorted(entry["request"]["url"] for bundle in bundles for entry in bundle["entry"])
    by_id = {
        kind: sorted(resources, key=lambda resource: resource["id"])
        for kind, resources in downloaded(api, found).items()
    }
    return by_id, deleted


def alone(api: Api, path: str) -> tuple[Lines, list[str]]:
    """What an export gives while nobody writes."""
    url = kick_off(api, path)
    work(api.services, url)
    return result(api, url)


def begun(api: Api, path: str) -> tuple[str, tuple[Lines, list[str]]]:
    """A job whose mark is taken, and what it must give."""
    expected = alone(api, path)
    url = kick_off(api, path)
    assert run(api.services, job_id(url)) is True
    return url, expected


def let_the_lease_run_out(services: Services) -> None:
    services.database.transact(lambda connection: connection.execute(text("UPDATE job SET due = 0")))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("seed", [1, 2])
def test_writers_change_nothing_of_an_export_that_has_begun(api: Api, path: str, seed: int) -> None:
    writers = Writers(api.services, seed)
    writers.begin()
    writers.some()
    url, expected = begun(api, path)
    while True:
        writers.some()
        if not run(api.services, job_id(url)):
            break
    assert result(api, url) == expected
    assert alone(api, path) != expected


def test_a_change_between_the_two_statements_of_a_step_is_neither_lost_nor_repeated(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = Writers(api.services, 3)
    writers.begin()
    url, expected = begun(api, "/$export")
    plain: Callable[..., Any] = snapshot._changed

    def interrupted(*arguments: Any) -> Any:
        writers.some()
        return plain(*arguments)

    monkeypatch.setattr(snapshot, "_changed", interrupted)
    work(api.services, url)
    assert result(api, url) == expected


class Killed(BaseException):
    """Ends a worker where it stands: nothing catches it, nothing is tidied up."""


@pytest.mark.parametrize("path", PATHS)
def test_a_worker_killed_in_any_step_is_followed_by_one_that_goes_on(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = Writers(api.services, 4)
    writers.begin()
    url, expected = begun(api, path)
    store = Export._store
    kills = iter(range(1000))

    def dies_at_the_end(self: Export, *arguments: Any) -> None:
        store(self, *arguments)
        if next(kills) % 2 == 0:
            raise Killed

    monkeypatch.setattr(Export, "_store", dies_at_the_end)
    more = True
    while more:
        writers.some()
        try:
            more = run(api.services, job_id(url))
        except Killed:
            let_the_lease_run_out(api.services)
    assert result(api, url) == expected


def test_a_worker_that_lost_its_lease_adds_nothing_more(api: Api) -> None:
    writers = Writers(api.services, 5)
    writers.begin()
    url, expected = begun(api, "/$export")
    services = api.services

    def taken() -> Export:
        let_the_lease_run_out(services)
        held = services.database.transact(
            lambda connection: jobs.take(connection, job_id(url), now=services.clock.now(), lease=1)
        )
        assert held is not None
        return Export(services, held)

    slow = taken()
    assert slow.step()
    quick = taken()
    assert quick.step()
    with pytest.raises(jobs.JobLostError):
        slow.step()
    let_the_lease_run_out(services)
    work(services, url)
    assert result(api, url) == expected


def test_a_write_under_way_is_waited_for_and_exported(postgres_services: Services) -> None:
    services = postgres_services
    api = Api(services)
    url = kick_off(api)
    entry = Entry("PUT", "Patient", id="slow", resource=patient("slow"))
    worker = threading.Thread(target=run, args=(services, job_id(url)))
    with services.database.write() as connection:
        apply(Unit(connection, system("writer"), services), [entry])
        worker.start()
        worker.join(0.3)
        assert worker.is_alive()
    worker.join(10)
    assert not worker.is_alive()
    work(services, url)
    assert [line["id"] for line in downloaded(api, manifest(api, url))["Patient"]] == ["slow"]
    api.close()


def test_no_write_gets_its_numbers_while_the_mark_is_taken(postgres_services: Services) -> None:
    services = postgres_services
    writers = Writers(services, 6)
    writers.begin()
    entry = Entry("PUT", "Patient", id="late", resource=patient("late"))
    with services.database.write() as connection:
        taken = settled.take(connection, services.clock)
        writer = threading.Thread(target=writers.write, args=(entry,))
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
    writer.join(10)
    with services.database.read() as connection:
        seq, at = connection.execute(text("SELECT seq, last_updated FROM resource WHERE id = 'late'")).one()
    assert seq > taken.seq
    assert at > taken.at
