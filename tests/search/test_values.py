"""Search values: what a date, a number, a string and a reference mean."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_lab.clock import from_micros, to_micros
from fhir_lab.documents import ExactDecimal
from fhir_lab.search.values import (
    FAR_FUTURE,
    FAR_PAST,
    KEY_LENGTH,
    NORM_LENGTH,
    ParsedReference,
    date_range,
    key,
    normalise,
    number_range,
    parse_reference,
    period_range,
    timing_range,
)

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
BASE = "https://lab.example.org/fhir/R4"


def instants(literal: str, zone: ZoneInfo = UTC_ZONE) -> tuple[str, str]:
    low, high = date_range(literal, zone)
    return from_micros(low).isoformat()[:-6], from_micros(high).isoformat()[:-6]


@pytest.mark.parametrize(
    ("literal", "low", "high"),
    [
        ("2026", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-02", "2026-02-01T00:00:00", "2026-03-01T00:00:00"),
        ("2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2024-02-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("2026-12-31", "2026-12-31T00:00:00", "2027-01-01T00:00:00"),
        ("2026-11-20T08:30", "2026-11-20T08:30:00", "2026-11-20T08:31:00"),
        ("2026-11-20T08:30:15", "2026-11-20T08:30:15", "2026-11-20T08:30:16"),
        ("2026-11-20T08:30:15Z", "2026-11-20T08:30:15", "2026-11-20T08:30:16"),
        ("2026-11-20T08:30Z", "2026-11-20T08:30:00", "2026-11-20T08:31:00"),
        ("2026-11-20T08:30:15.5Z", "2026-11-20T08:30:15.500000", "2026-11-20T08:30:15.600000"),
        ("2026-11-20T08:30:15.123Z", "2026-11-20T08:30:15.123000", "2026-11-20T08:30:15.124000"),
        ("2026-11-20T08:30:15.1234567Z", "2026-11-20T08:30:15.123456", "2026-11-20T08:30:15.123457"),
        ("2020-01-01T23:30:00-05:00", "2020-01-02T04:30:00", "2020-01-02T04:30:01"),
        ("2020-01-01T01:00:00+14:00", "2019-12-31T11:00:00", "2019-12-31T11:00:01"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00", "2017-01-01T00:00:01"),
        ("1850-06-01", "1850-06-01T00:00:00", "1850-06-02T00:00:00"),
        ("0001-01-01", "0001-01-01T00:00:00", "0001-01-02T00:00:00"),
    ],
)
def test_a_date_is_the_range_of_its_precision(literal: str, low: str, high: str) -> None:
    assert instants(literal) == (low, high)


def test_the_last_year_ends_where_the_next_would_begin() -> None:
    day = 86_400_000_000
    low, high = date_range("9999", UTC_ZONE)
    assert (low, high - low) == (to_micros(datetime(9999, 1, 1, tzinfo=UTC)), 365 * day)
    assert date_range("9999-12-31", UTC_ZONE) == (high - day, high)
    assert date_range("9999-12-31T23:59:59.999Z", BERLIN)[1] == high
    assert date_range("9999-12-31", BERLIN)[1] == high - 3_600_000_000


@pytest.mark.parametrize(
    "literal",
    [
        "",
        "20",
        "2026-13",
        "2026-00",
        "2026-02-30",
        "2025-02-29",
        "2026-11-31",
        "0000",
        "2026-1-1",
        "20261120",
        "2026-11-20T",
        "2026-11-20T24:00:00Z",
        "2026-11-20T08",
        "2026-11-20T08:60:00Z",
        "2026-11-20T08:30:61Z",
        "2026-11-20T08:30:00+15:00",
        "2026-11-20T08:30:00+0100",
        "2026-11-20 08:30:00",
        "2026-11-20T08:30:00z",
        "2026-11-20T08:30:00.Z",
        "2026-11-20Z",
        "2026-11\n",
        "２０２６",
        "yesterday",
    ],
)
def test_what_is_not_a_date_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date|is not in the calendar"):
        date_range(literal, UTC_ZONE)


@pytest.mark.parametrize(
    ("literal", "low", "high"),
    [
        # Winter and summer.
        ("2026-01-15", "2026-01-14T23:00:00", "2026-01-15T23:00:00"),
        ("2026-07-15T12:00:00", "2026-07-15T10:00:00", "2026-07-15T10:00:01"),
        ("2026", "2025-12-31T23:00:00", "2026-12-31T23:00:00"),
        # The day of 23 hours: 02:30 does not exist and is read with the offset before the change.
        ("2026-03-29", "2026-03-28T23:00:00", "2026-03-29T22:00:00"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00", "2026-03-29T01:30:01"),
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59", "2026-03-29T01:00:00"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00", "2026-03-29T01:00:01"),
        # The day of 25 hours: 02:30 happens twice and means both.
        ("2026-10-25", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00", "2026-10-25T01:30:01"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59", "2026-10-25T00:00:00"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00", "2026-10-25T02:00:01"),
        # An offset decides.
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00", "2026-10-25T00:30:01"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00", "2026-10-25T01:30:01"),
    ],
)
def test_without_an_offset_the_zone_of_the_laboratory_holds(literal: str, low: str, high: str) -> None:
    assert instants(literal, BERLIN) == (low, high)


def test_a_day_whose_midnight_does_not_exist_begins_when_the_clock_moved() -> None:
    assert instants("2018-11-04", ZoneInfo("America/Sao_Paulo")) == ("2018-11-04T03:00:00", "2018-11-05T02:00:00")


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.sampled_from([UTC_ZONE, BERLIN]))
def test_each_precision_lies_within_the_coarser_one(moment: datetime, zone: ZoneInfo) -> None:
    text = moment.isoformat(timespec="milliseconds")
    ranges = [date_range(text[:length], zone) for length in (4, 7, 10, 16, 19, 23)]
    for (low, high), (finer_low, finer_high) in pairwise(ranges):
        assert low <= finer_low < finer_high <= high


@given(st.dates(max_value=date(9999, 12, 30)))
def test_days_follow_each_other_without_gap(day: date) -> None:
    low, high = date_range(day.isoformat(), BERLIN)
    next_low, _ = date_range((day + timedelta(days=1)).isoformat(), BERLIN)
    assert high == next_low
    month_low, month_high = date_range(day.isoformat()[:7], BERLIN)
    assert month_low <= low < high <= month_high


def test_an_open_period_reaches_to_infinity() -> None:
    low, high = date_range("2026-01-20", UTC_ZONE)[0], date_range("2026-02-03", UTC_ZONE)[1]
    assert period_range({"start": "2026-01-20", "end": "2026-02-03"}, UTC_ZONE) == (low, high)
    assert period_range({"start": "2026-01-20"}, UTC_ZONE) == (low, FAR_FUTURE)
    assert period_range({"end": "2026-02-03"}, UTC_ZONE) == (FAR_PAST, high)
    assert (FAR_PAST, FAR_FUTURE) == (-(2**62), 2**62)


@pytest.mark.parametrize("period", [{}, {"start": "2026-02-03", "end": "2026-01-20"}, {"start": "soon"}, {"id": "a"}])
def test_a_period_without_dates_or_order_is_refused(period: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"neither start nor end|before it starts|is not a date"):
        period_range(period, UTC_ZONE)


def test_a_timing_spans_its_events_and_bounds() -> None:
    low, high = date_range("2026-01-05", UTC_ZONE)[0], date_range("2026-01-09", UTC_ZONE)[1]
    assert timing_range({"event": ["2026-01-07", "2026-01-05", None, "2026-01-09"]}, UTC_ZONE) == (low, high)
    bounds = {"repeat": {"boundsPeriod": {"start": "2026-01-05", "end": "2026-01-09"}, "frequency": 2}}
    assert timing_range(bounds, UTC_ZONE) == (low, high)
    assert timing_range({"event": ["2026-01-05"], **bounds}, UTC_ZONE) == (low, high)
    with pytest.raises(ValueError, match="names no date"):
        timing_range({"repeat": {"frequency": 2}}, UTC_ZONE)


@pytest.mark.parametrize(
    ("literal", "value", "low", "high"),
    [
        ("100", 100, 99.5, 100.5),
        ("100.00", 100, 99.995, 100.005),
        ("5.40", 5.4, 5.395, 5.405),
        ("5.4", 5.4, 5.35, 5.45),
        ("1e2", 100, 95, 105),
        ("1.0e2", 100, 99.5, 100.5),
        ("1E-2", 0.01, 0.005, 0.015),
        ("-2.5", -2.5, -2.55, -2.45),
        ("0", 0, -0.5, 0.5),
        ("+7", 7, 6.5, 7.5),
        (100, 100, 99.5, 100.5),
        (ExactDecimal("6.30"), 6.3, 6.295, 6.305),
        (Decimal("0.1"), 0.1, 0.05, 0.15),
        ("0.123456789012345678901234567890123", 0.123456789012345678, 0.123456789012345678, 0.123456789012345678),
    ],
)
def test_a_number_is_the_range_of_its_precision(
    literal: str | int | Decimal, value: float, low: float, high: float
) -> None:
    assert number_range(literal) == (value, low, high)


@pytest.mark.parametrize(
    "literal", ["", "-", "1.", ".5", "1e", "0x10", "NaN", "Infinity", "1,5", "1e400", "１", "1 2", "1e99999"]
)
def test_what_is_not_a_finite_number_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|is out of range"):
        number_range(literal)


@pytest.mark.parametrize("literal", ["1e400", "-1e999999", "1e-999999"])
def test_a_stored_number_that_no_double_can_hold_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match="is out of range"):
        number_range(ExactDecimal(literal))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("García", "garcia"),
        ("GARCI\u0301A", "garcia"),
        ("Müller", "muller"),
        ("Straße", "strasse"),
        ("  Mary \t Ann\n", "mary ann"),
        ("Ångström", "angstrom"),
        ("İstanbul", "istanbul"),
        ("ﬁnal", "final"),
        ("Ｆｕｌｌ", "full"),
        ("Νίκος", "νικοσ"),
        ("a\u00a0b", "a b"),
        ("", ""),
    ],
)
def test_a_string_loses_case_accents_and_superfluous_space(text: str, normal: str) -> None:
    assert normalise(text) == normal


@given(st.text(max_size=NORM_LENGTH // 20))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_what_the_index_keeps_fits_its_entries() -> None:
    assert len(normalise("é" * 5000)) == NORM_LENGTH
    assert len(key("x" * 5000)) == KEY_LENGTH
    assert key("x" * KEY_LENGTH) == "x" * KEY_LENGTH
    assert key("x" * 5000) != key("x" * 5001)
    largest = len("\U0001f9ea".encode())
    assert NORM_LENGTH * largest < 2704
    assert 2 * KEY_LENGTH * largest < 2704


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("Patient/1", ParsedReference("Patient", "1", "", "")),
        ("Patient/1/_history/2", ParsedReference("Patient", "1", "2", "")),
        (f"{BASE}/Patient/a-b.c", ParsedReference("Patient", "a-b.c", "", "")),
        (f"{BASE}/Patient/1/_history/2", ParsedReference("Patient", "1", "2", "")),
        (
            "https://elsewhere.example.org/fhir/Patient/1/_history/2",
            ParsedReference("Patient", "1", "2", "https://elsewhere.example.org/fhir/Patient/1"),
        ),
        ("https://example.org/about", ParsedReference("", "", "", "https://example.org/about")),
        ("urn:oid:1.2.3", ParsedReference("", "", "", "urn:oid:1.2.3")),
        (
            "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            ParsedReference("", "", "", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        ),
        (
            "http://example.org/PlanDefinition/sepsis|2.0",
            ParsedReference("", "", "", "http://example.org/PlanDefinition/sepsis|2.0"),
        ),
        ("#p", None),
        ("", None),
        ("1", None),
        ("patient/1", None),
        ("Patient/", None),
        ("Patient/a b", None),
        ("Patient/" + "x" * 65, None),
    ],
)
def test_a_reference_is_local_or_a_url_or_nothing(text: str, parsed: ParsedReference | None) -> None:
    assert parse_reference(text, BASE) == parsed
