"""`:above` and `:below` of references, and canonical references; on both databases."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.finding import Finder, caller, observation, patient

BASE = "http://127.0.0.1:8000/fhir/R4"


def location(resource_id: str, within: str = "", **more: Any) -> Resource:
    part = {"partOf": {"reference": f"Location/{within}"}} if within else {}
    return {"resourceType": "Location", "id": resource_id, "status": "active", **part, **more}


def encounter(resource_id: str, *places: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": resource_id,
        "status": "planned",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        **({"location": [{"location": {"reference": f"Location/{place}"}} for place in places]} if places else {}),
    }


def specimen(resource_id: str, *parents: str) -> Resource:
    above = [{"reference": f"Specimen/{parent}"} for parent in parents]
    return {"resourceType": "Specimen", "id": resource_id, **({"parent": above} if above else {})}


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    finder.put(
        *(location("campus"), location("east", "campus"), location("lab", "east"), location("bench", "lab")),
        *(location("west", "campus"), location("elsewhere")),
        *(encounter("at-campus", "campus"), encounter("at-lab", "lab"), encounter("at-bench", "bench", "west")),
        *(encounter("at-west", "west"), encounter("nowhere")),
        *(
            specimen("blood"),
            specimen("plasma", "blood"),
            specimen("aliquot", "plasma"),
            specimen("pool", "plasma", "other"),
        ),
        specimen("other"),
        patient("p"),
        observation("on-plasma", "p", specimen={"reference": "Specimen/plasma"}),
        observation("on-pool", "p", specimen={"reference": "Specimen/pool"}),
    )
    return finder


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Encounter?location:below=east", {"at-lab", "at-bench"}),
        ("Encounter?location:below=Location/campus", {"at-campus", "at-lab", "at-bench", "at-west"}),
        (f"Encounter?location:below={BASE}/Location/west", {"at-bench", "at-west"}),
        ("Encounter?location:below=lab,west", {"at-lab", "at-bench", "at-west"}),
        ("Encounter?location:above=lab", {"at-lab", "at-campus"}),
        ("Encounter?location:above=bench", {"at-campus", "at-lab", "at-bench"}),
        ("Encounter?location:below=nowhere", set()),
        ("Location?partof:below=campus", {"east", "west", "lab", "bench"}),
        ("Location?partof:below=lab", {"bench"}),
        ("Location?partof:above=lab", {"east", "lab", "bench"} | {"west"}),
        ("Observation?specimen:below=blood", {"on-plasma", "on-pool"}),
        ("Observation?specimen:above=pool", {"on-plasma", "on-pool"}),
        ("Observation?specimen:below=other", {"on-pool"}),
        ("Specimen?parent:below=blood", {"plasma", "aliquot", "pool"}),
        ("Patient?_has:Observation:patient:specimen:below=blood", {"p"}),
    ],
)
def test_what_stands_above_and_below_is_found(finder: Finder, query: str, expected: set[str]) -> None:
    resource_type, _, rest = query.partition("?")
    assert finder.found(resource_type, rest) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("Observation?patient:below=p", "not-supported"),
        ("Observation?subject:below=Patient/p", "value"),
        ("Encounter?location:below=http://elsewhere.example.org/Location/1", "value"),
        ("Observation?date:above=2020", "not-supported"),
    ],
)
def test_where_there_is_no_hierarchy_it_is_refused(finder: Finder, query: str, code: str) -> None:
    resource_type, _, rest = query.partition("?")
    with pytest.raises(BadRequest) as caught:
        finder.found(resource_type, rest)
    assert [issue.code for issue in caught.value.issues] == [code]


def test_the_way_leads_through_what_the_caller_may_read(finder: Finder) -> None:
    finder.put(location("east", "campus", status="suspended"))
    found = {
        scopes: finder.found("Encounter", "location:below=campus", caller(f"user/Encounter.rs {scopes}"))
        for scopes in ("", "user/Location.rs", "user/Location.rs?status=active")
    }
    assert found == {
        "": {"at-campus"},
        "user/Location.rs": {"at-campus", "at-lab", "at-bench", "at-west"},
        "user/Location.rs?status=active": {"at-campus", "at-bench", "at-west"},
    }


def test_memory_does_not_know_other_resources(finder: Finder) -> None:
    with pytest.raises(BadRequest, match="other resources"):
        finder.in_memory(encounter("x", "lab"), "location:below=campus")


QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = "abcdef"


@QUICK
@given(st.fixed_dictionaries({name: st.lists(st.sampled_from(NAMES), max_size=2, unique=True) for name in NAMES}))
def test_any_graph_is_followed_to_its_end_even_in_circles(services: Services, parents: dict[str, list[str]]) -> None:
    finder = Finder(services)
    finder.put(*(specimen(name, *above) for name, above in parents.items()))
    finder.put(*(observation(f"o-{name}", specimen={"reference": f"Specimen/{name}"}) for name in NAMES))
    for name in NAMES:
        above = {name}
        while more := {parent for each in above for parent in parents[each]} - above:
            above |= more
        below = {other for other in NAMES if name in _reached(parents, other)}
        assert finder.found("Observation", f"specimen:above={name}") == {f"o-{each}" for each in above}
        assert finder.found("Observation", f"specimen:below={name}") == {f"o-{each}" for each in below}


def _reached(parents: dict[str, list[str]], start: str) -> set[str]:
    found = {start}
    while more := {parent for each in found for parent in parents[each]} - found:
        found |= more
    return found


def ordered(resource_id: str, *canonicals: str) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": resource_id,
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "instantiatesCanonical": list(canonicals),
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://x.org/PlanDefinition/1", {"plain", "versioned"}),
        ("http://x.org/PlanDefinition/1|2.0", {"versioned"}),
        ("http://x.org/PlanDefinition/1|3.0", set()),
        (f"{BASE}/PlanDefinition/own", {"local"}),
        ("PlanDefinition/own", {"local"}),
        (f"{BASE}/PlanDefinition/own|1", {"local"}),
        ("http://x.org/PlanDefinition/1|2.0,PlanDefinition/own", {"versioned", "local"}),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", {"urn"}),
    ],
)
def test_canonical_references_are_found_with_and_without_version(
    services: Services, value: str, expected: set[str]
) -> None:
    finder = Finder(services)
    documents = [
        ordered("plain", "http://x.org/PlanDefinition/1"),
        ordered("versioned", "http://x.org/PlanDefinition/1|2.0"),
        ordered("local", f"{BASE}/PlanDefinition/own|1"),
        ordered("urn", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        ordered("other", "http://x.org/PlanDefinition/10"),
    ]
    finder.put(patient("p"), *documents)
    query = f"instantiates-canonical={value}"
    assert finder.found("ServiceRequest", query) == expected
    assert {body["id"] for body in documents if finder.in_memory(body, query)} == expected
