"""FHIR dates as columns: the text as written, and the half-open range in microseconds UTC that it means.

https://hl7.org/fhir/R4/datatypes.html#dateTime, https://hl7.org/fhir/R4/search.html#date. The ranges are those of the
search index, because searches by date are answered from these columns.
"""

from collections.abc import Mapping
from datetime import date, timedelta, tzinfo
from typing import Any

from fhir_lab.search.values import date_range

from mappers.elements import Element, compact, part, text

INFINITY = 2**62
# The sort key of a row without a date: before every date.
NO_DATE = -INFINITY

Range = tuple[int, int]


def written_range(written: str | None, zone: tzinfo) -> Range | None:
    """The range a date, dateTime or instant means; None where there is none or it cannot be read."""
    try:
        return date_range(written, zone) if written else None
    except ValueError:
        return None


def range_columns(written: Any, prefix: str, zone: tzinfo) -> dict[str, Any]:
    """A date, dateTime or instant as the columns `{prefix}`, `{prefix}_low` and `{prefix}_high`."""
    said = text(written)
    low, high = written_range(said, zone) or (None, None)
    return {prefix: said, f"{prefix}_low": low, f"{prefix}_high": high}


def day_columns(written: Any, prefix: str) -> dict[str, Any]:
    """A FHIR date as `{prefix}_date`, with the first and the last day it may mean as `_low` and `_high`."""
    said = text(written)
    days = _days(said) if said else None
    low, high = days or (None, None)
    return {f"{prefix}_date": said, f"{prefix}_low": low, f"{prefix}_high": high}


def _days(written: str) -> tuple[date, date] | None:
    try:
        year, month, day = (int(number) for number in [*written.split("-"), "0", "0"][:3])
        first = date(year, month or 1, day or 1)
        if day:
            return first, first
        if not month or month == 12:
            return first, date(year, 12, 31)
        return first, date(year, month + 1, 1) - timedelta(days=1)
    except ValueError:
        return None


def timed_columns(element: Element, name: str, prefix: str, zone: tzinfo) -> dict[str, Any]:
    """A choice of dateTime, instant, Period and Timing as `{prefix}` (the start), `_end`, `_type`, `_low` and `_high`.

    Of a Timing only the type and the range are kept.
    """
    row: dict[str, Any] = {prefix: None, f"{prefix}_end": None, f"{prefix}_type": None}
    found: Range | None = None
    for kind in ("dateTime", "instant"):
        if written := text(element.get(name + kind[0].upper() + kind[1:])):
            row |= {prefix: written, f"{prefix}_type": kind}
            found = written_range(written, zone)
    if period := part(element, f"{name}Period"):
        row |= {prefix: text(period.get("start")), f"{prefix}_end": text(period.get("end")), f"{prefix}_type": "Period"}
        found = _period_range(period, zone)
    if timing := part(element, f"{name}Timing"):
        row[f"{prefix}_type"] = "Timing"
        found = _timing_range(timing, zone)
    row[f"{prefix}_low"], row[f"{prefix}_high"] = found or (None, None)
    return row


def timed(row: Mapping[str, Any], name: str, prefix: str) -> dict[str, Any]:
    """The choice element that the columns of `timed_columns` say. Without a type, an end makes it a Period."""
    start, end, kind = row.get(prefix), row.get(f"{prefix}_end"), row.get(f"{prefix}_type")
    if kind == "Timing":
        return {}
    if kind == "Period" or (kind is None and end):
        return compact(**{f"{name}Period": compact(start=start, end=end)})
    return compact(**{name + ("Instant" if kind == "instant" else "DateTime"): start})


def sort_key(low: int | None) -> int:
    """What orders rows by date: `low`, or NO_DATE."""
    return NO_DATE if low is None else low


def _period_range(period: Element, zone: tzinfo) -> Range | None:
    start, end = (written_range(text(period.get(name)), zone) for name in ("start", "end"))
    if start is None and end is None:
        return None
    return (start[0] if start else -INFINITY, end[1] if end else INFINITY)


def _timing_range(timing: Element, zone: tzinfo) -> Range | None:
    events = timing.get("event")
    ranges = [written_range(text(event), zone) for event in (events if isinstance(events, list) else [])]
    ranges.append(_period_range(part(part(timing, "repeat"), "boundsPeriod"), zone))
    known = [each for each in ranges if each]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None
