"""Delivering notifications: one at a time and in order for each subscription, each at least once.

A failed attempt is repeated after longer and longer pauses. After the last the notification is dead, the subscription
goes to `error` with the reason, and what waits behind it is kept for when the client asks for the subscription again.
"""

import logging
from collections.abc import Callable

from sqlalchemy import Connection

from fhir_lab.outcomes import FhirError
from fhir_lab.security import rights
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage import notifications, repository
from fhir_lab.storage.notifications import Lease, Notification, State
from fhir_lab.storage.unit import Unit
from fhir_lab.subscriptions import status
from fhir_lab.subscriptions.channels import rest_hook
from fhir_lab.subscriptions.channels.rest_hook import DeliveryError, RestHook

log = logging.getLogger(__name__)

# Pauses after the first, second, ... failed attempt: nearly four hours in all.
BACKOFF_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200)
SECOND = 1_000_000
# After so many, other subscriptions get their turn.
RUN = 100

Step = Callable[[Connection], None]


def deliver(services: Services, subscription_pk: int) -> bool:
    """Deliver what waits for a subscription, in order, until nothing is left or an attempt fails.

    Returns True when it stopped only to give others their turn. Does nothing while another worker is at it.
    """
    now, until = services.clock.now(), _lease_end(services)
    held = services.database.transact(
        lambda connection: notifications.lease(connection, subscription_pk, now=now, until=until)
    )
    if held is None:
        return False
    with services.database.read() as connection:
        state = notifications.state_of(connection, held.pk)
        if state is None:
            return False
        unit = Unit(connection, system(f"subscription-{state.id}", status.NAME), services)
        try:
            channel = status.document(unit, state.id)["channel"]
        except FhirError:
            return False  # deleted a moment ago
    settings = services.settings
    with rest_hook.connect(channel, settings.outbound_allow, settings.webhook_timeout_seconds) as hook:
        return _Delivery(services, held, state, hook).run()


def _lease_end(services: Services) -> int:
    # Connecting, sending and waiting for the answer may each take the whole timeout.
    return services.clock.now() + int(5 * services.settings.webhook_timeout_seconds * SECOND)


class _Delivery:
    """One worker's turn at one subscription."""

    def __init__(self, services: Services, held: Lease, state: State, hook: RestHook) -> None:
        self._services = services
        self._held = held
        self._state = state
        self._hook = hook
        self._caller = rights.load(state.caller, f"subscription-{state.id}")

    def run(self) -> bool:
        """Deliver up to `RUN` notifications; True when more may be due at once."""
        record: Step | None = None
        for _ in range(RUN):
            head = self._next(record)
            if head is None:
                return False
            record = self._attempt(head)
            if record is None:
                return False
        self._services.database.transact(lambda connection: self._pause(connection, record))
        return True

    def _next(self, record: Step | None) -> Notification | None:
        """Write down the last delivery and take the next in the same transaction."""

        def work(connection: Connection) -> Notification | None:
            if not self._recorded(connection, record):
                return None
            head = notifications.first_waiting(connection, self._held.pk)
            if head is None:
                notifications.release(connection, self._held, None)
            return head

        return self._services.database.transact(work)

    def _pause(self, connection: Connection, record: Step | None) -> None:
        if self._recorded(connection, record):
            notifications.release(connection, self._held, self._services.clock.now())

    def _recorded(self, connection: Connection, record: Step | None) -> bool:
        if not notifications.hold(connection, self._held, _lease_end(self._services)):
            return False
        if record is not None:
            record(connection)
        return True

    def _attempt(self, head: Notification) -> Step | None:
        """How to write down that the notification left the queue; None when it stays, which is written down already."""
        try:
            body = self._body(head)
        except FhirError as refused:
            # The rights changed, or the version was expunged: the others behind it may still go.
            reason = f"Not sent: {refused.issues[0].details}"
            return lambda connection: notifications.dead(connection, head.id, self._services.clock.now(), reason)
        try:
            self._hook.send(body)
        except DeliveryError as problem:
            reason = str(problem)
            self._services.database.transact(lambda connection: self._failed(connection, head, reason))
            return None
        log.info("notification delivered", extra={"subscription": self._state.id, "number": head.number})
        return lambda connection: notifications.delivered(connection, head.id, self._services.clock.now())

    def _body(self, head: Notification) -> str | None:
        if not self._hook.with_content:
            return None
        resource_type, _, resource_id = head.focus.partition("/")
        with self._services.database.read() as connection:
            unit = Unit(connection, self._caller, self._services)
            return repository.read_version(unit, resource_type, resource_id, head.version).content

    def _failed(self, connection: Connection, head: Notification, error: str) -> None:
        if not self._recorded(connection, None):
            return
        now = self._services.clock.now()
        last = head.attempts >= len(BACKOFF_SECONDS)
        log.warning(
            "notification not delivered",
            extra={"subscription": self._state.id, "number": head.number, "attempt": head.attempts + 1, "last": last},
        )
        if last:
            notifications.dead(connection, head.id, now, error)
            unit = Unit(connection, system(f"subscription-{self._state.id}", status.NAME), self._services)
            status.change(unit, self._state, "error", error)
        else:
            notifications.failed(connection, head.id, error)
            notifications.release(connection, self._held, now + BACKOFF_SECONDS[head.attempts] * SECOND)
