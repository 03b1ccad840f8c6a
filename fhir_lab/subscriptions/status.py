"""The life of a subscription: requested, active, error, off. The state row decides, the document follows it.

https://hl7.org/fhir/R4/valueset-subscription-status.html
"""

import logging

from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import FhirError, PreconditionFailed
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage import notifications, repository, transaction
from fhir_lab.storage.notifications import State
from fhir_lab.storage.unit import Unit

log = logging.getLogger(__name__)
NAME = "fhir-lab-subscriptions"
ATTEMPTS = 3
HOPELESS_AFTER = 7 * 24 * 3600 * 1_000_000


def change(unit: Unit, state: State, status: str, error: str | None = None) -> None:
    """Move a subscription to `active`, `error` (with the reason) or `off`, and show it in the document."""
    notifications.set_status(unit.connection, state.pk, status, unit.services.clock.now(), error)
    log.info("subscription changed", extra={"subscription": state.id, "status": status})
    server = Unit(unit.connection, system(unit.caller.request_id, NAME), unit.services)
    for _ in range(ATTEMPTS):
        try:
            with unit.connection.begin_nested():
                _show(server, state.id, status, error)
            return
        except PreconditionFailed:
            continue  # the client wrote something else meanwhile
        except FhirError as problem:
            # A document that today's rules refuse must not keep the others waiting; the state row has the truth.
            log.warning("subscription not shown", extra={"subscription": state.id, "issue": problem.issues[0].code})
            return


def document(unit: Unit, subscription_id: str) -> Resource:
    """The Subscription as it is stored. Raises `Gone` when it was deleted meanwhile."""
    return _parsed(repository.read(unit, "Subscription", subscription_id))


def _parsed(version: repository.Version) -> Resource:
    stored: Resource = parse(version.content or "{}")
    return stored


def _show(unit: Unit, subscription_id: str, status: str, error: str | None) -> None:
    current = repository.read(unit, "Subscription", subscription_id)
    shown = _parsed(current) | {"status": status}
    shown.pop("error", None)
    if error is not None:
        shown["error"] = error
    entry = transaction.Entry(
        "PUT", "Subscription", id=subscription_id, resource=shown, if_match=f'W/"{current.version}"'
    )
    transaction.apply(unit, [entry])


def retire(services: Services) -> None:
    """Switch off subscriptions whose `end` has come, and those that have been in error for a week."""
    now = services.clock.now()

    def work(unit: Unit) -> None:
        for state in notifications.outlived(unit.connection, now, now - HOPELESS_AFTER):
            over = state.ends is not None and state.ends <= now
            reason = "The end of the subscription has come." if over else "It was in error for seven days."
            change(unit, state, "off", reason)

    with services.database.read() as connection:
        found = bool(notifications.outlived(connection, now, now - HOPELESS_AFTER))
    if found:
        services.database.transact(lambda connection: work(Unit(connection, system("sweep", NAME), services)))
