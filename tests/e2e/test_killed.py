"""Processes killed with SIGKILL in the middle of their work: everything accepted is done, and done once."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from fhir_lab.ingest.intake import announce
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import schema
from fhir_lab.storage.tables import change, message
from tests.support.commands import running, until
from tests.support.oru import counts, entries, journaled, oru
from tests.support.private_servers import free_port
from tests.support.receiver import Receiver, listening
from tests.support.subscribing import create, queued, stored, subscription

MESSAGES = 60
WORKER = ("fhir-lab", "worker", "--concurrency", "2")


class Lab:
    """An installation of processes on PostgreSQL and Redis, looked at from this process."""

    def __init__(self, folder: Path, database: str, broker: str) -> None:
        self.folder = folder
        self.environment = {
            "FHIR_LAB_DATABASE_URL": database,
            "FHIR_LAB_BROKER_URL": broker,
            "FHIR_LAB_VAR": str(folder / "var"),
            "FHIR_LAB_SECRET_KEY": "x" * 32,
            "FHIR_LAB_MESSAGE_LEASE_SECONDS": "2",
            "FHIR_LAB_SWEEP_SECONDS": "0.3",
            "FHIR_LAB_INBOX_STABLE_SECONDS": "0",
            "FHIR_LAB_INBOX_POLL_SECONDS": "0.05",
            "FHIR_LAB_WEBHOOK_TIMEOUT_SECONDS": "0.5",
            "FHIR_LAB_OUTBOUND_ALLOW": '["127.0.0.1"]',
        }
        settings: dict[str, Any] = {
            name.removeprefix("FHIR_LAB_").lower(): value for name, value in self.environment.items()
        }
        settings["outbound_allow"] = ("127.0.0.1",)
        self.services = Services(Settings(_env_file=None, **settings))

    def start(self, *command: str, name: str) -> Any:
        """A process of this installation."""
        return running(*command, folder=self.folder, settings=self.environment, name=name)

    def ended(self) -> int:
        """How many messages have ended."""
        with self.services.database.read() as connection:
            waiting = message.c.state != "received"
            return int(connection.scalar(select(func.count()).select_from(message).where(waiting)) or 0)

    def has_ended(self, count: int) -> bool:
        """Whether so many messages have ended."""
        return self.ended() >= count

    def journaled(self, count: int) -> bool:
        """Whether so many messages are in the journal."""
        return len(entries(self.services)) >= count

    def kill_at(self, process: subprocess.Popen[bytes], count: int) -> None:
        """Kill a process and its children when so many messages have ended."""
        until(partial(self.has_ended, count), f"the end of {count} messages", 60)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def lab(tmp_path: Path, bare_postgres_url: str, redis_url: str) -> Iterator[Lab]:
    made = Lab(tmp_path, bare_postgres_url, redis_url)
    schema.upgrade(made.services.database)
    yield made
    made.services.close()


def message_files(count: int) -> list[bytes]:
    return [oru("5", "6", control=str(n), order=f"L{n}", patient=f"P{n % 9}") for n in range(count)]


def each_was_done_once(services: Services, count: int) -> None:
    """Every message is processed, and no resource was written more often than once by each message."""
    found = entries(services)
    assert [entry["state"] for entry in found] == ["processed"] * count
    made = counts(services)
    assert (made["Patient"], made["ServiceRequest"], made["Observation"]) == (9, count, 2 * count)
    assert (made["DiagnosticReport"], made["Provenance"]) == (count, count)
    with services.database.read() as connection:
        per_message = select(change.c.message_id, func.count()).where(change.c.type == "Provenance")
        written = connection.execute(per_message.group_by(change.c.message_id)).all()
    assert sorted(written) == sorted((entry["id"], 1) for entry in found)


def test_workers_killed_in_the_middle_lose_nothing_and_do_nothing_twice(lab: Lab) -> None:
    services = lab.services
    announce(services, journaled(services, *message_files(MESSAGES)))
    for turn, count in enumerate((MESSAGES // 4, MESSAGES // 2)):
        with lab.start(*WORKER, name=f"killed-{turn}") as process:
            lab.kill_at(process, count)
    assert lab.ended() < MESSAGES
    with lab.start(*WORKER, name="last"):
        until(lambda: lab.ended() == MESSAGES, "the end of every message", 60)
    each_was_done_once(services, MESSAGES)


def test_a_killed_child_of_a_worker_is_replaced(lab: Lab) -> None:
    services = lab.services
    announce(services, journaled(services, *message_files(MESSAGES)))
    with lab.start(*WORKER, name="worker") as process:
        for count in (10, 25):
            until(partial(lab.has_ended, count), f"the end of {count} messages", 60)
            os.kill(children_of(process.pid)[0], signal.SIGKILL)
        until(lambda: lab.ended() == MESSAGES, "the end of every message", 60)
    each_was_done_once(services, MESSAGES)


def children_of(pid: int) -> list[int]:
    """The processes that this one started."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def test_a_watcher_killed_in_the_middle_loses_no_file(lab: Lab) -> None:
    services = lab.services
    inbox = services.settings.inbox_folder
    inbox.mkdir(parents=True)
    for number, data in enumerate(message_files(MESSAGES)):
        (inbox / f"{number}.hl7").write_bytes(data)
    for turn, count in enumerate((15, 35)):
        with lab.start("fhir-lab", "watch", name=f"watch-{turn}") as process:
            until(partial(lab.journaled, count), f"{count} files", 60)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    with lab.start("fhir-lab", "watch", name="watch"), lab.start(*WORKER, name="worker"):
        until(lambda: len(list(inbox.parent.joinpath("processed").rglob("*.hl7"))) >= MESSAGES, "every file", 60)
        until(lambda: lab.ended() == len(entries(services)) >= MESSAGES, "the end of every message", 60)
    each_was_done_once(services, MESSAGES)
    assert list(inbox.iterdir()) == list((inbox.parent / "work").iterdir()) == []


def test_an_embedded_installation_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "", "memory://")
    services = lab.services
    (tmp_path / "var" / "inbox").mkdir(parents=True)
    for number, data in enumerate(message_files(MESSAGES)):
        (services.settings.inbox_folder / f"{number}.hl7").write_bytes(data)
    schema.upgrade(services.database)
    command = ("fhir-lab", "serve", "--all-in-one", "--port", str(free_port()))
    for turn, count in enumerate((MESSAGES // 4, MESSAGES // 2)):
        with lab.start(*command, name=f"killed-{turn}") as process:
            lab.kill_at(process, count)
    with lab.start(*command, name="last"):
        until(lambda: lab.ended() == MESSAGES, "the end of every message", 60)
    each_was_done_once(services, MESSAGES)
    services.close()


def test_a_killed_deliverer_repeats_at_most_what_it_was_sending(lab: Lab) -> None:
    services = lab.services
    with listening() as receiver:
        hook = subscription(receiver.url, "Observation", channel={"payload": "application/fhir+json"})
        subscribed = create(services, hook)
        with lab.start(*WORKER, name="first") as process:
            until(lambda: stored(services, "Subscription", subscribed.id)["status"] == "active", "activation")
            receiver.delay = 0.02
            announce(services, journaled(services, *message_files(30)))
            until(lambda: len(receiver.got) >= 15, "some notifications")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with lab.start(*WORKER, name="second"):
            until(lambda: delivered(services) == 60, "every notification", 90)
        told_in_order(services, receiver)


def delivered(services: Services) -> int:
    return sum(state == "delivered" for (state,) in queued(services, "state"))


def told_in_order(services: Services, receiver: Receiver) -> None:
    focuses = [focus.partition("/")[2] for (focus,) in queued(services, "focus")]
    got = [request.body.split(b'"id":"')[1].split(b'"')[0].decode() for request in receiver.got]
    assert list(dict.fromkeys(got)) == focuses
    assert len(got) - len(focuses) <= 1
    assert [number for (number,) in queued(services, "number")] == list(range(1, 61))


def test_while_the_broker_is_away_files_are_journaled_and_processed_once_it_is_back(lab: Lab) -> None:
    away = Lab(lab.folder / "away", lab.environment["FHIR_LAB_DATABASE_URL"], "redis://127.0.0.1:1/0")
    away.folder.mkdir()
    ids = journaled(away.services, *message_files(9))
    began = time.monotonic()
    announce(away.services, ids)
    assert time.monotonic() - began < 2
    away.services.close()
    assert lab.ended() == 0
    with lab.start(*WORKER, name="worker"):
        until(lambda: lab.ended() == 9, "the end of every message")
    each_was_done_once(lab.services, 9)
