"""A client that walks all pages gets what matched at the first page, each once and as it was, whatever others write."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_lab.outcomes import Gone
from fhir_lab.search import past
from fhir_lab.search.run import SearchPage
from fhir_lab.security.access import Caller
from fhir_lab.services import Services
from tests.support.finding import UCUM, Finder, caller, observation, patient

NAMES = [f"r{n}" for n in range(14)]
Line = tuple[str, int]


@pytest.fixture
def finder(services: Services) -> Finder:
    return Finder(services)


def an_observation(rng: random.Random, name: str) -> dict[str, Any]:
    number = rng.choice([None, 1, 2.5, 7])
    return observation(
        name,
        of=rng.choice(["", "p0", "p1", "p2"]),
        code=rng.choice("abc"),
        status=rng.choice(["final", "amended"]),
        effectiveDateTime=rng.choice([None, "2020-01-01", "2020-01-02", "2021"]),
        valueQuantity=None if number is None else {"value": number, "system": UCUM, "code": "mmol/L"},
        note=[{"text": str(rng.random())}],
    )


def a_patient(rng: random.Random, name: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "active": rng.choice([True, False, None]),
        "birthDate": rng.choice([None, "1960", "1960-05", "1970-01-01"]),
        "gender": rng.choice([None, "male", "female"]),
        "name": rng.choice([None, [{"family": "Émile"}], [{"family": "Z"}, {"family": "A"}], [{"text": "emilia"}]]),
        "multipleBirthInteger": rng.randrange(1000),
    }
    return patient(name, **{key: value for key, value in given.items() if value is not None})


def an_assessment(rng: random.Random, name: str) -> dict[str, Any]:
    number = rng.choice([None, 0.1, 0.25, 1])
    prediction = [] if number is None else [{"probabilityDecimal": number}]
    note = [{"text": str(rng.random())}]
    return {
        "resourceType": "RiskAssessment",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/p0"},
        **({"prediction": prediction} if prediction else {}),
        "note": note,
    }


def a_valueset(rng: random.Random, name: str) -> dict[str, Any]:
    url = rng.choice([None, "urn:a", "urn:b", "http://example.org/c"])
    return {
        "resourceType": "ValueSet",
        "id": name,
        "status": "active",
        "version": str(rng.random()),
        **({"url": url} if url else {}),
    }


MAKERS: dict[str, tuple[Callable[[random.Random, str], dict[str, Any]], list[str], list[str]]] = {
    "Observation": (
        an_observation,
        ["date", "status", "code", "value-quantity", "patient", "subject", "_id", "_lastUpdated", "category"],
        ["", "status=final", "code=a", "code:not=a", "date=ge2020-01-02", "value-quantity=gt2", "patient=p1"],
    ),
    "Patient": (
        a_patient,
        ["active", "birthdate", "gender", "name", "family", "_id", "_lastUpdated"],
        ["", "active=true", "name=emil", "birthdate=lt1965", "gender:missing=true"],
    ),
    "RiskAssessment": (an_assessment, ["probability", "patient"], ["", "probability=gt0.2"]),
    "ValueSet": (a_valueset, ["url", "version"], ["url:missing=false", "url=urn:a,urn:b"]),
}


def write(finder: Finder, rng: random.Random, make: Callable[[random.Random, str], dict[str, Any]]) -> None:
    """A few writes of any kind: new ones, changes that move sort keys or end a match, deletes, undeletes."""
    for _ in range(rng.randrange(5)):
        document = make(rng, rng.choice([*NAMES, *NAMES, f"new{rng.randrange(30)}"]))
        if rng.random() < 0.3:
            finder.delete(document["resourceType"], document["id"])
        else:
            finder.put(document)


def lines(page: SearchPage) -> list[Line]:
    return [(version.id, version.version) for version in page.matches]


def walk(
    finder: Finder, resource_type: str, query: str, between: Callable[[], None], who: Caller | None = None
) -> None:
    """Walk forward, part of the way back, forward again and all the way back, with writes between any two pages."""
    expected = lines(finder.page(resource_type, query + "&_count=1000", who))
    pages = [finder.page(resource_type, query + "&_count=3", who)]
    while pages[-1].next_query:
        between()
        pages.append(finder.page(resource_type, pages[-1].next_query, who))
    assert [line for page in pages for line in lines(page)] == expected
    assert {page.total for page in pages} == {len(expected)}
    page, place = pages[-1], len(pages) - 1
    for step in [-1, -1, 1, 1, *[-1] * len(pages)]:
        link = page.previous_query if step < 0 else page.next_query
        if link is None:
            continue
        between()
        page, place = finder.page(resource_type, link, who), place + step
        assert lines(page) == lines(pages[place])
    assert place == 0


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_each_match_of_the_first_page_comes_once_as_it_was(finder: Finder, seed: int) -> None:
    rng = random.Random(seed)
    resource_type = rng.choice(list(MAKERS))
    make, sorts, criteria = MAKERS[resource_type]
    finder.put(*(patient(f"p{n}") for n in range(3)))
    for name in NAMES:
        if rng.random() < 0.9:
            finder.put(make(rng, name))
    keys = [rng.choice(["", "-"]) + key for key in rng.sample(sorts, rng.choice([0, 1, 1, 2]))]
    query = rng.choice(criteria) + (f"&_sort={','.join(keys)}" if keys else "")
    walk(finder, resource_type, query.strip("&"), lambda: write(finder, rng, make))


def test_several_types_and_compartments_are_walked_as_they_were(finder: Finder) -> None:
    rng = random.Random(7)
    finder.put(*(patient(f"p{n}") for n in range(3)))
    for name in NAMES:
        finder.put(an_observation(rng, name), a_patient(rng, name + "p"))

    def between() -> None:
        write(finder, rng, an_observation)
        write(finder, rng, a_patient)

    for sort in ("", "&_sort=-_lastUpdated", "&_sort=_id"):
        walk(finder, "", "_type=Observation,Patient" + sort, between)


def test_a_walk_within_a_compartment_shows_what_was_in_it_and_nothing_else(finder: Finder) -> None:
    rng = random.Random(5)
    finder.put(*(patient(f"p{n}") for n in range(3)))
    finder.put(*(an_observation(rng, name) for name in NAMES))
    who = caller("patient/Observation.rs patient/Patient.rs", patient="p1")

    def between() -> None:
        write(finder, rng, an_observation)

    for _ in range(3):
        walk(finder, "Observation", "_sort=-date", between, who)


def test_a_caller_whose_rights_shrank_sees_no_more_of_the_past(finder: Finder) -> None:
    finder.put(patient("p"), *(observation(f"o{n}", "p", status="final") for n in range(4)))
    link = str(finder.page("Observation", "_count=1", caller("user/Observation.rs")).next_query)
    finder.put(observation("o1", "p", status="amended"))
    finder.delete("Observation", "o2")
    shown = finder.page("Observation", link, caller("user/Observation.rs"))
    assert lines(shown) == [("o1", 1)]
    narrow = caller("user/Observation.rs?status=amended")
    assert (
        lines(finder.page("Observation", link, narrow)) == []
    )  # what o1 says now opens no version that said otherwise


def test_a_walk_that_too_much_was_written_since_begins_again(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    finder.put(*(patient(f"p{n}", active=True) for n in range(5)))
    link = str(finder.page("Patient", "_count=2").next_query)
    monkeypatch.setattr(past, "MOST", 2)
    finder.put(*(patient(f"p{n}", active=False) for n in range(2)), patient("new"))
    assert lines(finder.page("Patient", link)) == [("p2", 1), ("p3", 1)]
    finder.put(patient("p3", active=False))
    with pytest.raises(Gone, match="first page"):
        finder.page("Patient", link)
