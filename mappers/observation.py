"""Observation <-> row of `observation`: what was measured, whose it is, when, its value and reference range.

https://hl7.org/fhir/R4/observation.html. Numbers are kept twice: as written, and as a double to compute with.
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
    double,
    first_local,
    literal,
    local,
    number,
    part,
    parts,
    referred,
    repeated,
    text,
)

RESOURCE = "Observation"
TABLE = "observation"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

VALUE_TYPES = (
    "Quantity", "CodeableConcept", "string", "boolean", "integer", "Range", "Ratio", "SampledData", "time", "dateTime",
    "Period",
)  # fmt: skip
VALUE_NAMES = {f"value{kind[0].upper()}{kind[1:]}": kind for kind in VALUE_TYPES}
VALUE_COLUMNS = ("number", "literal", "comparator", "unit", "system", "code", "display", "text")


def to_row(resource: Element, resolve: Callable[[str], int | None], zone: ZoneInfo) -> dict[str, Any]:
    """Every column of `observation` but `pk`; see `mappers.Mapper`."""
    effective = timed_columns(resource, "effective", "effective", zone)
    issued = range_columns(resource.get("issued"), "issued", zone)
    return {
        "status": text(resource.get("status")),
        "category": code_in(CATEGORY, parts(resource, "category")),
        **concept_columns(part(resource, "code"), "code", "code"),
        "patient_pk": local(part(resource, "subject"), "Patient", resolve),
        "encounter_pk": local(part(resource, "encounter"), "Encounter", resolve),
        "specimen_pk": local(part(resource, "specimen"), "Specimen", resolve),
        "service_request_pk": first_local(resource, "basedOn", "ServiceRequest", resolve),
        "device_pk": local(part(resource, "device"), "Device", resolve),
        **effective,
        "issued": issued["issued"],
        "issued_low": issued["issued_low"],
        **_value_columns(resource),
        "interpretation": code_in(INTERPRETATION, parts(resource, "interpretation")),
        **_range_columns(part(resource, "referenceRange")),
        "data_absent_reason": code_in(ABSENT, parts(resource, "dataAbsentReason")),
        "sort_key": sort_key(effective["effective_low"]),
    }


def to_document(row: Mapping[str, Any], reference: Callable[[str, int], str | None]) -> dict[str, Any]:
    """The Observation that a row says; see `mappers.Mapper`."""
    return compact(
        resourceType=RESOURCE,
        basedOn=repeated(referred(row, "service_request_pk", reference)),
        status=row.get("status"),
        category=repeated(coded(CATEGORY, row.get("category"))),
        code=concept(row, "code", "code"),
        subject=referred(row, "patient_pk", reference),
        encounter=referred(row, "encounter_pk", reference),
        **timed(row, "effective", "effective"),
        issued=row.get("issued"),
        **_value(row),
        dataAbsentReason=coded(ABSENT, row.get("data_absent_reason")),
        interpretation=repeated(coded(INTERPRETATION, row.get("interpretation"))),
        specimen=referred(row, "specimen_pk", reference),
        device=referred(row, "device_pk", reference),
        referenceRange=repeated(_reference_range(row)),
    )


def _value_columns(resource: Element) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(f"value_{column}" for column in ("type", *VALUE_COLUMNS))
    name = next((name for name in VALUE_NAMES if name in resource), None)
    if name is None:
        return row
    kind, value = VALUE_NAMES[name], resource[name]
    row["value_type"] = kind
    if kind == "Quantity":
        quantity = part(resource, name)
        row["value_number"] = double(quantity.get("value"))
        row["value_literal"] = literal(quantity.get("value"))
        row |= {f"value_{column}": text(quantity.get(column)) for column in ("comparator", "unit", "system", "code")}
    elif kind == "CodeableConcept":
        row |= concept_columns(part(resource, name), "value", "value_code")
    elif kind == "string":
        row["value_text"] = text(value)
    elif kind == "integer":
        row |= {"value_number": double(value), "value_literal": literal(value)}
    elif kind == "boolean":
        row["value_literal"] = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    elif kind in ("dateTime", "time"):
        row["value_literal"] = text(value)
    return row


def _value(row: Mapping[str, Any]) -> dict[str, Any]:
    kind, written = row.get("value_type"), row.get("value_literal")
    match kind:
        case "Quantity":
            quantity = {column: row.get(f"value_{column}") for column in ("comparator", "unit", "system", "code")}
            return compact(valueQuantity=compact(value=_number(row), **quantity))
        case "CodeableConcept":
            return compact(valueCodeableConcept=concept(row, "value", "value_code"))
        case "string":
            return compact(valueString=row.get("value_text"))
        case "integer":
            return compact(valueInteger=_number(row))
        case "boolean":
            return compact(valueBoolean={"true": True, "false": False}.get(written or "", written))
        case "dateTime":
            return compact(valueDateTime=written)
        case "time":
            return compact(valueTime=written)
    return {}


def _number(row: Mapping[str, Any]) -> Any:
    written, value = row.get("value_literal"), row.get("value_number")
    if written is None and value is not None:
        written = format(value, ".15g")
    return number(written)


def _range_columns(reference_range: Element) -> dict[str, Any]:
    low, high = part(reference_range, "low"), part(reference_range, "high")
    units = {text(end.get("unit")) for end in (low, high) if end}
    # One unit column: ends in different units cannot be told by it, so then the numbers stay out too.
    same = len(units) == 1
    return {
        "range_low": literal(low.get("value")) if same else None,
        "range_high": literal(high.get("value")) if same else None,
        "range_unit": units.pop() if same else None,
        "range_text": text(reference_range.get("text")),
    }


def _reference_range(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = (
        compact(value=number(row[column]), unit=row.get("range_unit")) if row.get(column) else None
        for column in ("range_low", "range_high")
    )
    return compact(low=low, high=high, text=row.get("range_text"))
