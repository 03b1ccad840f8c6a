"""DiagnosticReport <-> row of `diagnostic_report`: its number, what was examined, whose report it is, and when.

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mappers.dates import range_columns, sort_key, timed, timed_columns
from mappers.elements import (
    Element,
    code_in,
    coded,
    compact,
    concept,
    concept_columns,
    first_local,
    identifier,
    identifier_columns,
    local,
    part,
    parts,
    referred,
    repeated,
    text,
)

RESOURCE = "DiagnosticReport"
TABLE = "diagnostic_report"
CATEGORY = "http://terminology.hl7.org/CodeSystem/v2-0074"


def to_row(resource: Element, resolve: Callable[[str], int | None], zone: ZoneInfo) -> dict[str, Any]:
    """Every column of `diagnostic_report` but `pk`; see `mappers.Mapper`."""
    effective = timed_columns(resource, "effective", "effective", zone)
    return {
        "status": text(resource.get("status")),
        "category": code_in(CATEGORY, parts(resource, "category")),
        **identifier_columns(part(resource, "identifier"), "identifier"),
        **concept_columns(part(resource, "code"), "code", "code"),
        "patient_pk": local(part(resource, "subject"), "Patient", resolve),
        "encounter_pk": local(part(resource, "encounter"), "Encounter", resolve),
        "service_request_pk": first_local(resource, "basedOn", "ServiceRequest", resolve),
        "specimen_pk": first_local(resource, "specimen", "Specimen", resolve),
        **effective,
        **range_columns(resource.get("issued"), "issued", zone),
        "conclusion": text(resource.get("conclusion")),
        "sort_key": sort_key(effective["effective_low"]),
    }


def to_document(row: Mapping[str, Any], reference: Callable[[str, int], str | None]) -> dict[str, Any]:
    """The DiagnosticReport that a row says; see `mappers.Mapper`."""
    return compact(
        resourceType=RESOURCE,
        identifier=repeated(identifier(row, "identifier")),
        basedOn=repeated(referred(row, "service_request_pk", reference)),
        status=row.get("status"),
        category=repeated(coded(CATEGORY, row.get("category"))),
        code=concept(row, "code", "code"),
        subject=referred(row, "patient_pk", reference),
        encounter=referred(row, "encounter_pk", reference),
        **timed(row, "effective", "effective"),
        issued=row.get("issued"),
        specimen=repeated(referred(row, "specimen_pk", reference)),
        conclusion=row.get("conclusion"),
    )
