"""Quantity parameters: a number with a unit. https://hl7.org/fhir/R4/search.html#quantity

A row is (value, low, high, system, code, unit, canonical_low, canonical_value, canonical_high, canonical_unit). A
point has one row: its value and the range [low, high) that its precision implies. An interval (a Range, SampledData,
a comparator) has a row at each end, value = low and value = high, so that `value > x` and `value < x` answer gt and
lt for both; an open end is infinite. `<5` ends just below 5 and `<=5` at 5, so `ge5` tells them apart. The canonical
columns say the same in UCUM base units (`units`), None where the unit is not UCUM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nextafter
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from fhir_lab.search.escapes import split, unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.kinds import number
from fhir_lab.search.kinds.number import NumberValue
from fhir_lab.search.units import UCUM, Conversion, canonical
from fhir_lab.search.values import Place, key, number_range

Bounds = tuple[float, float, float]
QuantityRow = tuple[float, float, float, str, str, str, float | None, float | None, float | None, str | None]
CURRENCY = "urn:iso:std:iso:4217"


def extract(node: Node, _place: Place) -> list[QuantityRow]:
    """The rows of a Quantity (Age, Duration, ...), Money, Range or SampledData."""
    value = node.value
    if node.type == "Money":
        return _rows([number_range(value["value"])], {"system": CURRENCY, "code": value.get("currency", "")})
    if node.type == "Range":
        return _range(value)
    if node.type == "SampledData":
        return _sampled(value)
    return _rows([number_range(value["value"])], value, value.get("comparator"))


def _interval(low: float, high: float) -> list[Bounds]:
    return [(low, low, high), (high, low, high)]


def _range(value: Mapping[str, Any]) -> list[QuantityRow]:
    low, high = value.get("low"), value.get("high")
    start = float(low["value"]) if low else -inf
    end = float(high["value"]) if high else inf
    unit = low or high
    return _rows(_interval(start, end), unit) if unit else []


def _sampled(value: Mapping[str, Any]) -> list[QuantityRow]:
    """The span of the samples, origin + factor * datum, in the unit of the origin; E, U and L are not numbers."""
    origin, factor = float(value["origin"]["value"]), float(value.get("factor", 1))
    samples = [
        origin + factor * float(datum) for datum in value.get("data", "").split() if datum not in ("E", "U", "L")
    ]
    return _rows(_interval(min(samples), max(samples)), value["origin"]) if samples else []


def _rows(bounds: list[Bounds], unit: Mapping[str, Any], comparator: str | None = None) -> list[QuantityRow]:
    system, code = unit.get("system", ""), unit.get("code", "")
    label = (key(system), key(code), key(unit.get("unit", "")))
    conversion = canonical(code) if system == UCUM else None
    if conversion is None:
        return [(*row, *label, None, None, None, None) for row in _compared(bounds, comparator)]
    converted = _compared([canonical_bounds(conversion, row) for row in bounds], comparator)
    return [
        (*row, *label, low, value, high, conversion.unit)
        for row, (value, low, high) in zip(_compared(bounds, comparator), converted, strict=True)
    ]


def canonical_bounds(conversion: Conversion, bounds: Bounds) -> Bounds:
    """(value, low, high) in the canonical unit of a conversion."""
    value, low, high = bounds
    return conversion.value(value), conversion.value(low), conversion.value(high)


def _compared(bounds: list[Bounds], comparator: str | None) -> list[Bounds]:
    """A point as the open range that its comparator makes of it; anything else as it is."""
    if comparator is None:
        return bounds
    exact = bounds[0][0]
    ends = {
        "<": (-inf, nextafter(exact, -inf)),
        "<=": (-inf, exact),
        ">": (nextafter(exact, inf), inf),
        ">=": (exact, inf),
    }
    return _interval(*ends[comparator])


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number, and the unit as the client wrote it: `system` None when the client named none.

    `canonical_number` and `canonical_unit` say the same in canonical units, when the unit can be converted.
    """

    number: NumberValue
    system: str | None = None
    code: str = ""
    canonical_number: NumberValue | None = None
    canonical_unit: str = ""


def read(text: str) -> QuantityValue:
    """A search value `number`, `number|system|code` or `number||unit`, with a prefix or without.

    Raises `ValueError` for any other form.
    """
    parts = split(text, "|")
    search = number.read(parts[0])
    if len(parts) == 1:
        return QuantityValue(search)
    if len(parts) != 3:
        raise ValueError(f"'{text}' is none of number, number|system|code and number||unit")
    system, code = (key(unescape(part)) for part in parts[1:])
    if not system and not code:
        return QuantityValue(search)
    conversion = canonical(code) if system == UCUM else None
    if conversion is None:
        return QuantityValue(search, system, code)
    return QuantityValue(search, system, code, _in_canonical(search, conversion), conversion.unit)


def _in_canonical(search: NumberValue, conversion: Conversion) -> NumberValue:
    return NumberValue(search.prefix, *canonical_bounds(conversion, (search.value, search.low, search.high)))


def compile(search: QuantityValue, columns: Any) -> ColumnElement[bool]:
    """The condition on a row of `idx_quantity`."""
    if search.canonical_number is not None:
        return and_(
            columns.canonical_unit == search.canonical_unit,
            number.compile(
                search.canonical_number, columns.canonical_value, columns.canonical_low, columns.canonical_high
            ),
        )
    tests = [number.compile(search.number, columns.value, columns.low, columns.high)]
    if search.system:
        tests.append(columns.system == search.system)
    if search.code and search.system:
        tests.append(columns.code == search.code)
    elif search.code:
        tests.append(or_(columns.code == search.code, columns.unit == search.code))
    return and_(*tests)


def match(search: QuantityValue, row: QuantityRow) -> bool:
    """True when a row satisfies the same condition."""
    value, low, high, system, code, unit, canonical_low, canonical_value, canonical_high, canonical_unit = row
    if search.canonical_number is not None:
        if canonical_value is None or canonical_low is None or canonical_high is None:
            return False
        bounds = (canonical_value, canonical_low, canonical_high)
        return canonical_unit == search.canonical_unit and number.match(search.canonical_number, bounds)
    if search.system and system != search.system:
        return False
    if search.code and search.code not in ((code,) if search.system else (code, unit)):
        return False
    return number.match(search.number, (value, low, high))
