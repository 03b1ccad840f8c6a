"""What happens when a client writes a Subscription: it is checked, starts as requested, and remembers who wrote it.

https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.status
"""

from datetime import datetime

from fhir_lab.clock import to_micros
from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import Unprocessable
from fhir_lab.security import rights
from fhir_lab.storage import notifications
from fhir_lab.storage.repository import Version
from fhir_lab.storage.unit import Unit
from fhir_lab.subscriptions.criteria import check_subscription

# A change of any of these asks for the subscription anew.
TERMS = ("criteria", "channel", "end")


class SubscriptionHook:
    """The rules of Subscription writes; see `fhir_lab.storage.hooks.WriteHook`."""

    def before(self, unit: Unit, resource: Resource, current: Version | None) -> Resource:
        """The Subscription as it may be stored: a client can ask for it or switch it off, the server does the rest.

        Raises `Unprocessable` with everything that is wrong, `Forbidden` when the criteria reach too far.
        """
        if _stays(unit, resource, current):
            return resource
        issues = check_subscription(unit, resource)
        if issues:
            raise Unprocessable(issues)
        wanted = "off" if resource.get("status") == "off" else "requested"
        return {name: value for name, value in resource.items() if name != "error"} | {"status": wanted}

    def after(self, unit: Unit, pk: int, resource: Resource | None) -> None:
        """Keep the state in step: requested with the caller's rights, or off."""
        now = unit.services.clock.now()
        if resource is None:
            notifications.set_status(unit.connection, pk, "off", now, "The subscription was deleted.")
        elif resource["status"] in ("requested", "off"):
            notifications.request(
                unit.connection,
                pk,
                criteria=resource["criteria"],
                ends=_micros(resource.get("end")),
                caller=rights.dump(unit.caller),
                now=now,
            )
            if resource["status"] == "off":
                notifications.set_status(unit.connection, pk, "off", now)


def _stays(unit: Unit, resource: Resource, current: Version | None) -> bool:
    """True when status and terms are what the server knows: the server's own update, or a change of something else."""
    if current is None or current.content is None:
        return False
    state = notifications.state_of(unit.connection, current.pk)
    if state is None or state.status == "requested" or resource.get("status") != state.status:
        return False
    before = parse(current.content)
    return all(before.get(name) == resource.get(name) for name in TERMS)


def _micros(instant: str | None) -> int | None:
    return None if instant is None else to_micros(datetime.fromisoformat(instant))
