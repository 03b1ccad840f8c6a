"""`Location.near`: places within a distance. https://hl7.org/fhir/R4/location.html#search

A row is a point of the unit sphere, (x, y, z). The straight line between two points tells their distance along the
surface, so that both databases need only arithmetic, and neither the poles nor the 180th meridian is special.
"""

from dataclasses import dataclass
from math import cos, isfinite, pi, radians, sin
from typing import Any

from sqlalchemy import ColumnElement, and_

from fhir_lab.search.escapes import split, unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.units import canonical
from fhir_lab.search.values import Place, number_range

Point = tuple[float, float, float]
EARTH = 6_371_008.8  # metres, the mean radius
DISTANCE = 50_000.0  # metres; what is near when the client does not say
ROUNDING = 1e-15  # of a square on the unit sphere: 20 cm
MILES = {"mi": "[mi_i]"}


def extract(node: Node, _place: Place) -> list[Point]:
    """The point of a Location.position."""
    value = node.value
    if not isinstance(value, dict) or "latitude" not in value or "longitude" not in value:
        return []
    return [_point(float(value["latitude"]), float(value["longitude"]))]


def _point(latitude: float, longitude: float) -> Point:
    north, east = radians(latitude), radians(longitude)
    return cos(north) * cos(east), cos(north) * sin(east), sin(north)


@dataclass(frozen=True, slots=True)
class NearValue:
    """A point, and how long the straight line to others may be."""

    point: Point
    chord: float


def read(text: str) -> NearValue:
    """A search value `latitude|longitude|distance|unit`, the last two optional; without a unit kilometres are meant.

    Raises `ValueError` for anything else.
    """
    parts = [unescape(part) for part in split(text, "|")]
    if not 2 <= len(parts) <= 4 or not (parts[0] and parts[1]):
        raise ValueError(f"'{text}' is not latitude|longitude|distance|unit")
    latitude, longitude = (number_range(part)[0] for part in parts[:2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError(f"'{text}' is not on earth: latitudes reach from -90 to 90, longitudes from -180 to 180")
    metres = _metres(parts[2] if len(parts) > 2 else "", parts[3] if len(parts) > 3 else "")
    return NearValue(_point(latitude, longitude), 2 * sin(min(metres / EARTH, pi) / 2))


def _metres(distance: str, unit: str) -> float:
    if not distance:
        return DISTANCE
    conversion = canonical(MILES.get(unit, unit) or "km")
    if conversion is None or conversion.unit != "m":
        raise ValueError(f"'{unit}' is not a unit of length; km, m, mi and the UCUM codes of lengths are")
    metres = number_range(distance)[0] * conversion.factor
    if not isfinite(metres) or metres < 0:
        raise ValueError(f"'{distance}' is not a distance")
    return metres


def compile(value: NearValue, columns: Any) -> ColumnElement[bool]:
    """The condition on a row of `idx_position`."""
    x, y, z = value.point
    away_x, away_y, away_z = columns.x - x, columns.y - y, columns.z - z
    return and_(
        columns.z.between(z - value.chord - 1e-7, z + value.chord + 1e-7),
        away_x * away_x + away_y * away_y + away_z * away_z <= value.chord * value.chord + ROUNDING,
    )


def match(value: NearValue, row: Point) -> bool:
    """True when a row satisfies the same condition."""
    away = [there - here for there, here in zip(row, value.point, strict=True)]
    return sum(each * each for each in away) <= value.chord * value.chord + ROUNDING
