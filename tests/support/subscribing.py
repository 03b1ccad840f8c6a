"""What the tests of subscriptions share: resources, writes as some caller, and the worker's steps without a worker."""

import uuid
from typing import Any

from sqlalchemy import select

from fhir_lab.documents import parse
from fhir_lab.security.access import Caller, system
from fhir_lab.security.scopes import parse_scopes
from fhir_lab.services import Services
from fhir_lab.storage import notifications, repository
from fhir_lab.storage.tables import notification
from fhir_lab.storage.transaction import Entry, Written, apply
from fhir_lab.storage.unit import Unit
from fhir_lab.subscriptions.deliver import deliver
from fhir_lab.subscriptions.notify import match_changes

Json = dict[str, Any]
SYSTEM = system("test")


def caller(scopes: str, patient: str | None = None) -> Caller:
    """A caller with these scopes."""
    return Caller("tester", "app", parse_scopes(scopes), uuid.uuid4().hex, patient)


def subscription(endpoint: str, criteria: str = "Observation?status=final", **more: Any) -> Json:
    """A rest-hook Subscription; `channel` adds to its channel."""
    channel = {"type": "rest-hook", "endpoint": endpoint} | more.pop("channel", {})
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": criteria,
        "channel": channel,
    } | more


def observation(**more: Any) -> Json:
    """A small Observation."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
    } | more


def write(services: Services, *entries: Entry, who: Caller = SYSTEM) -> list[Written]:
    """Apply entries in one transaction."""
    return services.database.transact(lambda connection: apply(Unit(connection, who, services), entries))


def create(services: Services, resource: Json, who: Caller = SYSTEM) -> Written:
    """POST a resource, or PUT it where it has an id."""
    method = "PUT" if "id" in resource else "POST"
    entry = Entry(method, resource["resourceType"], id=resource.get("id"), resource=resource)
    return write(services, entry, who=who)[0]


def delete(services: Services, resource_type: str, resource_id: str) -> None:
    """DELETE a resource."""
    write(services, Entry("DELETE", resource_type, id=resource_id))


def stored(services: Services, resource_type: str, resource_id: str) -> Json:
    """The current document."""
    with services.database.read() as connection:
        found = repository.read(Unit(connection, SYSTEM, services), resource_type, resource_id)
    document: Json = parse(found.content or "")
    return document


def match(services: Services) -> None:
    """What a worker does when changes wait."""
    while match_changes(services):
        pass


def deliver_due(services: Services) -> None:
    """What workers do when notifications are due."""
    with services.database.read() as connection:
        due = notifications.due(connection, services.clock.now())
    for pk in due:
        deliver(services, pk)


def run(services: Services) -> None:
    """Match and deliver whatever waits."""
    match(services)
    deliver_due(services)


def queued(services: Services, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of every notification, by subscription and number."""
    table = notification.c
    query = select(*(table[name] for name in columns)).order_by(table.subscription_pk, table.number)
    with services.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]
