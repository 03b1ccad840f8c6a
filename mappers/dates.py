"""FHIR dates as columns: the text as written, and the half-open range in microseconds UTC that it means.

https://hl7.org/fhir/R4/datatypes.html#dateTime, https://hl7.org/fhir/R4/search.html#date. The ranges are those of the
search index, because searches by date are answered from these columns.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from fhir_lab.search.values import FAR_PAST, date_range, period_range, timing_range
from mappers.elements import Element, compact, part, text

T = TypeVar("T")

# The sort key of a row without a date.
NO_DATE = FAR_PAST


def range_columns(written: Any, prefix: str, zone: ZoneInfo) -> dict[str, Any]:
    """A date, dateTime or instant as the columns `{prefix}`, `{prefix}_low` and `{prefix}_high`."""
    said = text(written)
    low, high = _range(date_range, said, zone)
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


def timed_columns(element: Element, name: str, prefix: str, zone: ZoneInfo) -> dict[str, Any]:
    """A choice of dateTime, instant, Period and Timing as `{prefix}` (the start), `_end`, `_type`, `_low` and `_high`.

    Of a Timing only the type and the range are kept.
    """
    row: dict[str, Any] = {prefix: None, f"{prefix}_end": None, f"{prefix}_type": None}
    found: tuple[int | None, int | None] = (None, None)
    for kind in ("dateTime", "instant"):
        if written := text(element.get(name + kind[0].upper() + kind[1:])):
            row |= {prefix: written, f"{prefix}_type": kind}
            found = _range(date_range, written, zone)
    if period := part(element, f"{name}Period"):
        row |= {prefix: text(period.get("start")), f"{prefix}_end": text(period.get("end")), f"{prefix}_type": "Period"}
        found = _range(period_range, period, zone)
    if timing := part(element, f"{name}Timing"):
        row[f"{prefix}_type"] = "Timing"
        found = _range(timing_range, timing, zone)
    row[f"{prefix}_low"], row[f"{prefix}_high"] = found
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


def _range(
    read: Callable[[T, ZoneInfo], tuple[int, int]], said: T | None, zone: ZoneInfo
) -> tuple[int | None, int | None]:
    try:
        return read(said, zone) if said else (None, None)
    except (ValueError, OverflowError):
        return (None, None)
