"""UCUM units as a factor to canonical units, so that a search for 5 mg/dL finds 50 mg/L. https://ucum.org/ucum

The units that laboratories use most are in `conformance/units.json`; any other goes through ucumvert and pint, which
take half a second to load and are loaded when the first such unit turns up. Each unit is looked up once in a process.

What must not compare, does not: mg/dL and mmol/L differ by the molar mass of the substance; arbitrary units such as
[IU] and [CFU] compare only with themselves (UCUM section 24), though pint takes them for the number 1; so do the
D-dimer units FEU and DDU, which are written as annotations and differ by a factor of two. A unit that is nothing but
an annotation ({INR}, {titer}) is its own.
"""

import re
from functools import cache, lru_cache
from threading import Lock
from typing import Any, NamedTuple

from conformance import units

UCUM = "http://unitsofmeasure.org"

_BRACKETED = re.compile(r"\[[^\]]+\]")
_MEANT = re.compile(r"\{(?:FEU|DDU)\}")
_ANNOTATION = re.compile(r"\{[!-z|~]{1,60}\}")
_PLAUSIBLE = re.compile(r"(?!.*\d{4})[!-~]{1,64}")
_SYMBOLS = {
    "kilogram": "kg",
    "meter": "m",
    "second": "s",
    "kelvin": "K",
    "mole": "mol",
    "ampere": "A",
    "candela": "cd",
    "radian": "rad",
}
_loading = Lock()


class Conversion(NamedTuple):
    """From a unit to the canonical one, such as `kg.m-3`: canonical = value * factor + offset."""

    factor: float
    unit: str
    offset: float = 0.0

    def value(self, number: float) -> float:
        """A number of the unit in the canonical unit, to 12 digits, so that equal amounts are equal numbers."""
        return float(f"{number * self.factor + self.offset:.12g}")


@lru_cache(maxsize=4096)
def canonical(code: str) -> Conversion | None:
    """The conversion of a UCUM code (case-sensitive); None for what is not UCUM, or is but has no factor (`[pH]`,
    `B`).
    """
    known = units().get(code)
    if known is not None:
        return Conversion(*known)
    if _ANNOTATION.fullmatch(code):
        return Conversion(1.0, code)
    return convert(code) if _PLAUSIBLE.fullmatch(code) else None


def convert(code: str) -> Conversion | None:
    """What ucumvert and pint make of a UCUM code, or None."""
    with _loading:
        points = _points(code)
        if points is None:
            return None
        dimensions, at = points
        tags = sorted(
            {_same(atom) for atom in _BRACKETED.findall(code) if _is_arbitrary(atom)} | set(_MEANT.findall(code))
        )
    offset, factor = at[0], at[1] - at[0]
    if factor <= 0 or abs(at[2] - at[1] - factor) > 1e-9 * factor:
        return None
    return Conversion(_rounded(factor), ".".join([*dimensions, *tags]) or "1", _rounded(offset))


def _points(code: str) -> tuple[list[str], list[float]] | None:
    """The canonical dimensions of a unit, and 0, 1 and 2 of it in them. The parsers raise all sorts of errors."""
    registry = _registry()
    try:
        unit = registry.from_ucum(code).units
        found = [registry.Quantity(number, unit).to_base_units() for number in (0.0, 1.0, 2.0)]
        dimensions = sorted(
            _SYMBOLS[name] + ("" if exponent == 1 else f"{exponent:g}") for name, exponent in found[1].unit_items()
        )
        return dimensions, [float(quantity.magnitude) for quantity in found]
    except Exception:
        return None


def _rounded(number: float) -> float:
    return float(f"{number:.15g}")


def _is_arbitrary(atom: str) -> bool:
    return _points(atom) == ([], [0.0, 1.0, 2.0])


def _same(atom: str) -> str:
    return "[IU]" if atom == "[iU]" else atom


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
