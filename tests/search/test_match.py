"""One document judged in memory, and the randomised proof that the database says the same."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.finding import LOINC, UCUM, Finder, observation, patient, quantity

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PREFIXES = st.sampled_from(("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"))
YES_NO = st.sampled_from(("true", "false"))
DAYS = ("2019", "2020", "2020-01", "2020-02", "2020-01-15")
TIMES = ("2020-01-15T10:00:00Z", "2020-01-15T10:30:15.5+02:00")
NUMBERS = ("5", "5.0", "5.4", "5.40", "4.95", "5.45", "50", "1e1", "0", "-5")
NAMES = ("Müller", "muller", "Mul", "O'Neil", "van der Berg", "Ægir", "%", "_", "a\\b", "ll")
URLS = ("http://a.org/x", "http://a.org/x/y", "http://a.org", "http://a.org/xy", "urn:oid:1.2")


def in_time() -> list[Resource]:
    whens: list[dict[str, Any]] = [{}, *({"effectiveDateTime": text} for text in DAYS + TIMES)]
    whens += [{"effectivePeriod": {"start": "2020-01"}}, {"effectivePeriod": {"end": "2020-01-15"}}]
    periods = [pair for pair in itertools.product(DAYS, DAYS) if pair[0][:4] <= pair[1][:4] and len(pair[1]) == 4]
    whens += [{"effectivePeriod": {"start": start, "end": end}} for start, end in periods]
    whens += [{"effectiveTiming": {"event": ["2019-05-05", "2020-01-20"]}}]
    return [observation(f"d{n}", **when) for n, when in enumerate(whens)]


def people() -> list[Resource]:
    rng = random.Random(3)
    return [
        patient("nobody"),
        *(
            patient(
                f"p{n}",
                name=[{"family": name, "given": [rng.choice(NAMES)]}],
                birthDate=rng.choice(DAYS),
                identifier=[{"system": rng.choice(URLS), "value": str(n % 3)}, {"value": "1"}][: 1 + n % 2],
                gender=rng.choice(("male", "female")),
                active=rng.choice((True, False)),
            )
            for n, name in enumerate(NAMES)
        ),
    ]


def measured() -> list[Resource]:
    def value(number: str, unit: str, comparator: str) -> dict[str, Any]:
        plain = {"value": float(number), "unit": unit}
        return {**quantity(float(number), unit), "comparator": comparator} if comparator else plain

    def components(number: str, count: int) -> list[dict[str, Any]] | None:
        code = {"coding": [{"system": LOINC, "code": "c"}]}
        return [{"code": code, "valueQuantity": quantity(float(number), "mg")}] * count or None

    points = [(number, quantity(float(number), unit)) for number in NUMBERS for unit in ("mg", "g")]
    labelled = [(number, {"value": float(number), "unit": "drops"}) for number in NUMBERS]
    open_ended = [(number, value(number, "mg", sign)) for number in NUMBERS for sign in ("<", ">=")]
    return [
        observation("without"),
        *(
            observation(f"q{n}", code="ab"[n % 2], valueQuantity=found, component=components(number, n % 3))
            for n, (number, found) in enumerate([*points, *labelled, *open_ended])
        ),
    ]


def risks() -> list[Resource]:
    def prediction(n: int, number: str) -> list[dict[str, Any]]:
        point = {"probabilityDecimal": float(number) / 100}
        return [point, {"probabilityRange": {"low": quantity(float(number), "%")}}][: 1 + n % 2]

    risk = {"resourceType": "RiskAssessment", "status": "final", "subject": {"display": "somebody"}}
    return [{**risk, "id": f"r{n}", "prediction": prediction(n, number)} for n, number in enumerate(NUMBERS)]


def value_sets() -> list[Resource]:
    return [{"resourceType": "ValueSet", "id": f"v{n}", "status": "active", "url": url} for n, url in enumerate(URLS)]


def pointing() -> list[Resource]:
    targets: list[dict[str, Any] | None] = [
        None,
        {"reference": "Patient/p1"},
        {"reference": "Group/p1"},
        {"reference": "http://other.example.org/Patient/p1"},
        {"reference": "Patient/p2", "identifier": {"system": "urn:x", "value": "1"}},
        {"identifier": {"value": "1"}},
        {"display": "somebody"},
    ]
    return [
        observation(f"o{n}-{m}", subject=subject, focus=[focus] if focus else None)
        for (n, subject), (m, focus) in itertools.product(enumerate(targets), enumerate(targets))
    ]


class Written:
    """Documents in a database, and outside it."""

    def __init__(self, services: Services) -> None:
        self._finder = Finder(services)
        self._documents: list[Resource] = []

    def hold(self, make: Callable[[], list[Resource]]) -> None:
        """Write the documents, the first time."""
        if not self._documents:
            group = {"resourceType": "Group", "id": "p1", "type": "person", "actual": True}
            if make is pointing:
                self._finder.put(patient("p1"), patient("p2"), group)
            self._documents = make()
            self._finder.put(*self._documents)

    def agree(self, query: str) -> None:
        """Both ways find the same documents."""
        resource_type = self._documents[0]["resourceType"]
        in_memory = {document["id"] for document in self._documents if self._finder.in_memory(document, query)}
        assert self._finder.found(resource_type, query) == in_memory


@pytest.fixture
def written(services: Services) -> Written:
    return Written(services)


@QUICK
@given(PREFIXES, st.sampled_from((*DAYS, *TIMES)))
def test_dates_match_alike(written: Written, prefix: str, date: str) -> None:
    written.hold(in_time)
    written.agree(f"date={prefix}{date.replace('+', '%2B')}")


@QUICK
@given(PREFIXES, st.sampled_from((*DAYS, *TIMES)))
def test_birth_dates_match_alike(written: Written, prefix: str, date: str) -> None:
    written.hold(people)
    written.agree(f"birthdate={prefix}{date.replace('+', '%2B')}")


@QUICK
@given(st.sampled_from(("", ":exact", ":contains")), st.sampled_from(NAMES))
def test_strings_match_alike(written: Written, modifier: str, name: str) -> None:
    written.hold(people)
    written.agree(f"name{modifier}={name.replace('%', '%25')}")


TOKENS = ("0", "1", "|1", "http://a.org/x|", "http://a.org/x|1", "urn:oid:1.2|2", "1,2", "|1,http://a.org|0")


@QUICK
@given(
    st.one_of(
        st.tuples(st.sampled_from(("identifier=", "identifier:not=")), st.sampled_from(TOKENS)),
        st.tuples(st.sampled_from(("gender=", "gender:not=")), st.sampled_from(("male", "|male", "x|male", "male,x"))),
        st.tuples(st.sampled_from(("active=", "active:not=")), st.sampled_from(("true", "false", "x"))),
        st.tuples(st.sampled_from(("gender:missing=", "identifier:missing=", "birthdate:missing=")), YES_NO),
    )
)
def test_tokens_match_alike(written: Written, query: tuple[str, str]) -> None:
    written.hold(people)
    written.agree("".join(query))


UNITS = st.sampled_from(("", f"|{UCUM}|mg", f"|{UCUM}|g", "||mg", "||drops", f"|{UCUM}|", f"|{UCUM}|L"))
QUANTITIES = ("value-quantity=", "code-value-quantity=a$", "combo-code-value-quantity=c$", "component-value-quantity=")


@QUICK
@given(st.sampled_from(QUANTITIES), PREFIXES, st.sampled_from(NUMBERS), UNITS)
def test_quantities_and_composites_match_alike(
    written: Written, parameter: str, prefix: str, number: str, unit: str
) -> None:
    written.hold(measured)
    written.agree(f"{parameter}{prefix}{number}{unit}")


@QUICK
@given(PREFIXES, st.sampled_from((*NUMBERS, "0.05", "0.054", "5e-2")))
def test_numbers_match_alike(written: Written, prefix: str, number: str) -> None:
    written.hold(risks)
    written.agree(f"probability={prefix}{number}")


@QUICK
@given(st.sampled_from(("url", "url:below", "url:above")), st.sampled_from((*URLS[:4], "http://a.org/x/y/z")))
def test_uris_match_alike(written: Written, parameter: str, url: str) -> None:
    written.hold(value_sets)
    written.agree(f"{parameter}={url}")


POINTS = (
    *("p1", "Patient/p1", "Group/p1", "p1,p2", "nobody", "http://other.example.org/Patient/p1"),
    "http://127.0.0.1:8000/fhir/R4/Patient/p2",
)
IDENTIFIERS = ("1", "urn:x|1", "|1", "urn:x|")


@QUICK
@given(
    st.one_of(
        st.tuples(st.sampled_from(("subject=", "focus=", "patient=")), st.sampled_from(POINTS)),
        st.tuples(st.sampled_from(("subject:identifier=", "focus:identifier=")), st.sampled_from(IDENTIFIERS)),
        st.tuples(st.sampled_from(("subject:Patient=", "focus:Group=")), st.just("p1")),
        st.tuples(st.sampled_from(("subject:missing=", "focus:missing=")), YES_NO),
    )
)
def test_references_match_alike(written: Written, query: tuple[str, str]) -> None:
    written.hold(pointing)
    written.agree("".join(query))


def test_result_parameters_do_not_count_and_the_type_does(sqlite_services: Services) -> None:
    finder = Finder(sqlite_services)
    assert finder.in_memory(observation("o"), "status=final&_count=5")
    assert finder.in_memory(observation("o"), "")
    assert not finder.in_memory(observation("o"), "_id=x")


@pytest.mark.parametrize("query", ["patient.name=x", "_has:Provenance:target:recorded=2020", "_list=x", "nonsense=1"])
def test_what_needs_other_documents_is_refused_in_memory(sqlite_services: Services, query: str) -> None:
    with pytest.raises(BadRequest):
        Finder(sqlite_services).in_memory(observation("o", status="preliminary"), query)
