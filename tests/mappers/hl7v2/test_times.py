"""Times keep their precision and offset; without an offset they are in the laboratory's zone."""

from zoneinfo import ZoneInfo

import pytest

from mappers.hl7v2.times import instant, moment_of, read_time, read_time_of_day

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("raw", "text", "utc"),
    [
        ("2025", "2025", "2024-12-31T23:00:00.000Z"),
        ("202503", "2025-03", "2025-02-28T23:00:00.000Z"),
        ("20250314", "2025-03-14", "2025-03-13T23:00:00.000Z"),
        ("2025031408", "2025-03-14T08:00:00+01:00", "2025-03-14T07:00:00.000Z"),
        ("202503140815", "2025-03-14T08:15:00+01:00", "2025-03-14T07:15:00.000Z"),
        ("20250714081530", "2025-07-14T08:15:30+02:00", "2025-07-14T06:15:30.000Z"),
        ("20250314081530.1234", "2025-03-14T08:15:30.1234+01:00", "2025-03-14T07:15:30.123Z"),
        ("20250314081530-0500", "2025-03-14T08:15:30-05:00", "2025-03-14T13:15:30.000Z"),
        ("202503140815+0545", "2025-03-14T08:15:00+05:45", "2025-03-14T02:30:00.000Z"),
        ("20250314081530+0000", "2025-03-14T08:15:30+00:00", "2025-03-14T08:15:30.000Z"),
        ("20250314081530Z", "2025-03-14T08:15:30+00:00", "2025-03-14T08:15:30.000Z"),
        ("2025-03-14", "2025-03-14", "2025-03-13T23:00:00.000Z"),
        ("2025-03-14T08:15:30+01:00", "2025-03-14T08:15:30+01:00", "2025-03-14T07:15:30.000Z"),
    ],
)
def test_a_time_is_written_as_fhir_writes_it(raw: str, text: str, utc: str) -> None:
    found = read_time(raw, BERLIN)
    assert found is not None
    assert (found.text, instant(found.moment), found.note) == (text, utc, "")
    assert found.exact is ("T" in text)
    assert found.date == text[:10]


@pytest.mark.parametrize(
    "raw",
    [
        "", "0000", "20251301", "20250230", "2025031424", "202503142460", "19000000000000", "20250314081530-0400000",
        "20250314081530+1500", "20250314081530+0160", "196203520", "14.03.2025", "0000000000", "yesterday", "2025031",
        "1995100218530000", "220241021055726", "२०२५",
    ],
)  # fmt: skip
def test_a_time_that_no_calendar_has_is_none(raw: str) -> None:
    assert read_time(raw, BERLIN) is None


def test_an_hour_that_happened_twice_is_the_first_and_noted() -> None:
    found = read_time("20251026023000", BERLIN)
    assert found is not None
    assert found.text == "2025-10-26T02:30:00+02:00"
    assert "twice" in found.note


def test_an_hour_that_did_not_exist_keeps_the_offset_of_before_and_is_noted() -> None:
    found = read_time("20250330023000", BERLIN)
    assert found is not None
    assert found.text == "2025-03-30T02:30:00+01:00"
    assert "did not exist" in found.note


def test_an_odd_offset_of_a_century_ago_is_whole_minutes() -> None:
    found = read_time("18900101120000", ZoneInfo("America/New_York"))
    assert found is not None
    assert found.text == "1890-01-01T12:00:00-05:00"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("0815", "08:15:00"),
        ("08", "08:00:00"),
        ("08:15", "08:15:00"),
        ("081530.5", "08:15:30.5"),
        ("223100.0000", "22:31:00.0000"),
        ("0815+0100", "08:15:00"),
        ("2400", None),
        ("0860", None),
        ("noon", None),
        ("", None),
    ],
)
def test_a_time_of_day(raw: str, text: str | None) -> None:
    assert read_time_of_day(raw) == text


@pytest.mark.parametrize("text", [None, 5, "", "2025-03-14", "2025-03-14T08:15:30", "TT", "T"])
def test_only_instants_can_be_compared(text: object) -> None:
    assert moment_of(text) is None
