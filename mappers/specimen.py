"""Specimen <-> row of `specimen`: its numbers, what it is, whose it is, when it was taken and received.

https://hl7.org/fhir/R4/specimen.html
"""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mappers.dates import range_columns, sort_key, timed, timed_columns
from mappers.elements import (
    Element,
    compact,
    concept,
    concept_columns,
    first_local,
    identifier,
    identifier_columns,
    local,
    part,
    referred,
    repeated,
    text,
)

RESOURCE = "Specimen"
TABLE = "specimen"


def to_row(resource: Element, resolve: Callable[[str], int | None], zone: ZoneInfo) -> dict[str, Any]:
    """Every column of `specimen` but `pk`; see `mappers.Mapper`."""
    collected = timed_columns(part(resource, "collection"), "collected", "collected", zone)
    received = range_columns(resource.get("receivedTime"), "received", zone)
    return {
        "status": text(resource.get("status")),
        **identifier_columns(part(resource, "identifier"), "identifier"),
        **identifier_columns(part(resource, "accessionIdentifier"), "accession"),
        **concept_columns(part(resource, "type"), "type", "type_code"),
        "patient_pk": local(part(resource, "subject"), "Patient", resolve),
        "service_request_pk": first_local(resource, "request", "ServiceRequest", resolve),
        "parent_pk": first_local(resource, "parent", "Specimen", resolve),
        **collected,
        "received": received["received"],
        "received_low": received["received_low"],
        "sort_key": sort_key(collected["collected_low"]),
    }


def to_document(row: Mapping[str, Any], reference: Callable[[str, int], str | None]) -> dict[str, Any]:
    """The Specimen that a row says; see `mappers.Mapper`."""
    return compact(
        resourceType=RESOURCE,
        identifier=repeated(identifier(row, "identifier")),
        accessionIdentifier=identifier(row, "accession"),
        status=row.get("status"),
        type=concept(row, "type", "type_code"),
        subject=referred(row, "patient_pk", reference),
        receivedTime=row.get("received"),
        parent=repeated(referred(row, "parent_pk", reference)),
        request=repeated(referred(row, "service_request_pk", reference)),
        collection=timed(row, "collected", "collected"),
    )
