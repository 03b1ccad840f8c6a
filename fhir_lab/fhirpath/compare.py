"""Equality and order of nodes, which may be unknown: dates of different precision, quantities in different units.

http://hl7.org/fhirpath/N1/#equality, http://hl7.org/fhirpath/N1/#comparison
"""

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.fhirpath.nodes import EvaluationError, Node
from fhir_lab.search.values import date_range

_ZULU = ZoneInfo("UTC")
_DATES = frozenset({"date", "dateTime", "instant"})
_ZONED = re.compile(r".*T.*(Z|[+-]\d\d:\d\d)")
# A date in an unknown zone begins at most this much earlier or later than in UTC, in microseconds.
_ZONE_WIDTH = 14 * 3_600_000_000
_NUMBERS = (int, Decimal, float)
_DAYS = {"day": 1, "week": 7}
_SECONDS = {"hour": 3600, "minute": 60, "second": 1}


def same_value(left: Any, right: Any) -> bool:
    """Deep equality of JSON: numbers by value, objects without regard to order; true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same_value(child, right[name]) for name, child in left.items())
        )
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(same_value(one, other) for one, other in zip(left, right, strict=True))
        )
    return bool(left == right)


def equal(left: Sequence[Node], right: Sequence[Node]) -> bool | None:
    """`=`: None when it cannot be known, as with an empty side."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answers = [_equal(one, other) for one, other in zip(left, right, strict=True)]
    return False if False in answers else (None if None in answers else True)


def _equal(left: Node, right: Node) -> bool | None:
    one, other = left[0], right[0]
    if one is None or other is None:
        return None
    if isinstance(one, str) and isinstance(other, str):
        if left[1] in _DATES and right[1] in _DATES:
            order = _dates(one, other)
            return None if order is None else order == 0
        return one == other
    if left[1] == right[1] == "Quantity" and isinstance(one, dict) and isinstance(other, dict):
        order = _quantities(one, other)
        return same_value(one, other) if order is None else order == 0
    return same_value(one, other)


def contains(items: Sequence[Node], node: Node) -> bool:
    """True when one of the items equals the node."""
    return any(_equal(item, node) is True for item in items)


def comparisons(items: Sequence[Node], others: Sequence[Node] | None = None) -> int:
    """About how many comparisons it takes to find what is equal among items, or among them and others."""
    plain = sum(isinstance(each[0], str) for each in items)
    rest = len(items) - plain
    if others is None:
        return len(items) + rest * len(items)
    return len(items) + len(others) + len(items) * len(others)


def weight(found: Sequence[Node]) -> int:
    """About how many values a deep comparison with these nodes looks at."""
    pending, total = [node[0] for node in found], 0
    while pending:
        value = pending.pop()
        total += 1
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return total


def distinct(items: Sequence[Node]) -> list[Node]:
    """The items, each once."""
    found: list[Node] = []
    seen: set[Any] = set()
    for item in items:
        value = item[0]
        if isinstance(value, str) and item[1] not in _DATES:
            if value not in seen:
                seen.add(value)
                found.append(item)
        elif not contains(found, item):
            found.append(item)
    return found


def order(left: Sequence[Node], right: Sequence[Node]) -> int | None:
    """Below, equal to or above 0 as left comes before, with or after right; None when it cannot be known.

    Raises `EvaluationError` when a side is not one value, or the two are of kinds that have no order.
    """
    if not left or not right:
        return None
    if len(left) > 1 or len(right) > 1:
        raise EvaluationError("several values where one is compared")
    (one, left_type, _), (other, right_type, _) = left[0], right[0]
    if one is None or other is None:
        return None
    if isinstance(one, str) and isinstance(other, str):
        if left_type in _DATES or right_type in _DATES:
            return _dates(one, other)
        return (one > other) - (one < other)
    if isinstance(one, dict) and isinstance(other, dict):
        return _quantities(one, other)
    if _number(one) and _number(other):
        return _sign(one, other)
    raise EvaluationError(f"a {left_type} and a {right_type} have no order")


def _number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _quantities(one: dict[str, Any], other: dict[str, Any]) -> int | None:
    left, right = one.get("value"), other.get("value")
    if not _number(left) or not _number(right) or _unit(one) != _unit(other):
        return None
    return _sign(left, right)


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _unit(quantity: dict[str, Any]) -> Any:
    return quantity.get("code") or quantity.get("unit") or "1"


def _dates(one: str, other: str) -> int | None:
    """By their UTC times. Where one is coarser they are in order only if nothing of them overlaps."""
    try:
        (low, high), (other_low, other_high) = date_range(one, _ZULU), date_range(other, _ZULU)
    except ValueError:
        return None
    if "T" in one and "T" in other:
        return (low > other_low) - (low < other_low)
    slack = _ZONE_WIDTH if bool(_ZONED.fullmatch(one)) != bool(_ZONED.fullmatch(other)) else 0
    if high + slack <= other_low:
        return -1
    if low >= other_high + slack:
        return 1
    return 0 if len(one) == len(other) and low == other_low else None


def shifted(when: Node, quantity: Any, sign: int) -> list[Node]:
    """A date plus (or minus) a quantity of time, at the precision of the date; [] where there is no such date."""
    text, type_, _ = when
    unit, amount = str(quantity.get("unit", "")).removesuffix("s"), quantity.get("value")
    if not isinstance(text, str) or not _number(amount):
        return []
    count = sign * int(amount)
    try:
        if unit in ("year", "month"):
            return [(_months(text, count * (12 if unit == "year" else 1)), type_, None)]
        if unit in _DAYS and len(text) == len("2026-11-20"):
            return [((date.fromisoformat(text) + timedelta(days=count * _DAYS[unit])).isoformat(), type_, None)]
        if "T" in text and (unit in _DAYS or unit in _SECONDS):
            seconds = count * (_DAYS[unit] * 86_400 if unit in _DAYS else _SECONDS[unit])
            moved = datetime.fromisoformat(text) + timedelta(seconds=seconds)
            return [(moved.isoformat().replace("+00:00", "Z"), type_, None)]
    except (ValueError, OverflowError):
        return []
    raise EvaluationError(f"{text} and '{unit}' cannot be added")


def _months(text: str, count: int) -> str:
    year, month = int(text[:4]), int(text[5:7] or 1)
    year, month = divmod(year * 12 + month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise ValueError(text)
    if len(text) == len("2026"):
        return f"{year:04}"
    if len(text) == len("2026-11"):
        return f"{year:04}-{month + 1:02}"
    day = min(int(text[8:10]), monthrange(year, month + 1)[1])
    return f"{year:04}-{month + 1:02}-{day:02}{text[10:]}"


def today() -> Node:
    """`today()`, in UTC."""
    return (datetime.now(UTC).date().isoformat(), "date", None)


def now() -> Node:
    """`now()`."""
    return (datetime.now(UTC).isoformat().replace("+00:00", "Z"), "dateTime", None)
