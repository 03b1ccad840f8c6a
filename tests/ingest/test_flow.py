"""From journaled bytes to committed resources: once, whatever repeats, breaks off, is refused or happens together."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from fhir_lab.clock import from_micros
from fhir_lab.documents import Resource
from fhir_lab.ingest import flow
from fhir_lab.outcomes import Unavailable, Unprocessable
from fhir_lab.services import Services
from fhir_lab.storage import journal
from fhir_lab.storage.repository import Version
from fhir_lab.storage.tables import message, observation
from fhir_lab.storage.unit import Unit
from tests.support.oru import changes, counts, entries, entry, journaled, oru, processed


def values(services: Services) -> list[str]:
    """The numbers that are stored, as written."""
    with services.database.read() as connection:
        return sorted(connection.scalars(select(observation.c.value_literal)))


class Hook:
    """A rule on Observations; the tests let it refuse, or break."""

    def __init__(self, problem: Exception, times: int = 1000, value: str = "") -> None:
        self.problem, self.times, self.value, self.calls = problem, times, value, 0

    def before(self, unit: Unit, resource: Resource, current: Version | None) -> Resource:
        if not self.value or str(resource["valueQuantity"]["value"]) == self.value:
            self.calls += 1
            if self.calls <= self.times:
                raise self.problem
        return resource

    def after(self, unit: Unit, pk: int, resource: Resource | None) -> None:
        pass


def hooked(services: Services, hook: Hook) -> Hook:
    services.__dict__["write_hooks"] = {"Observation": hook}
    return hook


def test_a_message_becomes_resources_and_says_which(services: Services) -> None:
    (found,) = processed(services, oru("5.10", "6"))
    assert found["state"] == "processed"
    assert (found["sender"], found["control_id"], found["message_type"]) == ("LIS|LAB", "1", "ORU^R01")
    assert (found["obx_in"], found["obx_stored"], found["obx_quarantined"]) == (2, 2, 0)
    assert (found["attempts"], found["reasons"], found["duplicate_of"]) == (1, [], None)
    made = counts(services)
    assert {one["reference"].partition("/")[0] for one in found["resources"]} == set(made)
    assert (made["Patient"], made["ServiceRequest"], made["Observation"], made["DiagnosticReport"]) == (1, 1, 2, 1)
    assert values(services) == ["5.10", "6"]


def test_the_same_file_twice_changes_nothing(services: Services) -> None:
    (first,) = processed(services, oru("5", "6"))
    before = changes(services)
    (second,) = processed(services, oru("5", "6"))
    assert (second["state"], second["duplicate_of"], second["resources"]) == ("duplicate", first["id"], [])
    assert (second["obx_in"], second["obx_stored"], second["obx_quarantined"]) == (2, 2, 0)
    assert changes(services) == before


def test_line_ends_and_sending_time_do_not_hide_a_repetition(services: Services) -> None:
    processed(services, oru("5"))
    other = oru("5", control="77", sent="20261118120000+0100").replace(b"20261118120000+0100||ORU", b"20261119||ORU")
    (found,) = processed(services, other.replace(b"\r", b"\r\n"))
    assert found["state"] == "duplicate"


def test_a_value_that_goes_back_to_an_earlier_one_is_no_repetition(services: Services) -> None:
    def said(value: str, number: int) -> bytes:
        header = oru(value, control=str(number), status="C")
        return header.replace(b"20261118120000+0100||ORU", f"202611181{number}0000+0100||ORU".encode())

    found = processed(services, said("5.1", 3), said("5.2", 4), said("5.1", 5))
    assert [one["state"] for one in found] == ["processed"] * 3
    assert values(services) == ["5.1"]


def test_a_correction_is_a_new_version_and_a_late_preliminary_changes_nothing(services: Services) -> None:
    final = oru("5.1", control="1", analysed="20261118110000+0100")
    corrected = oru("5.2", control="2", status="C", analysed="20261118113000+0100")
    late = oru("4.9", control="3", status="P", analysed="20261118120000+0100")
    found = processed(services, final, corrected, late)
    assert [one["state"] for one in found] == ["processed"] * 3
    assert counts(services)["Observation"] == 1
    assert values(services) == ["5.2"]
    versions = {one["reference"].split("/")[0]: one["version"] for one in found[2]["resources"]}
    assert (versions["Observation"], versions["DiagnosticReport"]) == (2, 2)


def test_a_control_id_used_again_is_processed_with_a_warning(services: Services) -> None:
    found = processed(services, oru("5", order="L1"), oru("6", order="L2"))
    assert found[1]["state"] == "processed"
    assert found[1]["warnings"] == ["MSH-10 '1' was used before for other content."]
    assert found[0]["warnings"] == []


def test_one_control_id_from_two_senders_is_two_messages(services: Services) -> None:
    found = processed(services, oru("5", sender="A"), oru("5", sender="B"))
    assert [(one["state"], one["warnings"]) for one in found] == [("processed", []), ("processed", [])]
    assert counts(services)["Patient"] == 2


def test_a_message_that_cannot_be_read_is_quarantined_with_its_obx(services: Services) -> None:
    broken = oru("5", "6").replace(b"MSH|^~\\&|", b"MSH|^^\\&|")
    (found,) = processed(services, broken)
    assert (found["state"], found["obx_in"], found["obx_stored"], found["obx_quarantined"]) == ("quarantined", 2, 0, 2)
    assert [reason["code"] for reason in found["reasons"]] == ["delimiters"]
    assert all(found["reasons"][0][name] for name in ("segment", "field", "found", "allowed", "repair"))


def test_a_quarantined_message_that_comes_again_is_no_repetition(services: Services) -> None:
    bad = oru("5").replace(b"ORU^R01^ORU_R01", b"ADT^A01")
    assert [one["state"] for one in processed(services, bad, bad)] == ["quarantined", "quarantined"]


def test_a_result_that_the_write_path_refuses_is_held_back_and_the_others_are_stored(services: Services) -> None:
    hooked(services, Hook(Unprocessable.of("It is too high.", "Observation.value"), value="666"))
    (found,) = processed(services, oru("5", "666", "7"))
    assert found["state"] == "processed"
    assert (found["obx_in"], found["obx_stored"], found["obx_quarantined"]) == (3, 2, 1)
    (reason,) = found["reasons"]
    assert (reason["code"], reason["segment"], reason["found"]) == ("refused-processing", "OBX[2]", "It is too high.")
    assert values(services) == ["5", "7"]


def test_a_message_of_which_every_result_is_refused_is_quarantined(services: Services) -> None:
    hooked(services, Hook(Unprocessable.of("No.", "Observation.value")))
    (found,) = processed(services, oru("5", "6"))
    assert (found["state"], found["obx_in"], found["obx_stored"], found["obx_quarantined"]) == ("quarantined", 2, 0, 2)
    assert [reason["segment"] for reason in found["reasons"]] == ["OBX[1]", "OBX[2]"]


def test_what_breaks_off_is_tried_again_after_longer_pauses_and_then_failed(services: Services) -> None:
    services.clock.set(from_micros(services.clock.now()))
    hooked(services, Hook(KeyError("Doe^Jane")))
    (one,) = journaled(services, oru("5"))
    limit = services.settings.message_attempts
    for attempt in range(1, limit):
        assert flow.process(services, one) is None
        found = entry(services, one)
        assert (found["state"], found["attempts"]) == ("received", attempt)
        assert due(services, one) == services.clock.now() + 2**attempt * 1_000_000
    assert flow.process(services, one) == "failed"
    found = entry(services, one)
    assert (found["state"], found["attempts"], found["obx_in"], found["obx_quarantined"]) == ("failed", limit, 1, 1)
    assert found["reasons"][0]["code"] == "processing-failed"
    assert "Doe" not in found["reasons"][0]["found"]
    assert counts(services) == {}
    assert flow.process(services, one) is None


def due(services: Services, message_id: str) -> int | None:
    with services.database.read() as connection:
        found: int | None = connection.scalar(select(message.c.due).where(message.c.id == message_id))
    return found


def test_what_breaks_off_leaves_nothing_and_succeeds_later(services: Services) -> None:
    hooked(services, Hook(RuntimeError(), times=1))
    (one,) = journaled(services, oru("5", "6"))
    assert flow.process(services, one) is None
    assert counts(services) == {}
    assert flow.process(services, one) == "processed"
    assert counts(services)["Observation"] == 2
    assert entry(services, one)["attempts"] == 2


def test_a_database_that_is_away_costs_no_attempt(services: Services) -> None:
    limit = services.settings.message_attempts
    hooked(services, Hook(Unavailable.of("away"), times=limit + 3))
    (one,) = journaled(services, oru("5"))
    for _ in range(limit + 3):
        assert flow.process(services, one) is None
    assert flow.process(services, one) == "processed"


def test_a_worker_that_lost_its_lease_writes_nothing(services: Services) -> None:
    (one,) = journaled(services, oru("5"))
    now, lease = services.clock.now(), 1_000_000

    def taken(connection: Any) -> Any:
        return journal.take(connection, one, now=now, lease=lease)

    def swept(connection: Any) -> list[str]:
        return journal.due(connection, now=now + lease, lease=lease, limit=10)

    slow = services.database.transact(taken)
    assert services.database.transact(taken) is None
    assert flow.process(services, one) is None
    assert services.database.transact(swept) == [one]
    assert flow.process(services, one) == "processed"
    before = changes(services)
    assert flow._attempt(services, slow) is None
    assert changes(services) == before
    assert entry(services, one)["attempts"] == 2


def test_a_message_that_kills_every_worker_is_given_up(services: Services) -> None:
    (one,) = journaled(services, oru("5"))
    for _ in range(services.settings.message_attempts):
        with services.database.write() as connection:
            now = services.clock.now()
            assert journal.take(connection, one, now=now, lease=0) is not None
    assert flow.process(services, one) == "failed"
    assert entry(services, one)["reasons"][0]["found"].endswith("the last with the end of the worker")


def test_messages_about_one_patient_at_the_same_time_make_one_patient(services: Services) -> None:
    ids = journaled(services, *(oru(str(n), control=str(n), order=f"L{n}") for n in range(1, 9)))
    together(services, ids)
    assert [found["state"] for found in entries(services)] == ["processed"] * 8
    made = counts(services)
    assert (made["Patient"], made["ServiceRequest"], made["Observation"]) == (1, 8, 8)


def test_the_same_message_many_times_at_the_same_time_is_stored_once(services: Services) -> None:
    ids = journaled(services, *[oru("5", "6")] * 8)
    together(services, ids)
    assert sorted(found["state"] for found in entries(services)) == ["duplicate"] * 7 + ["processed"]
    assert counts(services)["Observation"] == 2


def test_one_message_given_to_many_workers_is_processed_once(services: Services) -> None:
    (one,) = journaled(services, oru("5"))
    together(services, [one] * 8)
    assert entry(services, one)["attempts"] == 1
    assert counts(services)["Provenance"] == 1


def together(services: Services, ids: list[str]) -> None:
    """Process each of these in a thread of its own."""
    workers = [threading.Thread(target=flow.process, args=(services, one)) for one in ids]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_a_replayed_message_is_processed_again_from_its_bytes(services: Services) -> None:
    hook = hooked(services, Hook(Unprocessable.of("No.", "Observation.value")))
    (found,) = processed(services, oru("5"))
    assert found["state"] == "quarantined"
    hook.times = 0
    now = services.clock.now()
    services.database.transact(lambda connection: journal.replay(connection, found["id"], now=now, due=now))
    assert entry(services, found["id"])["state"] == "received"
    assert flow.process(services, found["id"]) == "processed"
    again = entry(services, found["id"])
    assert (again["reasons"], again["obx_stored"], again["attempts"]) == ([], 1, 2)


def test_replaying_a_processed_message_changes_nothing(services: Services) -> None:
    (found,) = processed(services, oru("5"))
    before = changes(services)
    now = services.clock.now()
    services.database.transact(lambda connection: journal.replay(connection, found["id"], now=now, due=now))
    assert flow.process(services, found["id"]) == "processed"
    assert changes(services) == before


@pytest.mark.parametrize("messages", [1, 3])
def test_each_message_of_a_file_is_on_its_own(services: Services, messages: int) -> None:
    file = b"".join(oru(str(n), control=str(n), order=f"L{n}") for n in range(1, messages + 1))
    found = processed(services, file + oru("9", control="9").replace(b"ORU^R01^ORU_R01", b"ADT^A01"))
    assert [one["state"] for one in found] == ["processed"] * messages + ["quarantined"]


def test_time_passes_on_the_clock_of_the_services(services: Services) -> None:
    services.clock.set(from_micros(1_700_000_000_000_000))
    (found,) = processed(services, oru("5"))
    assert found["received"] == "2023-11-14T22:13:20.000Z"
    services.clock.advance(timedelta(days=1))
    assert processed(services, oru("6", control="2"))[0]["received"] == "2023-11-15T22:13:20.000Z"
