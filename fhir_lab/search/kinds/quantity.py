"""Quantity parameters: a number with a unit. https://hl7.org/fhir/R4/search.html#quantity

A row is (value, low, high, system, code, unit, canonical_low, canonical_value, canonical_high, canonical_unit). A
point has one row: its value and the range [low, high) that its precision implies. An interval (a Range, SampledData,
a comparator) has a row at each end, value = low and value = high, so that `value > x` and `value < x` answer gt and
lt for both; an open end is infinite. `<5` ends just below 5 and `<=5` at 5, so `ge5` tells them apart. The canonical
columns say the same in UCUM base units (`units`), None where the unit is not UCUM.
"""

from collections.abc import Mapping
from math import inf, nextafter
from typing import Any

from fhir_lab.search.expressions import Node
from fhir_lab.search.units import UCUM, canonical
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
    return _rows(quantity_bounds(value["value"], value.get("comparator")), value)


def quantity_bounds(value: Any, comparator: str | None) -> list[Bounds]:
    """(value, low, high) of each row of a quantity: one for a point, two for the open range that a comparator makes."""
    point = number_range(value)
    if comparator is None:
        return [point]
    exact = point[0]
    ends = {
        "<": (-inf, nextafter(exact, -inf)),
        "<=": (-inf, exact),
        ">": (nextafter(exact, inf), inf),
        ">=": (exact, inf),
    }
    return _interval(*ends[comparator])


def _interval(low: float, high: float) -> list[Bounds]:
    return [(low, low, high), (high, low, high)]


def _range(value: Mapping[str, Any]) -> list[QuantityRow]:
    low, high = value.get("low"), value.get("high")
    if low is None and high is None:
        return []
    start = float(low["value"]) if low else -inf
    end = float(high["value"]) if high else inf
    return _rows(_interval(start, end), low or high or {})


def _sampled(value: Mapping[str, Any]) -> list[QuantityRow]:
    """The span of the samples: origin + factor * datum, in the unit of the origin; E, U and L are not numbers."""
    origin, factor = float(value["origin"]["value"]), float(value.get("factor", 1))
    samples = [
        origin + factor * float(datum) for datum in value.get("data", "").split() if datum not in ("E", "U", "L")
    ]
    return _rows(_interval(min(samples), max(samples)), value["origin"]) if samples else []


def _rows(bounds: list[Bounds], unit: Mapping[str, Any]) -> list[QuantityRow]:
    system, code = unit.get("system", ""), unit.get("code", "")
    label = (key(system), key(code), key(unit.get("unit", "")))
    conversion = canonical(code) if system == UCUM else None
    if conversion is None:
        return [(value, low, high, *label, None, None, None, None) for value, low, high in bounds]
    return [
        (value, low, high, *label, *conversion.bounds(value, low, high), conversion.unit) for value, low, high in bounds
    ]
