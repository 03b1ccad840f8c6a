"""The folder watcher: takes complete files once, loses none wherever it is stopped, never deletes or replaces one."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from uuid_utils import uuid7

from fhir_lab.ingest import flow, intake
from fhir_lab.ingest import watch as watch_module
from fhir_lab.ingest.folders import FolderError, Folders
from fhir_lab.ingest.intake import Accepted
from fhir_lab.ingest.watch import PATIENCE_SECONDS, RECOVER_SECONDS, Watcher
from fhir_lab.outcomes import Unavailable
from fhir_lab.services import Services
from tests.support.oru import counts, entries, oru

WHOLE = oru("5")


class Time:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tick() -> Time:
    return Time()


@pytest.fixture
def watcher(services: Services, tick: Time) -> Watcher:
    made = Watcher(services, tick)
    made.folders.prepare()
    return made


@pytest.fixture
def at_once(services: Services, tick: Time) -> Iterator[Watcher]:
    """A watcher that waits for nothing."""
    quick = Services(services.settings.model_copy(update={"inbox_stable_seconds": 0.0}))
    made = Watcher(quick, tick)
    made.folders.prepare()
    yield made
    quick.close()


def drop(watcher: Watcher, name: str, data: bytes = WHOLE) -> Path:
    path = watcher.folders.inbox / name
    path.write_bytes(data)
    return path


def files(folder: Path) -> list[str]:
    """Every file below a folder, by name."""
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def journal_of(watcher: Watcher) -> list[tuple[str, str]]:
    return [(entry["file"], entry["state"]) for entry in entries(watcher._services)]


def test_a_file_is_taken_when_it_has_not_changed_for_the_time_set(watcher: Watcher, tick: Time) -> None:
    drop(watcher, "a.hl7")
    assert watcher.poll() == 0
    tick.now += 0.9
    assert watcher.poll() == 0
    tick.now += 0.1
    assert watcher.poll() == 1
    assert journal_of(watcher) == [("a.hl7", "received")]
    assert (files(watcher.folders.inbox), files(watcher.folders.work)) == ([], [])
    (ended,) = watcher.folders.processed.glob("????/??/??/a.hl7")
    assert ended.read_bytes() == WHOLE


def test_a_growing_file_waits_until_it_stops(watcher: Watcher, tick: Time) -> None:
    path = drop(watcher, "a.hl7", b"")
    for part in range(0, len(WHOLE), 50):
        with path.open("ab") as file:
            file.write(WHOLE[part : part + 50])
        assert watcher.poll() == 0
        tick.now += 0.7
    assert watcher.poll() == 0
    tick.now += 1
    assert watcher.poll() == 1
    (entry,) = entries(watcher._services)
    assert (entry["file"], entry["state"]) == ("a.hl7", "received")


def test_a_file_that_ends_inside_a_segment_is_given_more_time(watcher: Watcher, tick: Time) -> None:
    path = drop(watcher, "a.hl7", WHOLE[:-60])
    watcher.poll()
    tick.now += 1 + PATIENCE_SECONDS - 0.1
    assert watcher.poll() == 0
    path.write_bytes(WHOLE)
    assert watcher.poll() == 0
    tick.now += 1
    assert watcher.poll() == 1


def test_a_file_that_stays_cut_off_is_taken_in_the_end(watcher: Watcher, tick: Time) -> None:
    drop(watcher, "a.hl7", WHOLE[:-60])
    watcher.poll()
    tick.now += 1 + PATIENCE_SECONDS
    assert watcher.poll() == 1


def test_an_empty_file_waits_and_then_goes_to_error_with_a_reason(watcher: Watcher, tick: Time) -> None:
    drop(watcher, "a.hl7", b"")
    watcher.poll()
    tick.now += PATIENCE_SECONDS
    assert watcher.poll() == 0
    tick.now += 1
    assert watcher.poll() == 1
    assert files(watcher.folders.error) == ["a.hl7", "a.hl7.err.json"]
    told = json.loads((watcher.folders.error / "a.hl7.err.json").read_text())
    assert told["file"] == "a.hl7"
    assert told["reasons"][0]["code"] == "empty-file"
    assert told["reasons"][0]["repair"]
    assert journal_of(watcher) == [("a.hl7", "quarantined")]


@pytest.mark.parametrize("data", [b"hello", b"PK\x03\x04\x00\x00", "Größe;Wert\n1;2\n".encode(), b"\x00" * 100])
def test_a_file_without_a_message_goes_to_error_and_the_journal_keeps_its_bytes(
    at_once: Watcher, tick: Time, data: bytes
) -> None:
    drop(at_once, "a.csv", data)
    at_once.poll()
    tick.now += PATIENCE_SECONDS
    at_once.poll()
    assert files(at_once.folders.error) == ["a.csv", "a.csv.err.json"]
    assert (at_once.folders.error / "a.csv").read_bytes() == data
    (entry,) = entries(at_once._services)
    assert entry["state"] == "quarantined"
    assert entry["reasons"][0]["code"] in ("no-message", "empty-file")


def test_a_file_that_is_too_large_goes_to_error_unread(services: Services, tick: Time) -> None:
    small = Services(services.settings.model_copy(update={"inbox_stable_seconds": 0.0, "max_body_bytes": 1024}))
    watcher = Watcher(small, tick)
    watcher.folders.prepare()
    drop(watcher, "a.hl7", WHOLE * 10)
    watcher.poll()
    assert files(watcher.folders.error) == ["a.hl7", "a.hl7.err.json"]
    assert [entry["reasons"][0]["code"] for entry in entries(small)] == ["too-large"]
    small.close()


def test_unfinished_and_strange_things_are_left_alone(at_once: Watcher, tmp_path: Path) -> None:
    inbox = at_once.folders.inbox
    for name in (".hidden.hl7", "a.tmp", "a.part", "a.PART", "a.filepart", "a.hl7~", "a.lock"):
        drop(at_once, name)
    (inbox / "folder").mkdir()
    (inbox / "folder" / "inside.hl7").write_bytes(WHOLE)
    (tmp_path / "secret.hl7").write_bytes(WHOLE)
    (inbox / "link.hl7").symlink_to(tmp_path / "secret.hl7")
    (inbox / "nowhere.hl7").symlink_to(tmp_path / "nothing")
    os.mkfifo(inbox / "pipe.hl7")
    before = files(inbox)
    assert at_once.poll() == 0
    assert files(inbox) == before
    assert journal_of(at_once) == []


@pytest.mark.parametrize(
    "name",
    [
        "with space.hl7",
        "-rf.hl7",
        "$(touch x).hl7",
        "Größe µ.hl7",
        "~a~b~.hl7",
        "new\nline.hl7",
        "no-suffix",
        "a" * 251 + ".hl7",
        "%2e%2e%2f.hl7",
        os.fsdecode(b"latin-\xe9.hl7"),
        "01a1f931-5493-708b-851d-72f29c82f13c~looks-taken.hl7",
    ],
)
def test_odd_names_do_no_harm(at_once: Watcher, name: str) -> None:
    drop(at_once, name)
    assert at_once.poll() == 1
    assert [state for _, state in journal_of(at_once)] == ["received"]
    assert files(at_once.folders.inbox) == files(at_once.folders.work) == []
    assert len(files(at_once.folders.processed)) == 1


def test_a_name_used_again_replaces_nothing(at_once: Watcher) -> None:
    for number in range(3):
        drop(at_once, "a.hl7", oru(str(number), control=str(number)))
        at_once.poll()
    kept = [path.read_bytes() for path in at_once.folders.processed.rglob("a*.hl7")]
    assert sorted(kept) == sorted(oru(str(number), control=str(number)) for number in range(3))


def test_one_bad_file_does_not_stop_the_others(at_once: Watcher) -> None:
    drop(at_once, "1.hl7", b"nonsense\r")
    drop(at_once, "2.hl7", oru("5", control="2"))
    os.utime(at_once.folders.inbox / "1.hl7", (1, 1))
    at_once.poll()
    assert journal_of(at_once) == [("2.hl7", "received")]


def test_a_file_that_breaks_the_reader_does_not_stop_the_others(
    at_once: Watcher, tick: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(connection: Connection, services: Services, file: str, *rest: Any, **more: Any) -> Accepted:
        if file == "1.hl7":
            raise ZeroDivisionError
        return intake.accept(connection, services, file, *rest, **more)

    monkeypatch.setattr(watch_module, "accept", accept)
    drop(at_once, "1.hl7")
    drop(at_once, "2.hl7", oru("5", control="2"))
    os.utime(at_once.folders.inbox / "1.hl7", (1, 1))
    at_once.poll()
    tick.now += RECOVER_SECONDS
    drop(at_once, "3.hl7", oru("5", control="3"))
    at_once.poll()
    assert [name for name, _ in journal_of(at_once)] == ["2.hl7", "3.hl7"]
    assert len(files(at_once.folders.work)) == 1
    monkeypatch.undo()
    at_once.recover()
    assert [name for name, _ in journal_of(at_once)] == ["2.hl7", "3.hl7", "1.hl7"]


def test_oldest_files_are_taken_first(at_once: Watcher) -> None:
    for name, age in (("a", 10), ("b", 30), ("c", 20)):
        path = drop(at_once, name, oru("5", control=name))
        os.utime(path, (time.time() - age, time.time() - age))
    at_once.poll()
    assert [name for name, _ in journal_of(at_once)] == ["b", "c", "a"]


def test_watchers_of_one_inbox_take_each_file_once(at_once: Watcher) -> None:
    for number in range(40):
        drop(at_once, f"{number}.hl7", oru("5", control=str(number)))
    watchers = [at_once, *(Watcher(at_once._services) for _ in range(3))]
    start = threading.Barrier(len(watchers))

    def work(one: Watcher) -> None:
        start.wait()
        one.poll()

    threads = [threading.Thread(target=work, args=(one,)) for one in watchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at_once.recover()
    assert sorted(name for name, _ in journal_of(at_once)) == sorted(f"{number}.hl7" for number in range(40))
    assert len(files(at_once.folders.processed)) == 40
    assert files(at_once.folders.inbox) == files(at_once.folders.work) == []


class Crash(BaseException):
    """The process ends here."""


def crash(*_: object, **__: object) -> None:
    raise Crash


@pytest.mark.parametrize("step", ["lstat", "read", "accept", "announce", "file_away", "move"])
def test_a_watcher_killed_at_any_step_loses_nothing_and_doubles_nothing(
    at_once: Watcher, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(at_once, "a.hl7", oru("5", control="1") + oru("6", control="2", order="L2"))
    with monkeypatch.context() as patch:
        if step == "lstat":
            patch.setattr(Path, "lstat", crash)
        elif step == "read":
            calls = iter([False, True])
            real = watch_module.read
            patch.setattr(watch_module, "read", lambda path: crash() if next(calls) else real(path))
        elif step in ("accept", "announce"):
            patch.setattr(watch_module, step, crash)
        elif step == "file_away":
            patch.setattr(Folders, "file_away", crash)
        else:
            patch.setattr(os, "unlink", crash)
        with pytest.raises(Crash):
            at_once.poll()
    assert len(files(at_once.folders.inbox)) + len(files(at_once.folders.work)) >= 1
    again = Watcher(at_once._services)
    again.folders.prepare()
    again.poll()
    assert journal_of(at_once) == [("a.hl7", "received")] * 2
    assert files(again.folders.inbox) == files(again.folders.work) == []
    for entry in entries(at_once._services):
        flow.process(at_once._services, entry["id"])
    assert counts(at_once._services)["Observation"] == 2


def test_a_file_whose_claim_is_not_known_is_journaled_again_and_ends_as_duplicate(at_once: Watcher) -> None:
    drop(at_once, "a.hl7")
    at_once.poll()
    (at_once.folders.work / "by-hand.hl7").write_bytes(WHOLE)
    at_once.recover()
    for entry in entries(at_once._services):
        flow.process(at_once._services, entry["id"])
    assert journal_of(at_once) == [("a.hl7", "processed"), ("by-hand.hl7", "duplicate")]
    assert counts(at_once._services)["Observation"] == 1
    assert files(at_once.folders.work) == []


def test_while_the_database_is_away_files_stay_in_the_inbox_and_are_taken_later(
    sqlite_services: Services, tmp_path: Path, tick: Time
) -> None:
    settings = sqlite_services.settings.model_copy(update={"inbox_stable_seconds": 0.0})
    database = tmp_path / "test.db"
    away = Services(settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/nowhere/test.db"}))
    watcher = Watcher(away, tick)
    watcher.folders.prepare()
    drop(watcher, "a.hl7")
    with pytest.raises(Unavailable):
        watcher.poll()
    assert files(watcher.folders.inbox) == ["a.hl7"]
    assert files(watcher.folders.work) == []
    away.close()
    assert database.exists()
    back = Watcher(Services(settings), tick)
    assert back.poll() == 1
    assert journal_of(back) == [("a.hl7", "received")]
    back._services.close()


def test_while_the_disk_of_the_database_is_full_files_stay_in_the_inbox(sqlite_services: Services, tick: Time) -> None:
    full = Services(sqlite_services.settings.model_copy(update={"inbox_stable_seconds": 0.0}))
    with full.database.read() as connection:
        limit = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    @event.listens_for(full.database.engine, "begin")
    def no_room(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

    watcher = Watcher(full, tick)
    watcher.folders.prepare()
    drop(watcher, "a.hl7", oru(*["5"] * 2000))
    with pytest.raises(Unavailable, match="no space left"):
        watcher.poll()
    assert (files(watcher.folders.inbox), files(watcher.folders.work)) == (["a.hl7"], [])
    limit = 1_000_000
    assert watcher.poll() == 1
    assert journal_of(watcher) == [("a.hl7", "received")]
    full.close()


def test_a_file_left_in_work_is_found_without_a_restart(at_once: Watcher, tick: Time) -> None:
    at_once.poll()
    (at_once.folders.work / f"{uuid7()}~a.hl7").write_bytes(WHOLE)
    at_once.poll()
    assert journal_of(at_once) == []
    tick.now += RECOVER_SECONDS
    at_once.poll()
    assert journal_of(at_once) == [("a.hl7", "received")]


def test_a_folder_that_cannot_be_used_is_named_at_the_start(services: Services, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "error").write_text("in the way")
    with pytest.raises(FolderError, match="error cannot be used"):
        Watcher(services).run(threading.Event())


def test_the_watcher_runs_until_it_is_told_to_stop(at_once: Watcher) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=Watcher(at_once._services).run, args=(stop,))
    thread.start()
    drop(at_once, "a.hl7")
    until = time.monotonic() + 10
    while not journal_of(at_once) and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert journal_of(at_once) == [("a.hl7", "received")]
