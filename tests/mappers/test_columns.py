"""What exactly lies in the columns that searches and the laboratory's SQL depend on."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_lab.documents import parse
from fhir_lab.search.values import FAR_FUTURE, FAR_PAST, date_range
from fhir_lab.storage.tables.base import NO_DATE
from mappers import MAPPERS, diagnostic_report, observation, patient, service_request, specimen

BERLIN = ZoneInfo("Europe/Berlin")


def known(literal: str) -> int | None:
    """Everything on this server is number 7; other servers are unknown."""
    return None if "://other" in literal else 7


def row(resource_type: str, text: str) -> dict[str, Any]:
    return MAPPERS[resource_type].to_row(parse(text), known, BERLIN)


# The element; the columns effective, _end and _type; the dates whose range they span (None: open).
DATES: list[tuple[str, tuple[str | None, str | None, str], tuple[str | None, str | None]]] = [
    ('"effectiveDateTime":"2026-11-20"', ("2026-11-20", None, "dateTime"), ("2026-11-20", "2026-11-20")),
    ('"effectiveDateTime":"2026"', ("2026", None, "dateTime"), ("2026", "2026")),
    (
        '"effectiveInstant":"2026-11-20T08:30:00.5Z"',
        ("2026-11-20T08:30:00.5Z", None, "instant"),
        ("2026-11-20T08:30:00.5Z", "2026-11-20T08:30:00.5Z"),
    ),
    (
        '"effectivePeriod":{"start":"2026-11-20","end":"2026-11-21"}',
        ("2026-11-20", "2026-11-21", "Period"),
        ("2026-11-20", "2026-11-21"),
    ),
    ('"effectivePeriod":{"start":"2026-11-20"}', ("2026-11-20", None, "Period"), ("2026-11-20", None)),
    ('"effectivePeriod":{"end":"2026-11-20"}', (None, "2026-11-20", "Period"), (None, "2026-11-20")),
    (
        '"effectiveTiming":{"event":["2026-11-20","2026-11-18"]}',
        (None, None, "Timing"),
        ("2026-11-18", "2026-11-20"),
    ),
    (
        '"effectiveTiming":{"repeat":{"boundsPeriod":{"start":"2026-11-18"}}}',
        (None, None, "Timing"),
        ("2026-11-18", None),
    ),
]


@pytest.mark.parametrize(("element", "columns", "span"), DATES)
def test_a_date_is_kept_as_written_and_as_the_range_searches_compare_with(
    element: str, columns: tuple[str | None, str | None, str], span: tuple[str | None, str | None]
) -> None:
    found, (first, last) = row("Observation", f"{{{element}}}"), span
    assert (found["effective"], found["effective_end"], found["effective_type"]) == columns
    assert found["effective_low"] == (date_range(first, BERLIN)[0] if first else FAR_PAST)
    assert found["effective_high"] == (date_range(last, BERLIN)[1] if last else FAR_FUTURE)
    assert found["sort_key"] == found["effective_low"]


@pytest.mark.parametrize("resource_type", ["ServiceRequest", "Specimen", "Observation", "DiagnosticReport"])
def test_without_a_date_a_row_sorts_before_every_date(resource_type: str) -> None:
    assert row(resource_type, "{}")["sort_key"] == NO_DATE


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("1985-07-02", date(1985, 7, 2), date(1985, 7, 2)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("1985-12", date(1985, 12, 1), date(1985, 12, 31)),
        ("1985", date(1985, 1, 1), date(1985, 12, 31)),
    ],
)
def test_a_birth_date_spans_the_days_it_may_mean(written: str, low: date, high: date) -> None:
    found = row("Patient", f'{{"birthDate":"{written}"}}')
    assert (found["birth_date"], found["birth_low"], found["birth_high"]) == (written, low, high)


def test_a_foreign_key_takes_only_local_targets_of_its_type() -> None:
    assert row("Observation", '{"subject":{"reference":"Patient/1"}}')["patient_pk"] == 7
    assert row("Observation", '{"subject":{"reference":"http://here/fhir/Patient/1/_history/2"}}')["patient_pk"] == 7
    assert row("Observation", '{"subject":{"reference":"Group/1"}}')["patient_pk"] is None
    assert row("Observation", '{"subject":{"reference":"http://other/Patient/1"}}')["patient_pk"] is None
    assert row("Observation", '{"subject":{"reference":"#p"}}')["patient_pk"] is None
    assert row("Observation", '{"device":{"reference":"DeviceMetric/1"}}')["device_pk"] is None
    assert row("ServiceRequest", '{"requester":{"reference":"Organization/1"}}')["requester_pk"] is None
    mixed = '{"basedOn":[{"reference":"CarePlan/1"},{"reference":"ServiceRequest/1"}]}'
    assert row("Observation", mixed)["service_request_pk"] == 7


def test_numbers_are_kept_as_written_and_to_compute_with() -> None:
    found = row("Observation", '{"valueQuantity":{"value":6.30,"comparator":"<","unit":"%"}}')
    assert (found["value_number"], found["value_literal"], found["value_comparator"]) == (6.3, "6.30", "<")
    assert (found["value_type"], found["value_unit"], found["value_code"]) == ("Quantity", "%", None)
    assert row("Observation", '{"valueQuantity":{"value":1e999}}')["value_number"] is None
    assert row("Observation", '{"valueInteger":5}')["value_literal"] == "5"
    assert row("Observation", '{"valueBoolean":false}')["value_literal"] == "false"
    assert row("Observation", '{"valueRatio":{"numerator":{"value":1}}}')["value_type"] == "Ratio"


def test_a_range_in_two_units_is_not_kept_in_one() -> None:
    found = row(
        "Observation", '{"referenceRange":[{"low":{"value":1,"unit":"g"},"high":{"value":2,"unit":"mg"},"text":"x"}]}'
    )
    assert (found["range_low"], found["range_high"], found["range_unit"], found["range_text"]) == (
        None,
        None,
        None,
        "x",
    )


def test_codes_of_other_systems_are_not_taken_for_those_of_the_column() -> None:
    foreign = '{"interpretation":[{"coding":[{"system":"urn:x","code":"H"}]}]}'
    assert row("Observation", foreign)["interpretation"] is None
    second = (
        '{"category":[{"coding":[{"system":"urn:x","code":"y"}]},'
        f'{{"coding":[{{"system":"{observation.CATEGORY}","code":"laboratory"}}]}}]}}'
    )
    assert row("Observation", second)["category"] == "laboratory"


def test_order_numbers_are_told_apart_by_their_type() -> None:
    typed = '{{"type":{{"coding":[{{"system":"{}","code":"{}"}}]}},"value":"{}"}}'
    filler, placer = (
        typed.format(service_request.IDENTIFIER_TYPE, code, value) for code, value in (("FILL", "F"), ("PLAC", "P"))
    )
    found = row("ServiceRequest", f'{{"identifier":[{filler},{{"value":"X"}},{placer}]}}')
    assert (found["placer_value"], found["filler_value"], found["identifier_value"]) == ("P", "F", "X")


def test_a_number_the_laboratory_wrote_badly_reaches_the_validator_as_it_is() -> None:
    said = observation.to_document({"value_type": "Quantity", "value_literal": "6,30"}, lambda _column, _pk: None)
    assert said["valueQuantity"] == {"value": "6,30"}


@pytest.mark.parametrize("module", [patient, service_request, specimen, observation, diagnostic_report])
def test_an_empty_row_says_nothing_but_its_type(module: Any) -> None:
    assert module.to_document({}, lambda _column, _pk: None) == {"resourceType": module.RESOURCE}
