"""`_filter`: what an expression finds, on both databases and in memory, and what is refused."""

import json
from random import Random

import pytest

from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.finding import LOINC, Finder, caller, observation, patient, quantity

JANUARY = {"start": "2026-01-01", "end": "2026-01-31"}


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    finder.put(
        patient("ann", name=[{"family": "Müller", "given": ["Ann", "Bea"]}], gender="female", birthDate="1980-05-01"),
        patient("bob", name=[{"family": "Miller", "given": ["Bob"]}], gender="male", birthDate="1970"),
        patient("eve", name=[{"text": 'Eve (the "first"), M.'}], active=True),
    )
    finder.put(
        observation("low", "ann", valueQuantity=quantity(5.4), effectiveDateTime="2026-01-02"),
        observation(
            "high", "bob", valueQuantity=quantity(9.0), effectivePeriod={"start": "2026-01-01", "end": "2026-01-31"}
        ),
        observation("none", "eve", code="2345-7", status="preliminary"),
    )
    return finder


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('family eq "muller"', {"ann"}),
        ("family eq mull", set()),
        ("family sw m", {"ann", "bob"}),
        ("family ew LLER", {"ann", "bob"}),
        ("name co ille", {"bob"}),
        ('name co "the \\"first\\"), m"', {"eve"}),
        ("given ne ann", {"ann", "bob"}),
        ("family pr false", {"eve"}),
        ("family pr true", {"ann", "bob"}),
        ("gender eq male", {"bob"}),
        ("gender ne male", {"ann"}),
        ("gender pr false", {"eve"}),
        ("_id eq ann", {"ann"}),
        ("birthdate eq 1970", {"bob"}),
        ("birthdate ge 1980-05-01", {"ann"}),
        ("birthdate po 1970-06", {"bob"}),
        ("birthdate eq 1970-06", set()),
        ("birthdate ne 1970", {"ann"}),
        ('given eq "ann" and birthdate ge 1980', {"ann"}),
        ("gender eq male or gender eq female", {"ann", "bob"}),
        ("gender eq male or gender eq female and given eq ann", {"ann"}),
        ("gender eq male or (gender eq female and given eq ann)", {"ann", "bob"}),
        ("not (gender eq male)", {"ann", "eve"}),
        ("not(gender eq male) and active eq true", {"eve"}),
        ("not (not (gender eq male))", {"bob"}),
        ("((gender eq male))", {"bob"}),
        ("_lastUpdated gt 2100", set()),
    ],
)
def test_patients_are_filtered_alike_in_the_database_and_in_memory(
    finder: Finder, expression: str, expected: set[str]
) -> None:
    assert finder.found("Patient", f"_filter={expression}") == expected
    for version in finder.page("Patient", "_count=10").matches:
        document = json.loads(version.content or "")
        assert finder.in_memory(document, f"_filter={expression}") is (version.id in expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"code eq {LOINC}|718-7", {"low", "high"}),
        (f'code ne "{LOINC}|718-7"', {"none"}),
        ("value-quantity gt 5.4", {"high"}),
        ("value-quantity le 5.4||mg/dL", {"low"}),
        ("date po 2026-01-15", {"high"}),
        ("date sa 2026-01-01", {"low"}),
        ("subject re Patient/ann", {"low"}),
        ("subject eq bob", {"high"}),
        ("subject ne Patient/ann", {"high", "none"}),
        ('subject.name co "ull"', {"low"}),
        ("subject:Patient.birthdate lt 1975", {"high"}),
        ("patient[gender eq female].name sw m", {"low"}),
        ("patient[gender eq female or gender eq male].name sw m", {"low", "high"}),
        ("patient[not (gender pr true)].name sw eve and status eq preliminary", {"none"}),
        ("code-value-quantity eq 718-7$gt6", {"high"}),
    ],
)
def test_observations_are_filtered(finder: Finder, expression: str, expected: set[str]) -> None:
    assert finder.found("Observation", f"_filter={expression}") == expected


def test_a_filter_joins_other_parameters_and_another_filter(finder: Finder) -> None:
    assert finder.found("Patient", "_filter=family sw m&gender=male") == {"bob"}
    assert finder.found("Patient", "_filter=family sw m&_filter=gender eq female") == {"ann"}
    assert finder.found("Patient", "_filter=") == {"ann", "bob", "eve"}


def test_a_filter_reaches_no_further_than_the_scopes(finder: Finder) -> None:
    own = caller("patient/*.rs", patient="ann")
    assert finder.found("Observation", "_filter=status eq final or status ne final", own) == {"low"}
    assert finder.found("Observation", "_filter=not (status eq nothing)", own) == {"low"}
    blind = caller("user/Observation.rs")
    assert finder.found("Observation", "_filter=subject.name co ull", blind) == set()


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("family", "an operator is expected"),
        ("family eq", "a value is expected"),
        ("family qe x", r"'qe' is not an operator\..* eq, ne"),
        ("family gt x", r"'gt' does not compare 'family' \(string\)\. Supported: eq, ne, co"),
        ("gender co x", "'co' does not compare 'gender'"),
        ("birthdate co 19", "'co' does not compare 'birthdate'"),
        ("famly eq x", "Did you mean 'family'"),
        ("(family eq x", r"'\)' is expected"),
        ("family eq x)", "and, or, or the end is expected"),
        ("family eq x gender eq male", "and, or, or the end is expected"),
        ('family eq "x', 'the closing "'),
        ("not family eq x", "is not an operator"),
        ("and", "an operator is expected"),
        ("gender pr maybe", "write true or false"),
        ("birthdate eq soon", "soon"),
        ("name.family eq x", "only references can be chained"),
        ("general-practitioner[", "name of a search parameter"),
        ("general-practitioner[active eq true] eq x", "a dot"),
        ("general-practitioner.nothing eq x", "None of the types"),
        ('family eq ""', "no character"),
        ("(" * 30 + "family eq x" + ")" * 30, "nested"),
        (" and ".join(["family eq x"] * 51), "50 comparisons"),
    ],
)
def test_what_is_no_filter_is_refused(finder: Finder, expression: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        finder.page("Patient", f"_filter={expression}")


def test_random_text_is_refused_and_never_fails(finder: Finder) -> None:
    dice = Random(3)
    pieces = [*'()[]."\\', *["family", "gender", "eq", "co", "pr", "x", "male", "true", "and", "or", "not"]]
    refused = []
    for _ in range(300):
        expression = " ".join(dice.choices(pieces, k=dice.randint(1, 9)))
        try:
            finder.page("Patient", f"_filter={expression}")
        except BadRequest as error:
            refused += error.issues
    assert {issue.expression for issue in refused} == {("http._filter",)}
