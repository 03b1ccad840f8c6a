"""OBX-5 by its type: every type of table 0125, and what does not fit its type."""

from typing import Any

import pytest

from fhir_lab.documents import dumps
from tests.support.hl7v2_store import ORDER, PATIENT, Store

UCUM = "http://unitsofmeasure.org"


def value(kind: str, written: str, unit: str = "") -> dict[str, Any]:
    """The parts of the Observation that say the value."""
    found = Store().result(f"OBX|1|{kind}|x^Test^L||{written}|{unit}|||||F")
    names = ("value", "component", "_value", "dataAbsentReason")
    return {name: part for name, part in found.items() if name.startswith(names)}


@pytest.mark.parametrize(
    ("written", "literal"),
    [
        ("5", "5"),
        ("5.0", "5.0"),
        ("5.00", "5.00"),
        ("6.30", "6.30"),
        ("+5", "5"),
        ("-0.5", "-0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007.10", "7.10"),
        ("0", "0"),
        ("000", "0"),
        ("1e3", "1e3"),
        ("0.010", "0.010"),
        ("12345678901234567890.12", "12345678901234567890.12"),
    ],
)
def test_a_number_keeps_its_digits(written: str, literal: str) -> None:
    found = value("NM", written, "mg/L")["valueQuantity"]
    assert dumps(found["value"]).decode() == literal
    assert (found["unit"], found["system"], found["code"]) == ("mg/L", UCUM, "mg/L")


@pytest.mark.parametrize(
    ("written", "comparator", "number"),
    [("<5", "<", "5"), ("> 100", ">", "100"), ("<=0.25", "<=", "0.25"), (">= 1.50", ">=", "1.50"), ("≤5", "<=", "5")],
)
def test_a_number_with_a_comparator_becomes_one(written: str, comparator: str, number: str) -> None:
    found = value("NM", written)["valueQuantity"]
    assert (found["comparator"], dumps(found["value"]).decode()) == (comparator, number)


@pytest.mark.parametrize(
    "written",
    [
        "POSITIVE",
        "***",
        "***.**",
        "----",
        "TNP",
        "1,234.5",
        "5,1",
        "5 mg",
        "NaN",
        ".",
        "-",
        "<",
        "1e999",
        "9" * 50,
        "5-6",
    ],
)
def test_what_is_no_number_is_kept_as_text_with_a_warning(written: str) -> None:
    store = Store()
    conversion = store.send(PATIENT, ORDER, f"OBX|1|NM|x^Test^L||{written}|mg/L|||||F")
    assert store.one("Observation")["valueString"] == written
    assert any(warning.startswith("OBX[1] OBX-5:") for warning in conversion.warnings)


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("ST", "5.0", {"valueString": "5.0"}),
        ("ST", r"10\S\9/L \T\ more", {"valueString": "10^9/L & more"}),
        ("ST", "10^9/L", {"valueString": "10^9/L"}),
        ("TX", "one~~three", {"valueString": "one\n\nthree"}),
        ("FT", r"one\.br\two~three", {"valueString": "one\ntwo\nthree"}),
        ("SN", "^30", {"valueQuantity": {"value": 30, "unit": "a"}}),
        ("SN", "=^30", {"valueQuantity": {"value": 30, "unit": "a"}}),
        ("SN", ">^32", {"valueQuantity": {"value": 32, "comparator": ">", "unit": "a"}}),
        ("SN", "<=^0.25", {"valueQuantity": {"value": "0.25", "comparator": "<=", "unit": "a"}}),
        ("SN", "<10", {"valueQuantity": {"value": 10, "comparator": "<", "unit": "a"}}),
        ("SN", "12.5", {"valueQuantity": {"value": "12.5", "unit": "a"}}),
        (
            "SN",
            "^1^:^128",
            {"valueRatio": {"numerator": {"value": 1, "unit": "a"}, "denominator": {"value": 128, "unit": "a"}}},
        ),
        (
            "SN",
            ">^1^/^8",
            {
                "valueRatio": {
                    "numerator": {"value": 1, "comparator": ">", "unit": "a"},
                    "denominator": {"value": 8, "unit": "a"},
                }
            },
        ),
        ("SN", "^0^-^1", {"valueRange": {"low": {"value": 0, "unit": "a"}, "high": {"value": 1, "unit": "a"}}}),
        ("SN", "^2^+", {"valueString": "2+ a"}),
        ("SN", "<>^5", {"valueString": "<> 5 a"}),
        ("SN", "-^1^-^3", {"valueString": "- 1 - 3 a"}),
        ("SN", "^9^-^1", {"valueString": "9 - 1 a"}),
        ("SN", "POSITIVE", {"valueString": "POSITIVE a"}),
        (
            "CWE",
            "260373001^Detected^SCT^DET^Found^L^v1^v2^it is there",
            {
                "valueCodeableConcept": {
                    "coding": [
                        {
                            "system": "http://snomed.info/sct",
                            "version": "v1",
                            "code": "260373001",
                            "display": "Detected",
                        },
                        {
                            "system": "urn:fhir-lab:sender:LAB:codes:L",
                            "version": "v2",
                            "code": "DET",
                            "display": "Found",
                        },
                    ],
                    "text": "it is there",
                }
            },
        ),
        ("CWE", "^only text", {"valueCodeableConcept": {"text": "only text"}}),
        ("CE", "A^Yes", {"valueCodeableConcept": {"coding": [{"code": "A", "display": "Yes"}]}}),
        ("CNE", "A^Yes", {"valueCodeableConcept": {"coding": [{"code": "A", "display": "Yes"}]}}),
        ("CF", "A^Yes", {"valueCodeableConcept": {"coding": [{"code": "A", "display": "Yes"}]}}),
        ("CWE^^HL70125", "A^Yes", {"valueCodeableConcept": {"coding": [{"code": "A", "display": "Yes"}]}}),
        ("IS", "W", {"valueCodeableConcept": {"coding": [{"code": "W"}], "text": "W"}}),
        ("DT", "20250314", {"valueDateTime": "2025-03-14"}),
        ("DT", "2025", {"valueDateTime": "2025"}),
        ("DTM", "202503140815", {"valueDateTime": "2025-03-14T08:15:00+01:00"}),
        ("TS", "20250314081530-0500^S", {"valueDateTime": "2025-03-14T08:15:30-05:00"}),
        ("DT", "20251399", {"valueString": "20251399"}),
        ("TM", "0815", {"valueTime": "08:15:00"}),
        ("TM", "noon", {"valueString": "noon"}),
        ("DR", "20250314^20250315", {"valuePeriod": {"start": "2025-03-14", "end": "2025-03-15"}}),
        ("DR", "^20250315", {"valuePeriod": {"end": "2025-03-15"}}),
        ("DR", "20250316^20250315", {"valueString": "20250316 - 20250315"}),
        ("DR", "20250314^soon", {"valueString": "20250314 - soon"}),
        (
            "NR",
            "4.0^10.0",
            {"valueRange": {"low": {"value": "4.0", "unit": "a"}, "high": {"value": "10.0", "unit": "a"}}},
        ),
        ("NR", "^10", {"valueRange": {"high": {"value": 10, "unit": "a"}}}),
        ("NR", "10^4", {"valueString": "10 - 4"}),
        ("VR", "A^F", {"valueString": "A-F"}),
        ("CX", "123^^^HOSP&1.2.3&ISO^MR", {"valueString": "123 HOSP 1.2.3 ISO MR"}),
        ("XAD", "Main St 1^^Springfield", {"valueString": "Main St 1 Springfield"}),
        ("XCN", "1^Doe^Jane", {"valueString": "1 Doe Jane"}),
        ("XTN", "^PRN^PH^^1^555^123", {"valueString": "PRN PH 1 555 123"}),
        ("EI", "7^LAB", {"valueString": "7 LAB"}),
        ("FN", "^182", {"valueString": "^182"}),
        ("ZZ", "anything", {"valueString": "anything"}),
        ("", "7.5", {"valueString": "7.5"}),
    ],
)
def test_a_value_is_what_its_type_says(kind: str, written: str, expected: dict[str, Any]) -> None:
    assert _literal(value(kind, written, "a")) == _literal(expected)


def _literal(found: Any) -> Any:
    """Numbers as they are written, so that 5.0 differs from 5."""
    if isinstance(found, dict):
        return {name: _literal(part) for name, part in found.items()}
    if isinstance(found, list):
        return [_literal(part) for part in found]
    return found if isinstance(found, str) else str(getattr(found, "literal", found))


def test_types_without_a_fhir_value_keep_the_original() -> None:
    found = Store().result("OBX|1|CX|x^Test^L||123^^^HOSP^MR||||||F")
    assert {"url": "urn:fhir-lab:v2-value", "valueString": "123^^^HOSP^MR"} in found["extension"]


def test_an_array_is_sampled_data_without_a_period() -> None:
    found = value("NA", "1^2.50^-3~4^5^6", "mV")["valueSampledData"]
    assert found["data"] == "1 2.50 -3 4 5 6"
    assert (found["dimensions"], found["origin"]["unit"]) == (3, "mV")
    assert found["_period"]["extension"][0]["valueCode"] == "unknown"
    assert value("NA", "1^2")["valueSampledData"]["dimensions"] == 1
    assert value("NA", "1^x") == {"valueString": "1 x"}


def test_repetitions_become_components() -> None:
    found = value("CWE", "A^Yes~B^No")
    assert "valueCodeableConcept" not in found
    codes = [part["valueCodeableConcept"]["coding"][0]["code"] for part in found["component"]]
    assert codes == ["A", "B"]
    assert all(part["code"]["coding"][0]["code"] == "x" for part in found["component"])


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("F", "unknown"),
        ("P", "temp-unknown"),
        ("I", "temp-unknown"),
        ("O", "temp-unknown"),
        ("X", "not-performed"),
        ("N", "not-asked"),
    ],
)
@pytest.mark.parametrize("written", ["", '""'])
def test_without_a_value_there_is_a_reason(status: str, reason: str, written: str) -> None:
    found = Store().result(f"OBX|1|NM|x^Test^L||{written}||||||{status}")
    assert found["dataAbsentReason"]["coding"][0]["code"] == reason


@pytest.mark.parametrize(
    ("written", "unit", "code"),
    [
        ("mg/dL^^UCUM", "mg/dL", "mg/dL"),
        ("a^year^UCUM", "year", "a"),
        ("g/dL^gram per deciliter^UCUM^g/dL^^L", "gram per deciliter", "g/dL"),
        ("GDL^g per dl^L^g/dL^^UCUM", "g per dl", "g/dL"),
        ("[iU]/mL^^UCUM", "[iU]/mL", "[iU]/mL"),
        ("%^percent^UCUM", "percent", "%"),
        ("mg/dl", "mg/dl", "mg/dL"),
        ("MG/DL", "MG/DL", "mg/dL"),
        ("K/uL", "K/uL", "10*3/uL"),
        ("thou/mcL", "thou/mcL", "10*3/uL"),
        ("IU/L", "IU/L", "[IU]/L"),
        ("10^9/L", "10^9/L", "10*9/L"),
        (r"x10\S\9/L", "x10^9/L", "10*9/L"),
        ("\u00b5mol/L", "\u00b5mol/L", "umol/L"),
        ("\u03bcmol/L", "\u03bcmol/L", "umol/L"),
        ("\uffb5mol/L", "\uffb5mol/L", "umol/L"),
        ("% ", "%", "%"),
        ("MG/DL^^UCUM", "MG/DL", "mg/dL"),
    ],
)
def test_a_unit_keeps_its_text_and_gets_a_ucum_code_where_that_is_certain(written: str, unit: str, code: str) -> None:
    found = value("NM", "5", written)["valueQuantity"]
    assert (found["unit"], found["system"], found["code"]) == (unit, UCUM, code)
    assert dumps(found["value"]) == b"5"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Units", {"unit": "Units"}),
        ("1", {"unit": "1"}),
        ("mmol/mol Hb", {"unit": "mmol/mol Hb"}),
        ("not ucum at all^^UCUM", {"unit": "not ucum at all"}),
        ("ratio^^99LAB", {"unit": "ratio", "system": "urn:fhir-lab:sender:LAB:codes:99LAB", "code": "ratio"}),
        (
            "264274^MDC_DIM_MILLI_G_PER_DL^MDC",
            {"unit": "MDC_DIM_MILLI_G_PER_DL", "system": "urn:iso:std:iso:11073:10101", "code": "264274"},
        ),
        ("", {}),
        ('""', {}),
    ],
)
def test_an_uncertain_unit_gets_no_ucum_code(written: str, expected: dict[str, str]) -> None:
    found = value("NM", "5", written)["valueQuantity"]
    assert {name: part for name, part in found.items() if name != "value"} == expected


def test_a_unit_beside_a_value_that_has_none_is_told_as_not_mapped() -> None:
    conversion = Store().send(PATIENT, ORDER, "OBX|1|ST|x^Test^L||100|%|||||F", "OBX|2|NM|y^Test^L||100|%|||||F")
    assert "OBX[1]-6" in conversion.unmapped
    assert "OBX[2]-6" not in conversion.unmapped
