"""Which search parameters the laboratory's own columns answer, so that they need no index rows.

A parameter is listed only where the column holds every value of it. What a mapper must put there:

- a token column: the code as written, or the boolean;
- a date column pair: the half-open [low, high) range in microseconds UTC that the date index would hold, whatever the
  type of the element: a dateTime or instant by its precision, a Period from the low of its start to the high of its end
  (an open end as in the index), a Timing from its first to its last event or bound. Both empty: no value;
- a day column pair: the first and the last day that the FHIR date may mean;
- a reference column: the pk of a local target of the type named here. References to other types, to other servers and
  by identifier stay in `idx_reference`.

The codings of `code` and `category` are in the `*_coding` tables, which repeat patient and sort key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table

from fhir_lab.storage.tables import (
    CODING_TABLES,
    diagnostic_report,
    observation,
    patient,
    service_request,
    specimen,
)

if TYPE_CHECKING:
    from fhir_lab.search.registry import Registry


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """A code, or a boolean."""

    column: Column[Any]
    boolean: bool = False


@dataclass(frozen=True, slots=True)
class DateColumn:
    """A half-open range in microseconds UTC; `sort` is `low`, with NO_DATE in place of nothing."""

    low: Column[Any]
    high: Column[Any]
    sort: Column[Any] | None = None


@dataclass(frozen=True, slots=True)
class DayColumn:
    """The first and last day of a FHIR date, in the laboratory's zone; `text` is the date as written, to sort by."""

    first: Column[Any]
    last: Column[Any]
    text: Column[Any]


@dataclass(frozen=True, slots=True)
class ReferenceColumn:
    """The pk of a local target of one type."""

    column: Column[Any]
    target: str


LabColumn = TokenColumn | DateColumn | DayColumn | ReferenceColumn


def _dates(table: Table, low: str, high: str, sort: bool = False) -> DateColumn:
    return DateColumn(table.c[low], table.c[high], table.c.sort_key if sort else None)


def _patient(table: Table) -> ReferenceColumn:
    return ReferenceColumn(table.c.patient_pk, "Patient")


ANSWERED: dict[tuple[str, str], LabColumn] = {
    ("Patient", "active"): TokenColumn(patient.c.active, boolean=True),
    ("Patient", "gender"): TokenColumn(patient.c.gender),
    ("Patient", "birthdate"): DayColumn(patient.c.birth_low, patient.c.birth_high, patient.c.birth_date),
    ("Patient", "organization"): ReferenceColumn(patient.c.organization_pk, "Organization"),
    ("ServiceRequest", "status"): TokenColumn(service_request.c.status),
    ("ServiceRequest", "intent"): TokenColumn(service_request.c.intent),
    ("ServiceRequest", "priority"): TokenColumn(service_request.c.priority),
    ("ServiceRequest", "authored"): _dates(service_request, "authored_low", "authored_high", sort=True),
    ("ServiceRequest", "patient"): _patient(service_request),
    ("ServiceRequest", "subject"): _patient(service_request),
    ("ServiceRequest", "encounter"): ReferenceColumn(service_request.c.encounter_pk, "Encounter"),
    ("ServiceRequest", "requester"): ReferenceColumn(service_request.c.requester_pk, "Practitioner"),
    ("Specimen", "status"): TokenColumn(specimen.c.status),
    ("Specimen", "collected"): _dates(specimen, "collected_low", "collected_high", sort=True),
    ("Specimen", "patient"): _patient(specimen),
    ("Specimen", "subject"): _patient(specimen),
    ("Observation", "status"): TokenColumn(observation.c.status),
    ("Observation", "date"): _dates(observation, "effective_low", "effective_high", sort=True),
    ("Observation", "patient"): _patient(observation),
    ("Observation", "subject"): _patient(observation),
    ("Observation", "encounter"): ReferenceColumn(observation.c.encounter_pk, "Encounter"),
    ("Observation", "specimen"): ReferenceColumn(observation.c.specimen_pk, "Specimen"),
    ("Observation", "device"): ReferenceColumn(observation.c.device_pk, "Device"),
    ("DiagnosticReport", "status"): TokenColumn(diagnostic_report.c.status),
    ("DiagnosticReport", "date"): _dates(diagnostic_report, "effective_low", "effective_high", sort=True),
    ("DiagnosticReport", "issued"): _dates(diagnostic_report, "issued_low", "issued_high"),
    ("DiagnosticReport", "patient"): _patient(diagnostic_report),
    ("DiagnosticReport", "subject"): _patient(diagnostic_report),
    ("DiagnosticReport", "encounter"): ReferenceColumn(diagnostic_report.c.encounter_pk, "Encounter"),
}

CODINGS: frozenset[tuple[str, str]] = frozenset((name, code) for name in CODING_TABLES for code in ("code", "category"))


@cache
def skipped(registry: "Registry") -> frozenset[int]:
    """Ids of the parameters that never need index rows: a column holds every value of them."""
    return frozenset(_id(registry, *key) for key, column in ANSWERED.items() if not isinstance(column, ReferenceColumn))


@cache
def held_by_column(registry: "Registry") -> Mapping[int, str]:
    """Parameter id -> the type whose local references a column holds: those, and no others, need no index row."""
    return {
        _id(registry, *key): column.target for key, column in ANSWERED.items() if isinstance(column, ReferenceColumn)
    }


@cache
def coding_parameters(registry: "Registry", resource_type: str) -> Mapping[int, str]:
    """Parameter id -> code of the parameters whose token rows belong in the type's `*_coding` table."""
    return {_id(registry, name, code): code for name, code in CODINGS if name == resource_type}


def _id(registry: "Registry", resource_type: str, code: str) -> int:
    parameter = registry.get(resource_type, code)
    if parameter is None:
        raise LookupError(f"{resource_type} has no search parameter '{code}', which a lab column answers")
    return parameter.id
