"""Number parameters. https://hl7.org/fhir/R4/search.html#number

A row is (value, low, high): low <= x < high is what the written precision implies. An interval, a Range of plain
numbers, has a row at each end with the same low and high, so that `value > x` and `value < x` answer gt and lt; an
open end is infinite.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from sqlalchemy import ColumnElement, and_, not_, or_

from fhir_lab.search.escapes import unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.kinds.date import PREFIXES
from fhir_lab.search.values import Place, number_range

NumberRow = tuple[float, float, float]


def extract(node: Node, _place: Place) -> list[NumberRow]:
    """The rows of an integer, decimal or Range."""
    if node.type == "Range":
        low, high = node.value.get("low"), node.value.get("high")
        start = float(low["value"]) if low else -inf
        end = float(high["value"]) if high else inf
        return [(start, start, end), (end, start, end)]
    return [number_range(node.value)]


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A prefix, the number exactly, and the range [low, high) that its precision implies, widened already for `ap`."""

    prefix: str
    value: float
    low: float
    high: float


def read(text: str) -> NumberValue:
    """A search value such as `gt0.8` or `1e2`. Raises `ValueError` for anything else."""
    plain = unescape(text).strip()
    prefix = plain[:2] if plain[:2].isalpha() else "eq"
    if prefix not in PREFIXES:
        raise ValueError(f"'{prefix}' is not a prefix; these are: {', '.join(PREFIXES)}")
    value, low, high = number_range(plain[2:] if plain[:2] == prefix else plain)
    if prefix == "ap":
        width = abs(value) * 0.1
        low, high = min(low, value - width), max(high, value + width)
    return NumberValue(prefix, value, low, high)


def compile(
    search: NumberValue, value: ColumnElement[float], low: ColumnElement[float], high: ColumnElement[float]
) -> ColumnElement[bool]:
    """The condition on a row. gt, ge, lt, le, sa and eb compare numbers exactly, the others ranges.

    `2.0` also equals a 2 written with less precision: R4 compares integers exactly.
    """
    exact, first, last = search.value, search.low, search.high

    def point() -> ColumnElement[bool]:
        return and_(low < value, value < high)

    def same() -> ColumnElement[bool]:
        contained = and_(low >= first, high <= last)
        return and_(value >= first, value <= last, or_(contained, and_(value == exact, point())))

    conditions: dict[str, Callable[[], ColumnElement[bool]]] = {
        "eq": same,
        "ne": lambda: not_(same()),
        "gt": lambda: value > exact,
        "ge": lambda: value >= exact,
        "lt": lambda: value < exact,
        "le": lambda: value <= exact,
        "sa": lambda: and_(value > exact, or_(low > exact, point())),
        "eb": lambda: and_(value < exact, or_(high < exact, point())),
        "ap": lambda: and_(low < last, high > first),
    }
    return conditions[search.prefix]()


def match(search: NumberValue, row: NumberRow) -> bool:
    """True when a row satisfies the same condition."""
    value, low, high = row
    exact, first, last = search.value, search.low, search.high
    point = low < value < high
    same = (first <= low and high <= last) or (value == exact and point)
    return {
        "eq": same,
        "ne": not same,
        "gt": value > exact,
        "ge": value >= exact,
        "lt": value < exact,
        "le": value <= exact,
        "sa": value > exact and (low > exact or point),
        "eb": value < exact and (high < exact or point),
        "ap": low < last and high > first,
    }[search.prefix]
