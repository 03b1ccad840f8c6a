"""Worker, watcher and sweeper inside one process: a file becomes resources and a notification, soon and cleanly."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from fhir_lab.services import Services
from fhir_lab.storage import journal
from fhir_lab.storage.tables import metadata
from fhir_lab.worker import Embedded
from tests.support.api import Api
from tests.support.oru import counts, entries, journaled, oru
from tests.support.receiver import Receiver, listening
from tests.support.subscribing import create, queued, stored, subscription

URL = "http://127.0.0.1:8000/api/v1/messages"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as found:
        yield found


@pytest.fixture
def lab(services: Services) -> Iterator[Services]:
    """Services that wait for nothing long."""
    quick: dict[str, Any] = {"inbox_stable_seconds": 0.0, "inbox_poll_seconds": 0.02, "sweep_seconds": 0.2}
    found = Services(services.settings.model_copy(update=quick | {"outbound_allow": ("127.0.0.1",)}))
    yield found
    found.close()


def soon(done: Callable[[], object], seconds: float = 15) -> None:
    """Wait until it is so."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def states(lab: Services) -> list[str]:
    return [entry["state"] for entry in entries(lab)]


def test_a_dropped_file_ends_as_a_notification(lab: Services, receiver: Receiver) -> None:
    hook = subscription(
        f"{receiver.url}/new", "DiagnosticReport?status=final", channel={"payload": "application/fhir+json"}
    )
    with Embedded(lab):
        made = create(lab, hook)
        soon(lambda: stored(lab, "Subscription", made.id)["status"] == "active")
        (lab.settings.inbox_folder / "a.hl7").write_bytes(oru("5.10", "6"))
        (got,) = receiver.wait_for(1)
    assert (got.method, got.path) == ("POST", "/new")
    assert b'"resourceType":"DiagnosticReport"' in got.body
    assert states(lab) == ["processed"]
    assert counts(lab)["Observation"] == 2
    assert queued(lab, "number", "state") == [(1, "delivered")]
    assert [path.name for path in lab.settings.inbox_folder.parent.joinpath("processed").rglob("*.hl7")] == ["a.hl7"]


def test_a_write_over_http_is_notified_without_waiting_for_the_sweep(lab: Services, receiver: Receiver) -> None:
    slow = Services(lab.settings.model_copy(update={"sweep_seconds": 60.0}))
    api = Api(slow)
    with Embedded(slow, watch=False):
        assert api.post("/Subscription", subscription(receiver.url, "Patient")).status_code == 201
        assert api.post("/Patient", {"resourceType": "Patient"}).status_code == 201
        receiver.wait_for(1)
    api.close()
    slow.close()


def test_an_upload_is_processed(lab: Services) -> None:
    api = Api(lab)
    with Embedded(lab, watch=False):
        request = httpx.Request("POST", URL, files={"files": ("a.hl7", oru("5"))})
        answer = api.call("POST", URL, request.read(), content_type=request.headers["content-type"])
        assert answer.status_code == 202
        soon(lambda: states(lab) == ["processed"])
    api.close()


def test_it_works_in_process_even_where_a_broker_is_set(lab: Services) -> None:
    found = Services(lab.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))
    with Embedded(found):
        (found.settings.inbox_folder / "a.hl7").write_bytes(oru("5"))
        soon(lambda: states(found) == ["processed"])
    found.close()


def test_it_starts_and_stops_at_once(sqlite_services: Services) -> None:
    began = time.process_time()
    embedded = Embedded(sqlite_services)
    embedded.start()
    assert time.process_time() - began < 0.5
    stopping = time.perf_counter()
    embedded.stop()
    assert time.perf_counter() - stopping < 5
    assert not any(thread.is_alive() for thread in embedded._threads)


def test_what_an_earlier_process_left_is_taken_up_at_the_start(lab: Services) -> None:
    waiting, dead = journaled(lab, oru("5"), oru("6", control="2", order="L2"))
    now = lab.clock.now()
    assert lab.database.transact(lambda connection: journal.take(connection, dead, now=now, lease=60_000_000))
    with Embedded(lab):
        soon(lambda: states(lab) == ["processed"] * 2)
    assert [entry["attempts"] for entry in entries(lab)] == [1, 2]
    assert waiting != dead


def test_two_installations_in_one_process_keep_apart(
    sqlite_services: Services, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("other")
    quick = {"inbox_stable_seconds": 0.0, "inbox_poll_seconds": 0.02}
    one = Services(sqlite_services.settings.model_copy(update=quick))
    two = Services(one.settings.model_copy(update={"var": folder, "database_url": ""}))
    metadata.create_all(two.database.engine)
    with Embedded(one), Embedded(two):
        (one.settings.inbox_folder / "one.hl7").write_bytes(oru("1"))
        (two.settings.inbox_folder / "two.hl7").write_bytes(oru("2"))
        soon(lambda: states(one) == states(two) == ["processed"])
    assert [[entry["file"] for entry in entries(lab)] for lab in (one, two)] == [["one.hl7"], ["two.hl7"]]
    one.close()
    two.close()


def test_many_files_at_once_are_all_processed(lab: Services) -> None:
    with Embedded(lab):
        for number in range(60):
            data = oru("5", "6", control=str(number), order=f"L{number}", patient=f"P{number % 7}")
            (lab.settings.inbox_folder / f"{number}.hl7").write_bytes(data)
        soon(lambda: states(lab) == ["processed"] * 60, 60)
    assert (counts(lab)["Patient"], counts(lab)["Observation"]) == (7, 120)
