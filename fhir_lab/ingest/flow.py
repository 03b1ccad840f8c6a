"""What happens to one journaled message: claim, read, recognise repetitions, convert, write, end. Each exactly once.

The resources and the end of the journal entry are committed together. A worker that dies leaves nothing half done: its
lease runs out, another takes the message, and the first could not finish any more even if it came back.
"""

import logging
import time
from collections.abc import Iterator
from copy import copy

from sqlalchemy import Connection

from fhir_lab.clock import from_micros
from fhir_lab.ingest import quarantine
from fhir_lab.ingest.hl7v2.message import Message, read_message
from fhir_lab.ingest.hl7v2.reasons import MessageError, Reason
from fhir_lab.ingest.identity import lookup
from fhir_lab.outcomes import Conflict, FhirError, PreconditionFailed, Unavailable
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage import journal, transaction
from fhir_lab.storage.journal import Claimed, LeaseLostError, Result
from fhir_lab.storage.unit import Unit
from mappers.hl7v2.oru import convert

log = logging.getLogger(__name__)
SECOND = 1_000_000
LONGEST_PAUSE_SECONDS = 64
# A write in between, or results that are refused, let the message be converted again so often.
ROUNDS = 4


def process(services: Services, message_id: str) -> str | None:
    """Process one journaled message and return the state it ended in.

    None means that there is nothing to do now: it has ended, another worker has it, or it waits for another attempt.
    Raises `Unavailable` when the database cannot even be asked.
    """
    started = time.perf_counter()
    now, lease = services.clock.now(), services.settings.message_lease_seconds * SECOND
    claimed = services.database.transact(lambda connection: journal.take(connection, message_id, now=now, lease=lease))
    if claimed is None:
        return None
    state = _attempt(services, claimed)
    took = round((time.perf_counter() - started) * 1000, 1)
    log.info("message", extra={"message_id": message_id, "state": state, "attempt": claimed.attempts, "ms": took})
    return state


def _attempt(services: Services, claimed: Claimed) -> str | None:
    try:
        if claimed.faults > services.settings.message_attempts:
            return _end(services, claimed, _failed(claimed, "the end of the worker"))
        return _run(services, claimed)
    except LeaseLostError:
        log.warning("lease lost", extra={"message_id": claimed.id})
    except Unavailable:
        _wait(services, claimed, fault=False)
    except Exception as problem:
        log.exception("message broke off", extra={"message_id": claimed.id, "attempt": claimed.attempts})
        if claimed.faults >= services.settings.message_attempts:
            return _end(services, claimed, _failed(claimed, type(problem).__name__))
        _wait(services, claimed, fault=True)
    return None


def _run(services: Services, claimed: Claimed) -> str | None:
    try:
        message = read_message(claimed.raw)
    except MessageError as unreadable:
        return _end(services, claimed, _held_back(claimed, [unreadable.reason]))
    job = _Job(services, claimed, message)
    for _ in range(ROUNDS):
        try:
            return services.database.transact(job.write)
        except _RefusedError as refused:
            if not refused.race and not job.leave_out(refused.reasons):
                return _end(services, claimed, _held_back(claimed, [*job.left_out, *refused.reasons], message))
            latest = refused.reasons
    return _end(services, claimed, _held_back(claimed, [*job.left_out, *latest], message))


class _RefusedError(Exception):
    """The write path refused the Bundle: for these reasons, or because another write came in between (`race`)."""

    def __init__(self, reasons: list[Reason], race: bool) -> None:
        super().__init__()
        self.reasons = reasons
        self.race = race


class _Job:
    """One attempt at one message; `write` may be called again after it was rolled back."""

    def __init__(self, services: Services, claimed: Claimed, message: Message) -> None:
        self._services = services
        self._claimed = claimed
        self._message = message
        self.left_out: list[Reason] = []

    def write(self, connection: Connection) -> str:
        """Everything that is committed together: the resources, and what the journal says of the message."""
        claimed, message = self._claimed, self._message
        journal.hold(connection, list(_subjects(message)))
        result = _described("processed", message)
        met = journal.met(connection, claimed, result)
        if met.original is not None:
            _repeat(connection, result, met.original)
        else:
            if met.reused:
                result.warnings.append(f"MSH-10 '{message.control_id}' was used before for other content.")
            self._apply(Unit(connection, system(claimed.id, "ingest"), self._services, claimed.id), result)
        journal.finish(connection, claimed, result, self._services.clock.now())
        return result.state

    def leave_out(self, reasons: list[Reason]) -> bool:
        """Take out the results that the write path refuses, so that the rest can be stored; False if it is others."""
        lost = {reason.segment for reason in reasons}
        if not all(position.startswith("OBX[") for position in lost):
            return False
        self.left_out += reasons
        self._message = copy(self._message)
        self._message.segments = [one for one in self._message.segments if one.position not in lost]
        return True

    def _apply(self, unit: Unit, result: Result) -> None:
        zone, received = self._services.settings.zone, from_micros(self._claimed.received)
        conversion = convert(self._message, zone=zone, current=lookup(unit), received=received)
        entries = transaction.entries_of(conversion.bundle)
        try:
            written = transaction.apply(unit, entries) if entries else []
        except Unavailable:
            raise
        except FhirError as refused:
            race = isinstance(refused, PreconditionFailed | Conflict)
            raise _RefusedError(quarantine.refused(refused, conversion.places), race) from refused
        held = len({reason.segment for reason in self.left_out})
        result.obx_in, result.obx_stored = conversion.obx_in + held, conversion.obx_stored
        result.obx_quarantined = conversion.obx_quarantined + held
        result.reasons = quarantine.as_dicts([*self.left_out, *conversion.reasons])
        result.warnings += [warning for warning in conversion.warnings if warning not in result.warnings]
        result.unmapped = list(conversion.unmapped)
        result.resources = [{"reference": f"{item.type}/{item.id}", "version": item.version} for item in written]
        result.resources += conversion.unchanged
        if result.reasons and not conversion.obx_stored:
            result.state = "quarantined"


def _repeat(connection: Connection, result: Result, original: str) -> None:
    """The message came before: it changes nothing, and its OBX are those of then."""
    before = journal.entry(connection, original)
    result.state, result.duplicate_of = "duplicate", original
    result.obx_in, result.obx_stored = before["obx_in"], before["obx_stored"]
    result.obx_quarantined = before["obx_quarantined"]


def _subjects(message: Message) -> Iterator[str]:
    """What two messages must not be about at the same time: their content, patients and orders."""
    yield f"{message.sender} content {message.content_hash}"
    for segment in message.segments:
        if segment.name == "PID":
            yield f"{message.sender} patient {segment[3][1]}"
        elif segment.name == "OBR":
            yield f"{message.sender} order {segment[3][1] or segment[2][1]}"


def _described(state: str, message: Message) -> Result:
    """What the journal shows and finds a message by, whatever becomes of it."""
    result = Result(
        state,
        sender=message.sender,
        control_id=message.control_id or None,
        message_type=message.message_type or None,
        charset=message.charset,
        content_hash=message.content_hash,
        warnings=list(message.warnings),
    )
    for segment in message.segments:
        if segment.name == "PID":
            result.patient_identifier = result.patient_identifier or segment[3][1] or segment[2][1] or None
        elif segment.name in ("ORC", "OBR"):
            result.order_number = result.order_number or segment[3][1] or segment[2][1] or None
    return result


def _held_back(claimed: Claimed, reasons: list[Reason], message: Message | None = None) -> Result:
    """Nothing of the message was stored, for these reasons."""
    result = _described("quarantined", message) if message else Result("quarantined")
    result.obx_in = result.obx_quarantined = (
        sum(segment.name == "OBX" for segment in message.segments)
        if message
        else quarantine.observations_in(claimed.raw)
    )
    result.reasons = quarantine.as_dicts(reasons)
    return result


def _failed(claimed: Claimed, kind: str) -> Result:
    result = _held_back(claimed, [quarantine.given_up(claimed.attempts, kind)])
    result.state = "failed"
    return result


def _end(services: Services, claimed: Claimed, result: Result) -> str:
    now = services.clock.now()
    services.database.transact(lambda connection: journal.finish(connection, claimed, result, now))
    return result.state


def _wait(services: Services, claimed: Claimed, *, fault: bool) -> None:
    """Another attempt, after a pause that doubles each time."""
    pause = min(2**claimed.attempts, LONGEST_PAUSE_SECONDS) * SECOND
    due = services.clock.now() + pause
    try:
        services.database.transact(lambda connection: journal.put_back(connection, claimed, due, fault=fault))
    except (LeaseLostError, Unavailable):
        # The lease runs out by itself, and the sweeper takes the message then.
        log.warning("message not put back", extra={"message_id": claimed.id})
