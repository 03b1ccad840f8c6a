"""ServiceRequest <-> row of `service_request`: order numbers, what is ordered, by whom, for whom, when.

https://hl7.org/fhir/R4/servicerequest.html. The numbers of the orderer and of the laboratory are the identifiers typed
PLAC and FILL (http://terminology.hl7.org/CodeSystem/v2-0203); the first other identifier has columns of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mappers.dates import range_columns, sort_key
from mappers.elements import (
    Element,
    code_in,
    coded,
    compact,
    concept,
    concept_columns,
    identifier,
    identifier_columns,
    local,
    part,
    parts,
    referred,
    text,
)

RESOURCE = "ServiceRequest"
TABLE = "service_request"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
ORDER_NUMBERS = {"PLAC": "placer", "FILL": "filler"}


def to_row(resource: Element, resolve: Callable[[str], int | None], zone: ZoneInfo) -> dict[str, Any]:
    """Every column of `service_request` but `pk`; see `mappers.Mapper`."""
    authored = range_columns(resource.get("authoredOn"), "authored", zone)
    return {
        "status": text(resource.get("status")),
        "intent": text(resource.get("intent")),
        "priority": text(resource.get("priority")),
        **_identifiers(resource),
        **identifier_columns(part(resource, "requisition"), "requisition"),
        **concept_columns(part(resource, "code"), "code", "code"),
        "patient_pk": local(part(resource, "subject"), "Patient", resolve),
        "encounter_pk": local(part(resource, "encounter"), "Encounter", resolve),
        "requester_pk": local(part(resource, "requester"), "Practitioner", resolve),
        "authored_on": authored["authored"],
        "authored_low": authored["authored_low"],
        "authored_high": authored["authored_high"],
        "occurrence": text(resource.get("occurrenceDateTime")),
        "sort_key": sort_key(authored["authored_low"]),
    }


def to_document(row: Mapping[str, Any], reference: Callable[[str, int], str | None]) -> dict[str, Any]:
    """The ServiceRequest that a row says; see `mappers.Mapper`."""
    typed = (identifier(row, prefix, type=coded(IDENTIFIER_TYPE, code)) for code, prefix in ORDER_NUMBERS.items())
    return compact(
        resourceType=RESOURCE,
        identifier=[said for said in (*typed, identifier(row, "identifier")) if said],
        requisition=identifier(row, "requisition"),
        status=row.get("status"),
        intent=row.get("intent"),
        priority=row.get("priority"),
        code=concept(row, "code", "code"),
        subject=referred(row, "patient_pk", reference),
        encounter=referred(row, "encounter_pk", reference),
        occurrenceDateTime=row.get("occurrence"),
        authoredOn=row.get("authored_on"),
        requester=referred(row, "requester_pk", reference),
    )


def _identifiers(resource: Element) -> dict[str, Any]:
    found: dict[str, Element] = {}
    for each in parts(resource, "identifier"):
        prefix = ORDER_NUMBERS.get(code_in(IDENTIFIER_TYPE, [part(each, "type")]) or "", "identifier")
        found.setdefault(prefix, each)
    row: dict[str, Any] = {}
    for prefix in (*ORDER_NUMBERS.values(), "identifier"):
        row |= identifier_columns(found.get(prefix, {}), prefix)
    return row
