"""OBX-7 -> Observation.referenceRange: always the text as sent, and low and high where it can mean nothing else."""

import re
from typing import Any

from mappers.hl7v2.values import number

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+))"
_BETWEEN = re.compile(rf"{_NUMBER}\s*(?:-|\u2013|\bto\b)\s*{_NUMBER}", re.ASCII)
_ABOVE = re.compile(rf"(?:>=?|\u2265)\s*{_NUMBER}", re.ASCII)
_BELOW = re.compile(rf"(?:<=?|\u2264)\s*{_NUMBER}", re.ASCII)


def reference_range(text: str, unit: dict[str, str]) -> dict[str, Any]:
    """The range that a text such as `3.5-5.1`, `<5` or `>= 60 mL/min` says; `unit` is that of the result."""
    bare = text.strip("() ")
    name = unit.get("unit", "")
    if name and bare.endswith(name):
        bare = bare[: -len(name)].rstrip()
    found: dict[str, Any] = {}
    if match := _BETWEEN.fullmatch(bare):
        low, high = number(match[1]), number(match[2])
        if low is not None and high is not None and low <= high:
            found = {"low": {"value": low, **unit}, "high": {"value": high, **unit}}
    elif match := _ABOVE.fullmatch(bare):
        found = {"low": {"value": number(match[1]), **unit}}
    elif match := _BELOW.fullmatch(bare):
        found = {"high": {"value": number(match[1]), **unit}}
    return {**found, "text": text}
