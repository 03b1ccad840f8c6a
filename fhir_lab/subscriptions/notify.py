"""From the outbox to numbered notifications: which subscriptions does each change concern?

A change concerns a subscription when the new version matches its criteria and its author may read the resource. Deletes
match no criteria. https://hl7.org/fhir/R4/subscription.html
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import FhirError
from fhir_lab.search.access import permits
from fhir_lab.search.match import matches
from fhir_lab.security import outbound, rights
from fhir_lab.security.access import Caller, system
from fhir_lab.services import Services
from fhir_lab.storage import notifications, outbox
from fhir_lab.storage.notifications import Event, State
from fhir_lab.storage.outbox import Change
from fhir_lab.storage.unit import Unit
from fhir_lab.subscriptions import criteria, status

log = logging.getLogger(__name__)
BATCH = 200
PASSES = 20

# Verdicts of the endpoint check by (pk, version) of a requested subscription: empty text, or why it is refused.
Verdicts = dict[tuple[int, int], str]


@dataclass(slots=True)
class _Listener:
    """A subscription whose events are recorded, ready to be asked about changes."""

    state: State
    criteria: criteria.Criteria
    caller: Caller
    events: list[Event] = field(default_factory=list)


def match_changes(services: Services) -> bool:
    """Match the changes that wait. Requested subscriptions become active, or go to error if the endpoint is refused.

    Returns True when there may be more: it stops after a while, so that deliveries get their turn.
    """
    return not any(_batch(services) for _ in range(PASSES))


def _batch(services: Services) -> bool:
    verdicts = _verdicts(services)
    return services.database.transact(lambda connection: _Pass(services, connection).run(verdicts))


def _verdicts(services: Services) -> Verdicts:
    """Check the endpoints of requested subscriptions; asking the DNS takes time, so no transaction is open."""
    endpoints: dict[tuple[int, int], str] = {}
    with services.database.read() as connection:
        unit = Unit(connection, system("match", status.NAME), services)
        for state in notifications.requested(connection):
            try:
                endpoints[(state.pk, state.version)] = status.document(unit, state.id)["channel"]["endpoint"]
            except FhirError:
                continue  # deleted a moment ago
    return {key: _verdict(services, endpoint) for key, endpoint in endpoints.items()}


def _verdict(services: Services, endpoint: str) -> str:
    try:
        outbound.resolve(endpoint, services.settings.outbound_allow)
    except outbound.RefusedError as refused:
        return str(refused)
    return ""


class _Pass:
    """One transaction: a batch of changes leaves the outbox, and notifications take its place."""

    def __init__(self, services: Services, connection: Connection) -> None:
        self._services = services
        self._connection = connection
        self._unit = Unit(connection, system("match", status.NAME), services)
        self._listeners: list[_Listener] = []

    def run(self, verdicts: Verdicts) -> bool:
        """Match one batch; True when nothing was left."""
        changes = outbox.take(self._connection, BATCH)
        if not changes:
            return True
        requested = notifications.requested(self._connection)
        for state in notifications.activated(self._connection):
            self._listen(state)
        texts = self._texts(changes, requested)
        matched: list[Change] = []
        for change in changes:
            if change.type == "Subscription" and not self._activated(change, verdicts):
                break
            matched.append(change)
            if change.seq in texts:
                self._match(change, parse(texts[change.seq]))
        outbox.done(self._connection, matched)
        self._record()
        return len(matched) == len(changes) < BATCH

    def _texts(self, changes: Sequence[Change], requested: Sequence[State]) -> dict[int, str]:
        types = {listener.criteria.type for listener in self._listeners}
        types |= {state.criteria.partition("?")[0] for state in requested}
        wanted = [change for change in changes if change.type in types and change.interaction != "delete"]
        return outbox.documents(self._connection, wanted)

    def _listen(self, state: State) -> None:
        found = criteria.read(state.criteria)
        if found is not None:
            self._listeners.append(_Listener(state, found, rights.load(state.caller, f"subscription-{state.id}")))

    def _activated(self, change: Change, verdicts: Verdicts) -> bool:
        """Let a requested subscription begin with the change that wrote it; False while it is not checked yet."""
        state = notifications.state_of(self._connection, change.pk)
        if state is None or state.status != "requested" or state.version != change.version:
            return True
        refused = verdicts.get((state.pk, state.version))
        if refused is None:
            return False
        if refused:
            status.change(self._unit, state, "error", refused)
        else:
            status.change(self._unit, state, "active")
            if state.activated is None:
                self._listen(state)
        return True

    def _match(self, change: Change, document: Resource) -> None:
        for listener in [item for item in self._listeners if item.criteria.type == change.type]:
            unit = Unit(self._connection, listener.caller, self._services)
            try:
                hit = matches(unit, document, change.type, listener.criteria.query) and permits(unit, document, "r")
            except Exception as problem:
                self._give_up(listener, problem)
                continue
            if hit:
                focus = f"{change.type}/{change.id}"
                listener.events.append(Event(change.seq, focus, change.version, change.interaction))

    def _give_up(self, listener: _Listener, problem: Exception) -> None:
        """Criteria that can no longer be judged must not keep the other subscriptions waiting."""
        log.exception("criteria not judged", extra={"subscription": listener.state.id})
        told = f": {problem.issues[0].details}" if isinstance(problem, FhirError) else "."
        status.change(self._unit, listener.state, "off", f"The criteria can no longer be judged{told}")
        self._listeners.remove(listener)

    def _record(self) -> None:
        now = self._services.clock.now()
        for listener in self._listeners:
            if listener.events:
                notifications.enqueue(self._connection, listener.state.pk, listener.events, now)
