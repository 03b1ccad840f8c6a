"""Conditions: true, false, unknown or an error, as FHIRPath says; and on which elements they depend."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_lab.documents import parse
from fhir_lab.fhirpath import Context, EvaluationError, UnsupportedError, condition
from fhir_lab.fhirpath.nodes import resource_node

OBSERVATION = """{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"#p"},
"performer":[{"reference":"Practitioner/1"},{"reference":"http://example.org/fhir/Organization/2/_history/1"}],
"contained":[{"resourceType":"Patient","id":"p","birthDate":"1960","name":[{"family":"A","given":["B","C"]}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"1-8"},{"system":"urn:x","code":"x"}],"text":"a 'b'"},
"valueQuantity":{"value":6.30,"unit":"mmol/L","code":"mmol/L"},"effectiveDateTime":"2026-11",
"_issued":{"extension":[{"url":"http://example.org/why","valueCode":"unknown"}]},
"referenceRange":[{"low":{"value":6.3,"code":"mmol/L"},"high":{"value":7,"code":"mg/dL"}}],
"component":[{"code":{"text":"1"},"valueInteger":3},{"code":{"text":"2"},"valueString":"x"}]}"""

# Who was born in 1960 has had this birthday, or not yet.
AGE = datetime.now(UTC).year - 1960

# expression -> true, false, None (empty) or "error"
CASES: dict[str, Any] = {
    "Observation.status = 'final'": True,
    "status = 'preliminary' or status in ('final' | 'amended')": True,
    "Observation.value.exists() and value is Quantity and (value as Quantity).value = 6.3": True,
    "value.ofType(string).empty()": True,
    "component.value.ofType(integer) = 3": True,
    "code.coding.where(system = %loinc).code = '1-8'": True,
    "code.coding.exists(system = 'urn:x' and code = 'x')": True,
    "code.coding.code = 'x'": False,
    "code.coding.count() = 2 and code.coding[1].code = 'x' and code.coding.last().code = 'x'": True,
    "code.coding.all(code.exists()) and code.coding.code.isDistinct()": True,
    "code.text = 'a \\'b\\''": True,
    "method = 'x'": None,
    "method = 'x' and status = 'final'": None,
    "method = 'x' and status = 'x'": False,
    "method = 'x' or status = 'final'": True,
    "method = 'x' implies status = 'final'": True,
    "status = 'x' implies method = 'x'": True,
    "status = 'final' implies method = 'x'": None,
    "method.empty() xor status.empty()": True,
    "issued.exists() and issued.hasValue().not()": True,
    "issued.extension('http://example.org/why').value = 'unknown'": True,
    "referenceRange.low = referenceRange.low": True,
    "referenceRange.low <= value": True,
    "referenceRange.low > referenceRange.high": None,
    "effective <= @2026-11-20": None,
    "effective < @2026-12-01 and effective > @2026-10": True,
    f"contained.birthDate <= today() - {AGE} years": None,
    f"contained.birthDate <= today() - {AGE - 1} years": True,
    f"contained.birthDate <= today() - {AGE + 1} years": False,
    "@2024-02-29 + 1 year = @2025-02-28 and @2026-12 + 1 month = @2027-01": True,
    "@2026-11-20T23:30:00+01:00 = @2026-11-20T22:30:00Z": True,
    "subject.resolve() is Patient and subject.resolve().ofType(Patient).name.family = 'A'": True,
    "performer.resolve().ofType(Organization).exists() and performer[0].resolve() is Practitioner": True,
    "contained.name.given.distinct().count() = 2 and contained.name.given.first() = 'B'": True,
    "%resource.id = 'o' and contained.all(%resource.status = 'final')": True,
    "status.matches('^f') and status.startsWith('fi') and status.contains('na') and status.length() = 5": True,
    "status.substring(1, 3) & method = 'ina' and status.upper() = 'FINAL'": True,
    "iif(status = 'final', component.count() > 1, false)": True,
    "component.count() * 2 + 1 = 5 and 7 div 2 = 3 and 7 mod 2 = 1 and -1 < 0": True,
    "component.select(code.text) contains '2'": True,
    "code.coding.code.combine(status).count() = 3 and ('a' | 'b' | 'a').count() = 2": True,
    "repeat(contained).count() = 1 and descendants().where(family = 'A').exists()": True,
    "status ~ 'FINAL' and status !~ 'x'": True,
    "{}.empty() and /* of nothing */ Observation.trace('x').exists() // and of all": True,
    "code.coding.code.matches('x')": "error",
    "code.coding.exists() and code.coding": "error",
    "value < 'x'": "error",
    "(1.27).round(1) = 1.3": True,
}


@pytest.mark.parametrize("text", CASES)
def test_a_condition_is_answered_as_fhirpath_says(text: str) -> None:
    node = resource_node(parse(OBSERVATION))
    answer: Any
    try:
        answer = condition(text, "Observation").holds(node, Context(node))
    except EvaluationError:
        answer = "error"
    assert answer is CASES[text] if CASES[text] != "error" else answer == "error"


@pytest.mark.parametrize(
    "text",
    [
        "status =",
        "status = 'final",
        "(status = 'final'",
        "status final",
        "status.noSuchFunction()",
        "code.memberOf('http://example.org/vs')",
        "conformsTo('http://example.org/profile')",
        "subject.resolve().name.exists()",
        "%`vs-administrative-gender`.exists()",
        "status.matches('(')",
        "status.matches(code.text)",
        "status.matchesFull('(a+)+')",
        "effective < today() and (1.27).round(1) = 1.3",
        "status.matches('^(a+)+$')",
        "status.replaceMatches('((a*)){2,}', '')",
        "status.exists(1, 2)",
        "(" * 3000 + "1" + ")" * 3000,
    ],
)
def test_what_cannot_be_evaluated_is_refused_when_it_is_compiled(text: str) -> None:
    with pytest.raises(UnsupportedError):
        condition(text, "Observation")


@pytest.mark.parametrize(
    ("text", "triggers"),
    [
        ("dataAbsentReason.empty() or method.exists()", {"dataAbsentReason", "method"}),
        ("status.empty() or status = 'final'", {"status", "_status"}),
        ("component.all(code.exists())", {"component"}),
        ("method.exists()", None),
        ("%resource.method.empty()", None),
        ("component.all(%resource.method.exists())", None),
        ("descendants().linkId.empty()", None),
    ],
)
def test_a_condition_knows_which_elements_can_break_it(text: str, triggers: set[str] | None) -> None:
    found = condition(text, "Observation").triggers
    assert found == triggers


def test_a_document_that_is_broken_otherwise_is_no_crash() -> None:
    node = resource_node({"resourceType": "Observation", "component": [1, None, "x", {"code": 3}], "code": [[]]})
    for text in CASES:
        try:
            condition(text, "Observation").holds(node, Context(node))
        except EvaluationError:
            continue
