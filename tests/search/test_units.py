"""UCUM units: what compares with what, and that the table says the same as ucumvert."""

import subprocess
import sys

import pytest

from conformance import units
from fhir_lab.search.units import Conversion, canonical, convert

# Units that ucumvert does not know or reads as something else: UCUM defines g% as 1 g/dL, and pH as a logarithm.
OURS = {"[pH]": Conversion(1.0, "[pH]"), "g%": Conversion(10.0, "kg.m-3"), "mg%": Conversion(0.01, "kg.m-3")}


@pytest.mark.parametrize("code", sorted(set(units()) - set(OURS)))
def test_the_table_says_what_ucumvert_says(code: str) -> None:
    assert canonical(code) == convert(code)


@pytest.mark.parametrize("code", sorted(OURS))
def test_the_table_corrects_ucumvert(code: str) -> None:
    assert canonical(code) == OURS[code]


def test_the_units_of_a_laboratory_do_not_load_ucumvert() -> None:
    script = (
        "import sys; from fhir_lab.search.units import canonical; from conformance import units\n"
        "assert all(canonical(code) for code in [*units(), '{INR}'])\n"
        "print('ucumvert' in sys.modules or 'pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("amount", "unit", "same_amount", "same_unit"),
    [
        (5, "mg/dL", 50, "mg/L"),
        (0.07, "g/L", 7, "mg/dL"),
        (6.3, "mmol/L", 6300, "umol/L"),
        (140, "mmol/L", 140, "meq/L"),
        (4.5, "10*9/L", 4500, "/uL"),
        (4.5, "10*9/L", 4.5, "10*3/uL"),
        (37, "Cel", 98.6, "[degF]"),
        (120, "mm[Hg]", 15.9986864898, "kPa"),
        (2, "h", 120, "min"),
        (1, "m[IU]/L", 1, "u[IU]/mL"),
        (5, "[iU]/L", 5, "[IU]/L"),
        (60, "U/L", 1000, "nkat/L"),
        (60, "{beats}/min", 1, "/s"),
        (14, "g%", 14, "g/dL"),
        (3, "ug/mL{FEU}", 3000, "ng/mL{FEU}"),
        (1, "[ft_i]", 12, "[in_i]"),
    ],
)
def test_equal_amounts_are_equal_numbers(amount: float, unit: str, same_amount: float, same_unit: str) -> None:
    one, other = canonical(unit), canonical(same_unit)
    assert one is not None
    assert other is not None
    assert (one.value(amount), one.unit) == (other.value(same_amount), other.unit)


@pytest.mark.parametrize(
    ("unit", "other"),
    [
        ("mg/dL", "mmol/L"),
        ("U/L", "[IU]/L"),
        ("[IU]/mL", "[CFU]/mL"),
        ("[arb'U]/mL", "{cells}/mL"),
        ("/[HPF]", "/[LPF]"),
        ("ng/mL{FEU}", "ng/mL{DDU}"),
        ("ng/mL{FEU}", "ng/mL"),
        ("{INR}", "{ratio}"),
        ("[pH]", "1"),
        ("g", "L"),
    ],
)
def test_what_must_not_compare_has_different_canonical_units(unit: str, other: str) -> None:
    one, another = canonical(unit), canonical(other)
    assert one is not None
    assert another is not None
    assert one.unit != another.unit


@pytest.mark.parametrize(
    "code", ["", "foo", "mg / dL", "mg/dl ", "10*99999", "B", "Np", "µg/L", "m" * 65, "((((m", "[pH]/L", "{", "{a b}"]
)
def test_what_has_no_factor_is_not_converted(code: str) -> None:
    assert canonical(code) is None
