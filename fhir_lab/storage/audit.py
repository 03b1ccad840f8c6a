"""The audit row of a write, stored in the transaction that wrote. https://hl7.org/fhir/R4/auditevent.html"""

from typing import Any

from fhir_lab.storage.numbers import new_id
from fhir_lab.storage.planning import Plan
from fhir_lab.storage.unit import Unit

ACTIONS = {"create": "C", "update": "U", "patch": "U", "delete": "D"}


def audit_row(unit: Unit, item: Plan, interaction: str, at: int, patient_pk: int | None) -> tuple[Any, ...]:
    """A row of `audit_event`, in the order of its columns: this caller did this to that resource, with success."""
    caller = unit.caller
    return (
        new_id(),
        at,
        ACTIONS[interaction],
        interaction,
        "0",
        caller.subject,
        caller.client,
        caller.request_id,
        item.pk,
        item.type,
        item.id,
        item.version,
        patient_pk,
    )
