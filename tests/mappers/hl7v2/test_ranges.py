"""OBX-7 keeps its text, and gets low and high where it can mean nothing else."""

import pytest

from mappers.hl7v2.ranges import reference_range
from tests.support.hl7v2_store import Store

UNIT = {"unit": "mg/dL"}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("70-99", "70", "99"),
        ("3.50 - 5.10", "3.50", "5.10"),
        ("70 to 99", "70", "99"),
        ("70–99", "70", "99"),
        ("(70-99)", "70", "99"),
        ("70-99 mg/dL", "70", "99"),
        ("-2-3", "-2", "3"),
        ("-3.0--1.0", "-3.0", "-1.0"),
        ("<5", None, "5"),
        ("<= 5.0", None, "5.0"),
        ("≤5", None, "5"),
        (">60", "60", None),
        (">=60 mg/dL", "60", None),
        ("99-70", None, None),
        ("70_105", None, None),
        ("Negative", None, None),
        ("4-6 weeks: 70-99", None, None),
        ("70-99 g/L", None, None),
        ("1:80", None, None),
    ],
)
def test_a_range_is_read_where_it_can_mean_nothing_else(text: str, low: str | None, high: str | None) -> None:
    found = reference_range(text, UNIT)
    ends = {name: found[name]["value"].literal for name in ("low", "high") if name in found}
    assert ends == {name: end for name, end in (("low", low), ("high", high)) if end is not None}
    assert all(found[name]["unit"] == "mg/dL" for name in ends)
    assert found["text"] == text


def test_the_range_of_a_text_result_is_text() -> None:
    found = Store().result("OBX|1|ST|x^Test^L||yellow||1-5|||||F")
    assert found["referenceRange"] == [{"text": "1-5"}]


def test_the_range_of_a_numeric_result_has_its_unit() -> None:
    (found,) = Store().result("OBX|1|NM|x^Test^L||5|mg/dL^^UCUM|1-5||||F")["referenceRange"]
    assert found["high"]["code"] == "mg/dL"
