"""OBX-5 by its type, OBX-2: one function for each data type, from one repetition to `value[x]`.

Numbers keep the digits as they were sent. What does not fit its type is kept as text, with a warning; nothing is
guessed. https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-obx-to-observation.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_lab.documents import ExactDecimal
from fhir_lab.ingest.hl7v2.message import Composite, Segment
from mappers.hl7v2.context import Context, absent
from mappers.hl7v2.datatypes import code_text, compact, concept
from mappers.hl7v2.times import read_time_of_day

Element = dict[str, Any]
RAW = "urn:fhir-lab:v2-value"  # extension: OBX-5 as it was sent
_COMPARATORS = ("<", "<=", ">", ">=")
_NUMBER = re.compile(r"([+-]?)(\d*)(\.\d*)?([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST_NUMBER = 40
_COMPARED = re.compile(r"([<>]=?|[\u2264\u2265])\s*([+-]?[\d.]+(?:[eE][+-]?\d{1,2})?)", re.ASCII)
_SIGNS = {"\u2264": "<=", "\u2265": ">="}
_DATA = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reading:
    """The result that a value belongs to: its segment, the unit of OBX-6, and where warnings go."""

    obx: Segment
    unit: Element
    context: Context

    def warn(self, text: str) -> None:
        """Tell people about this result's value."""
        self.context.warn(f"{self.obx.position} OBX-5: {text}")


def number(text: str) -> ExactDecimal | None:
    """The number that a text is, with all its digits (`6.30`, `.5` as 0.5, `+5` as 5); None for anything else."""
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > _LONGEST_NUMBER:
        return None
    sign, whole, fraction, exponent = match.groups()
    if not whole and len(fraction or "") < 2:
        return None
    digits = (whole.lstrip("0") or "0") + (fraction if fraction and len(fraction) > 1 else "")
    return ExactDecimal(("-" if sign == "-" else "") + digits + (exponent or ""))


def quantity(text: str, unit: Element) -> Element | None:
    """A number, or a comparator and a number (`<5`), as Quantity; None for anything else."""
    value = number(text)
    if value is not None:
        return {"value": value, **unit}
    match = _COMPARED.fullmatch(text)
    value = number(match[2]) if match else None
    if match is None or value is None:
        return None
    return {"value": value, "comparator": _SIGNS.get(match[1], match[1]), **unit}


def _nm(field: Composite, reading: Reading) -> Element:
    text = field.text
    found = quantity(text, reading.unit)
    if found is None:
        reading.warn(f"'{text}' is not a number (NM); it was kept as text.")
        return {"valueString": text}
    if "comparator" in found:
        reading.warn(f"'{text}' holds a comparator, which NM does not allow; it was read as one.")
    return {"valueQuantity": found}


def _text(field: Composite, reading: Reading) -> Element:
    return compact(valueString=field.text)


def _sn(field: Composite, reading: Reading) -> Element:
    """https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-datatype-sn-to-quantity.html and its siblings."""
    sign, separator = field[1], field[3]
    first, second = number(field[2]), number(field[4])
    plain = not separator and not field[4]
    if plain and not field[2]:
        found = quantity(sign, reading.unit)
        return {"valueQuantity": found} if found else _spelled(field, reading)
    if first is None or sign not in ("", "=", *_COMPARATORS):
        return _spelled(field, reading)
    low: Element = {"value": first, **reading.unit}
    if sign in _COMPARATORS:
        low = {"value": first, "comparator": sign, **reading.unit}
    if plain:
        return {"valueQuantity": low}
    if separator in (":", "/") and second is not None:
        return {"valueRatio": {"numerator": low, "denominator": {"value": second, **reading.unit}}}
    if separator == "-" and second is not None and "comparator" not in low and first <= second:
        return {"valueRange": {"low": low, "high": {"value": second, **reading.unit}}}
    return _spelled(field, reading)


def _spelled(field: Composite, reading: Reading) -> Element:
    """What is no Quantity, Ratio or Range is spelled out, with its unit: `2+`, `<> 5 mg/dL`."""
    joined = "" if field[3] == "+" and not field[4] else " "
    text = joined.join(part for part in (field[1], field[2], field[3], field[4]) if part)
    unit = reading.unit.get("unit", "")
    return compact(valueString=f"{text} {unit}".strip() if text else "")


def _coded(field: Composite, reading: Reading) -> Element:
    return compact(valueCodeableConcept=concept(field, reading.context.sender))


def _is(field: Composite, reading: Reading) -> Element:
    if len(field) > 1:
        return _coded(field, reading)
    code = code_text(field.text)
    return {"valueCodeableConcept": {"coding": [{"code": code}], "text": code}} if code else {}


def _moment(field: Composite, reading: Reading) -> Element:
    if not field[1]:
        return {}
    found = reading.context.time(reading.obx, 5, field[1])
    return {"valueDateTime": found.text} if found else {"valueString": field.text}


def _time_of_day(field: Composite, reading: Reading) -> Element:
    found = read_time_of_day(field[1])
    if found:
        return {"valueTime": found}
    reading.warn(f"'{field.text}' is not a time of day (TM); it was kept as text.")
    return {"valueString": field.text}


def _period(field: Composite, reading: Reading) -> Element:
    start, end = (reading.context.time(reading.obx, 5, field[place]) for place in (1, 2))
    if (start is None and field[1]) or (end is None and field[2]) or (start and end and start.moment > end.moment):
        return {"valueString": _joined(field, " - ")}
    return compact(valuePeriod=compact(start=start and start.text, end=end and end.text))


def _range(field: Composite, reading: Reading) -> Element:
    low, high = number(field[1]), number(field[2])
    wrong = (
        (low is None and field[1])
        or (high is None and field[2])
        or (low is not None and high is not None and low > high)
    )
    if wrong or (low is None and high is None):
        reading.warn(f"'{field.text}' is not a range of numbers (NR); it was kept as text.")
        return {"valueString": _joined(field, " - ")}
    ends = {"low": low, "high": high}
    return {"valueRange": {name: {"value": end, **reading.unit} for name, end in ends.items() if end is not None}}


def _value_range(field: Composite, reading: Reading) -> Element:
    return compact(valueString=_joined(field, "-"))


def _data_type_as_text(field: Composite, reading: Reading) -> Element:
    """Types that FHIR has no value for: readable text, and the original in an extension."""
    text = _joined(field, " ")
    if not text:
        return {}
    return {"valueString": text, "extension": [{"url": RAW, "valueString": field.raw}]}


def _joined(field: Composite, separator: str) -> str:
    parts = (separator.join(sub for sub in field.sub(place) if sub) for place in range(1, len(field) + 1))
    return separator.join(part for part in parts if part)


def sampled_data(rows: list[Composite], reading: Reading) -> Element:
    """NA: the numbers of all repetitions in a row. Nothing tells the time between them, so it is absent."""
    values = [value for row in rows for value in row]
    if not all(_DATA.fullmatch(value) for value in values):
        reading.warn("an array (NA) holds something that is not a number; it was kept as text.")
        return {"valueString": " ".join(values)}
    data: Element = {"origin": {"value": ExactDecimal("0"), **reading.unit}, "_period": absent()}
    return {"valueSampledData": {**data, "dimensions": len(rows[0]) if len(rows) > 1 else 1, "data": " ".join(values)}}


VALUES: dict[str, Callable[[Composite, Reading], Element]] = {
    "NM": _nm,
    "SN": _sn,
    "ST": _text,
    "TX": _text,
    "FT": _text,
    "CE": _coded,
    "CWE": _coded,
    "CNE": _coded,
    "CF": _coded,
    "IS": _is,
    "ID": _is,
    "DT": _moment,
    "DTM": _moment,
    "TS": _moment,
    "TM": _time_of_day,
    "DR": _period,
    "NR": _range,
    "VR": _value_range,
    "SI": _nm,
    "CX": _data_type_as_text,
    "EI": _data_type_as_text,
    "XAD": _data_type_as_text,
    "AD": _data_type_as_text,
    "XCN": _data_type_as_text,
    "CN": _data_type_as_text,
    "XPN": _data_type_as_text,
    "PN": _data_type_as_text,
    "XTN": _data_type_as_text,
    "TN": _data_type_as_text,
    "XON": _data_type_as_text,
    "HD": _data_type_as_text,
    "PL": _data_type_as_text,
    "MO": _data_type_as_text,
    "CP": _data_type_as_text,
}
LINES = ("TX", "FT")  # their repetitions are lines of one text


def unknown(field: Composite, reading: Reading) -> Element:
    """A type that no table has, or none: the text as it is."""
    return compact(valueString=field.text)
