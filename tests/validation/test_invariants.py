"""Every invariant of 4.0.1 is checked: by a function, or by its expression, corrected where it is published wrong."""

from typing import Any

import pytest

import conformance
from fhir_lab.documents import parse
from fhir_lab.fhirpath import condition
from fhir_lab.validation import Validator
from fhir_lab.validation.rules import IN_CODE, note_of, rules_of

ALL = [
    (path, rule["key"], rule["severity"], rule["expression"])
    for rules in conformance.invariants().values()
    for path, each in rules.items()
    for rule in each
]
NAMED = "http://example.org/x"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def test_every_invariant_is_checked_by_a_function_or_by_its_expression() -> None:
    for path in {path for path, *_ in ALL}:
        errors, warnings = rules_of(path)
        wanted = sorted(key for at, key, *_ in ALL if at == path and key not in IN_CODE)
        assert sorted(rule.key for rule in (*errors, *warnings)) == wanted


def test_every_expression_becomes_closures_and_none_needs_fhirpathpy() -> None:
    compiled = [
        condition(note_of(key, path).get("expression", expression), path)
        for path, key, _, expression in ALL
        if key not in IN_CODE
    ]
    assert {each.truth.__module__ for each in compiled} == {
        "fhir_lab.fhirpath.closures",
        "fhir_lab.fhirpath.predicates",
    }


def test_functions_and_notes_name_invariants_that_exist() -> None:
    keys = {key for _, key, *_ in ALL}
    assert IN_CODE.keys() <= keys
    assert {name.rpartition("/")[2] for name in conformance.invariant_notes()} - {"*-0", "sqty-1"} == {
        key for key in keys - IN_CODE.keys() if not key.endswith("-0")
    }


def test_each_corrected_invariant_says_why_and_differs_from_the_published_one() -> None:
    published = {(path.partition(".")[0], key): expression for path, key, _, expression in ALL}
    corrected = [(name, note) for name, note in conformance.invariant_notes().items() if "expression" in note]
    assert len(corrected) > 10
    for name, note in corrected:
        type_, _, key = name.rpartition("/")
        originals = {text for (of, each), text in published.items() if each == key and type_ in ("", of)}
        assert note["because"].endswith(".")
        assert note["expression"] not in originals


# (document, [(path, key) of each error])
CASES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "an appointment that did not take place": (
        '{"resourceType":"Appointment","status":"noshow","cancelationReason":{"text":"x"},"start":"2026-11-20T08:00:00Z",'
        '"end":"2026-11-20T09:00:00Z","participant":[{"actor":{"display":"x"},"status":"accepted"}]}',
        [],
    ),
    "an appointment that is booked": (
        '{"resourceType":"Appointment","status":"booked","cancelationReason":{"text":"x"},"start":"2026-11-20T08:00:00Z",'
        '"participant":[{"status":"accepted"}]}',
        [("Appointment.participant[0]", "app-1"), *((("Appointment"), f"app-{n}") for n in (2, 3, 4))],
    ),
    "an allergy without a status": (
        '{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"}}',
        [("AllergyIntolerance", "ait-1")],
    ),
    "an organization that has a home and no name": (
        '{"resourceType":"Organization","address":[{"city":"x"},{"use":"home"}],'
        '"telecom":[{"use":"home","system":"phone","value":"1"}]}',
        [("Organization.address[1]", "org-2"), ("Organization.telecom[0]", "org-3"), ("Organization", "org-1")],
    ),
    "a task finished before it began": (
        '{"resourceType":"Task","status":"ready","intent":"order","authoredOn":"2026-11-20","lastModified":"2026-11-19"}',
        [("Task", "inv-1")],
    ),
    "a task whose times cannot be compared": (
        '{"resourceType":"Task","status":"ready","intent":"order","authoredOn":"2026-11-20T08:00:00Z",'
        '"lastModified":"2026-11"}',
        [],
    ),
    "ranges": (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"referenceRange":['
        '{"low":{"value":2,"unit":"g"},"high":{"value":1,"unit":"g"}},{"low":{"value":2,"unit":"g"},"high":{"value":1}},'
        '{"age":{"low":{"value":2,"unit":"a"},"high":{"value":1,"unit":"a"}},"text":"x"}]}',
        [("Observation.referenceRange[2].age", "rng-2")],
    ),
    "a questionnaire": (
        '{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group"},{"linkId":"2",'
        '"type":"string","item":[{"linkId":"1","type":"display","required":true,"code":[{"code":"x"}]}]},{"linkId":"3",'
        '"type":"choice","enableWhen":[{"question":"1","operator":"exists","answerBoolean":true},'
        '{"question":"2","operator":"exists","answerInteger":1}],"answerOption":[{"valueString":"x"}],'
        '"answerValueSet":"http://example.org"}]}',
        [
            ("Questionnaire.item[0]", "que-1"),
            ("Questionnaire.item[1].item[0]", "que-3"),
            ("Questionnaire.item[1].item[0]", "que-6"),
            ("Questionnaire.item[2].enableWhen[1]", "que-7"),
            ("Questionnaire.item[2]", "que-4"),
            ("Questionnaire.item[2]", "que-12"),
            ("Questionnaire", "que-2"),
        ],
    ),
    "a code twice, once deeper": (
        f'{{"resourceType":"CodeSystem","url":"{NAMED}","status":"draft","content":"complete",'
        '"concept":[{"code":"a","concept":[{"code":"b"}]},{"code":"b"}]}',
        [("CodeSystem", "csd-1")],
    ),
    "a value set without a system": (
        f'{{"resourceType":"ValueSet","url":"{NAMED}","status":"draft","compose":{{"include":[{{"concept":[{{"code":"a"}}]}}]}}}}',
        [("ValueSet.compose.include[0]", "vsd-1"), ("ValueSet.compose.include[0]", "vsd-2")],
    ),
    "a dosage at breakfast and lunch, before them": (
        '{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},'
        '"medicationCodeableConcept":{"text":"x"},"dosageInstruction":[{"timing":{"repeat":{"when":["ACM","ACD"],'
        '"offset":5,"frequency":1,"period":1,"periodUnit":"d"}}},{"timing":{"repeat":{"when":["CM","ACD"],"offset":5}}}]}',
        [("MedicationRequest.dosageInstruction[1].timing.repeat", "tim-9")],
    ),
    "a consent for research that names nobody": (
        '{"resourceType":"Consent","status":"active","category":[{"text":"x"}],"policyRule":{"text":"x"},"scope":'
        '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"research"}]}}',
        [("Consent", "ppc-3")],
    ),
    "a member on behalf of an organization": (
        '{"resourceType":"CareTeam","participant":[{"member":{"reference":"Practitioner/1"},"onBehalfOf":'
        '{"reference":"Organization/1"}},{"member":{"reference":"Patient/1"},"onBehalfOf":{"reference":"Organization/1"}}]}',
        [("CareTeam.participant[1]", "ctm-1")],
    ),
    "a risk of 200 percent": (
        '{"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":['
        '{"probabilityDecimal":200},{"outcome":{"text":"x"}},{"probabilityRange":{"low":{"value":1,"code":"mg",'
        '"system":"http://unitsofmeasure.org"}}}]}',
        [
            ("RiskAssessment.prediction[0]", "ras-2"),
            ("RiskAssessment.prediction[2].probabilityRange", "ras-1"),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_breaks_an_invariant_is_told_with_its_key(name: str, validator: Validator) -> None:
    text, expected = CASES[name]
    resource: Any = parse(text)
    issues = validator.check(resource, resource["resourceType"])
    found = [(issue.expression[0], issue.details.rpartition("(")[2].rstrip(").")) for issue in issues]
    assert sorted(found) == sorted(expected)
    assert {issue.code for issue in issues} <= {"invariant"}
