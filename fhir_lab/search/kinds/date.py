"""Date parameters: ranges of time. https://hl7.org/fhir/R4/search.html#date

A row is [low, high) in microseconds UTC. A string in a choice (`Procedure.performedString`) is not a date and gives
none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, false, or_

from fhir_lab.clock import from_micros
from fhir_lab.search.escapes import unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, date_range, period_range, timing_range

DateRow = tuple[int, int]


def extract(node: Node, place: Place) -> list[DateRow]:
    """The range of a date, dateTime, instant, Period or Timing."""
    if node.type in ("dateTime", "instant", "date"):
        return [date_range(node.value, place.zone)]
    if node.type == "Period":
        return [period_range(node.value, place.zone)]
    if node.type == "Timing":
        return [timing_range(node.value, place.zone)]
    return []


PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
APPROXIMATION = 10  # one part in ten of the time between now and the date


@dataclass(frozen=True, slots=True)
class DateValue:
    """A prefix and the range [low, high) that the search value means, widened already for `ap`."""

    prefix: str
    low: int
    high: int


def read(text: str, place: Place, now: int) -> DateValue:
    """A search value such as `ge2013-03-14`; `now` in microseconds is what `ap` measures from.

    A blank before an offset is a `+` that the client did not encode. Raises `ValueError` for anything but a date.
    """
    plain = unescape(text).replace(" ", "+")
    prefix = plain[:2] if plain[:2].isalpha() else "eq"
    if prefix not in PREFIXES:
        raise ValueError(f"'{prefix}' is not a prefix; these are: {', '.join(PREFIXES)}")
    low, high = date_range(plain[2:] if plain[:2] == prefix else plain, place.zone)
    if prefix == "ap":
        width = abs(now - (low + high) // 2) // APPROXIMATION
        low, high = low - width, high + width
    return DateValue(prefix, low, high)


def compile(
    value: DateValue, low: ColumnElement[int], high: ColumnElement[int], key: ColumnElement[int]
) -> ColumnElement[bool]:
    """The condition on a range [low, high). `key` is an indexed column equal to `low` wherever there is a range."""
    conditions: dict[str, Callable[[], ColumnElement[bool]]] = {
        "eq": lambda: and_(key >= value.low, key < value.high, high <= value.high),
        "ne": lambda: or_(low < value.low, high > value.high),
        "gt": lambda: high > value.high,
        "ge": lambda: and_(high > value.low, or_(low >= value.low, high > value.high)),
        "lt": lambda: key < value.low if key is low else and_(key < value.low, low < value.low),
        "le": lambda: and_(key < value.high, or_(low < value.low, high <= value.high)),
        "sa": lambda: key >= value.high,
        "eb": lambda: and_(key < value.low, high <= value.low),
        "ap": lambda: and_(key < value.high, high > value.low),
    }
    return conditions[value.prefix]()


def compile_instants(value: DateValue, low: ColumnElement[int], length: int) -> ColumnElement[bool]:
    """The same condition on ranges that are all this long, so that an index on where they begin is enough."""
    conditions: dict[str, Callable[[], ColumnElement[bool]]] = {
        "eq": lambda: and_(low >= value.low, low <= value.high - length),
        "ne": lambda: or_(low < value.low, low > value.high - length),
        "gt": lambda: low > value.high - length,
        "ge": lambda: and_(low > value.low - length, or_(low >= value.low, low > value.high - length)),
        "lt": lambda: low < value.low,
        "le": lambda: and_(low < value.high, or_(low < value.low, low <= value.high - length)),
        "sa": lambda: low >= value.high,
        "eb": lambda: low <= value.low - length,
        "ap": lambda: and_(low < value.high, low > value.low - length),
    }
    return conditions[value.prefix]()


def compile_days(
    value: DateValue, first: ColumnElement[date], last: ColumnElement[date], zone: ZoneInfo
) -> ColumnElement[bool]:
    """The same condition on the first and last day of a range that begins and ends at midnight in `zone`."""
    low_floor, low_ceiling = _days_around(value.low, zone)
    high_floor, high_ceiling = _days_around(value.high, zone)
    conditions: dict[str, Callable[[], ColumnElement[bool]]] = {
        "eq": lambda: and_(_from(first, low_ceiling), _before(first, high_ceiling), _before(last, high_floor)),
        "ne": lambda: or_(_before(first, low_ceiling), _from(last, high_floor)),
        "gt": lambda: _from(last, high_floor),
        "ge": lambda: and_(_from(last, low_floor), or_(_from(first, low_ceiling), _from(last, high_floor))),
        "lt": lambda: _before(first, low_ceiling),
        "le": lambda: and_(_before(first, high_ceiling), or_(_before(first, low_ceiling), _before(last, high_floor))),
        "sa": lambda: _from(first, high_ceiling),
        "eb": lambda: and_(_before(first, low_ceiling), _before(last, low_floor)),
        "ap": lambda: and_(_before(first, high_ceiling), _from(last, low_floor)),
    }
    return conditions[value.prefix]()


def _before(day: ColumnElement[date], limit: date | None) -> ColumnElement[bool]:
    return day < limit if limit is not None else day.is_not(None)


def _from(day: ColumnElement[date], limit: date | None) -> ColumnElement[bool]:
    return day >= limit if limit is not None else false()


def _days_around(micros: int, zone: ZoneInfo) -> tuple[date | None, date | None]:
    """The last day that begins at or before an instant, and the first that begins at or after it.

    None is the day after the last of the calendar, where the range of 9999 ends.
    """
    try:
        day = from_micros(micros).astimezone(zone).date()
        begins = date_range(day.isoformat(), zone)[0]
        return day, day if begins == micros else _following(day)
    except OverflowError:
        return (date.min, date.min) if micros < 0 else (None, None)


def _following(day: date) -> date | None:
    return None if day == date.max else day + timedelta(days=1)


def match(value: DateValue, row: DateRow) -> bool:
    """True when a row satisfies the same condition."""
    low, high = row
    inside, below, above = value.low <= low and high <= value.high, low < value.low, high > value.high
    return {
        "eq": inside,
        "ne": not inside,
        "gt": above,
        "ge": above or inside,
        "lt": below,
        "le": below or inside,
        "sa": low >= value.high,
        "eb": high <= value.low,
        "ap": low < value.high and high > value.low,
    }[value.prefix]
