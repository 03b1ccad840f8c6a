"""Included resources: forward, reverse, iterated, each once, and only what the caller may read."""

import pytest

from fhir_lab.services import Services
from tests.support.finding import Finder, caller, observation, patient


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    finder.put({"resourceType": "Organization", "id": "top", "name": "Top"})
    finder.put(
        {"resourceType": "Organization", "id": "org", "name": "Clinic", "partOf": {"reference": "Organization/top"}}
    )
    finder.put(
        {"resourceType": "Practitioner", "id": "dr"},
        patient("p", managingOrganization={"reference": "Organization/org"}),
        patient("q"),
        {"resourceType": "Group", "id": "g", "type": "person", "actual": True},
        observation("op", "p", performer=[{"reference": "Practitioner/dr"}, {"reference": "Organization/org"}]),
        observation("og", subject={"reference": "Group/g"}),
        observation("ox", subject={"reference": "http://other.example.org/Patient/1"}),
    )
    finder.put(
        {
            "resourceType": "Provenance",
            "id": "prov",
            "target": [{"reference": "Observation/op"}, {"reference": "Patient/p"}],
            "recorded": "2022-01-01T00:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/dr"}}],
        }
    )
    return finder


def included(finder: Finder, resource_type: str, query: str, scopes: str = "", context: str | None = None) -> list[str]:
    page = finder.page(resource_type, query, caller(scopes, context) if scopes else None)
    names = [f"{version.type}/{version.id}" for version in page.included]
    assert len(set(names)) == len(names)
    assert not {version.pk for version in page.matches} & {version.pk for version in page.included}
    return sorted(names)


@pytest.mark.parametrize(
    ("resource_type", "query", "expected"),
    [
        ("Observation", "_include=Observation:patient", ["Patient/p"]),
        ("Observation", "_include=Observation:subject", ["Group/g", "Patient/p"]),
        ("Observation", "_include=Observation:subject:Patient", ["Patient/p"]),
        ("Observation", "_include=Observation:subject:Group", ["Group/g"]),
        ("Observation", "_include=Observation:performer", ["Organization/org", "Practitioner/dr"]),
        ("Observation", "_include=Observation:performer:Practitioner", ["Practitioner/dr"]),
        ("Observation", "_include=*", ["Group/g", "Organization/org", "Patient/p", "Practitioner/dr"]),
        ("Observation", "_include=Observation:*", ["Group/g", "Organization/org", "Patient/p", "Practitioner/dr"]),
        ("Observation", "_include=Patient:organization", []),
        ("Patient", "_revinclude=Observation:patient", ["Observation/op"]),
        ("Patient", "_revinclude=Observation:*", ["Observation/op"]),
        ("Patient", "_revinclude=Provenance:target", ["Provenance/prov"]),
        ("Observation", "_revinclude=Provenance:target", ["Provenance/prov"]),
        ("Patient", "_revinclude=*", ["Observation/op", "Provenance/prov"]),
        ("Observation", "_include=Observation:patient&_include=Patient:organization", ["Patient/p"]),
        (
            "Observation",
            "_include=Observation:patient&_include:iterate=Patient:organization",
            ["Organization/org", "Patient/p"],
        ),
        (
            "Observation",
            "_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
            ["Organization/org", "Organization/top", "Patient/p"],
        ),
        (
            "Patient",
            "_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
            ["Observation/op", "Provenance/prov"],
        ),
        ("Patient", "_revinclude=Observation:patient&_include:iterate=Observation:patient", ["Observation/op"]),
        ("Organization", "_id=org&_include:iterate=Organization:partof", ["Organization/top"]),
        ("Organization", "_include:iterate=Organization:partof", []),
    ],
)
def test_what_is_included(finder: Finder, resource_type: str, query: str, expected: list[str]) -> None:
    assert included(finder, resource_type, query) == expected


def test_a_cycle_of_references_ends(finder: Finder) -> None:
    top = {"resourceType": "Organization", "id": "top", "name": "Top", "partOf": {"reference": "Organization/org"}}
    finder.put(top)
    assert included(finder, "Organization", "_id=org&_include:iterate=Organization:partof") == ["Organization/top"]


def test_inclusion_follows_the_page_not_the_whole_result(finder: Finder) -> None:
    assert included(finder, "Observation", "_sort=_id&_count=1&_include=Observation:subject") == ["Group/g"]


def test_canonical_references_include_the_resource_with_that_url(finder: Finder) -> None:
    url = "http://example.org/Questionnaire/q"
    finder.put({"resourceType": "Questionnaire", "id": "q", "status": "active", "url": url})
    finder.put({"resourceType": "QuestionnaireResponse", "id": "r", "status": "completed", "questionnaire": f"{url}|1"})
    query = "_include=QuestionnaireResponse:questionnaire"
    assert included(finder, "QuestionnaireResponse", query) == ["Questionnaire/q"]


def test_many_includes_at_once_are_run(finder: Finder) -> None:
    codes = finder.services.registry.of("Observation")
    every = "&".join(
        f"_include:iterate=Observation:{code}" for code, found in codes.items() if found.kind == "reference"
    )
    reverse = "&".join(f"_revinclude:iterate={name}:*" for name in finder.services.registry.types)
    expected = {"Group/g", "Organization/org", "Patient/p", "Practitioner/dr", "Provenance/prov"}
    names = included(finder, "Observation", f"{every}&{reverse}")
    assert expected <= set(names)


def test_deleted_resources_are_not_included(finder: Finder) -> None:
    finder.delete("Provenance", "prov")
    assert included(finder, "Observation", "_revinclude=Provenance:target") == []


def test_types_and_resources_beyond_the_scopes_are_left_out(finder: Finder) -> None:
    assert included(finder, "Observation", "_include=*", "user/Observation.rs") == []
    assert included(finder, "Observation", "_include=*", "user/Observation.rs user/Patient.r") == ["Patient/p"]
    finder.put(
        {
            "resourceType": "List",
            "id": "l",
            "status": "current",
            "mode": "working",
            "entry": [{"item": {"reference": f"Patient/{n}"}} for n in "pq"],
        }
    )
    query = "_list=l&_revinclude=List:item"
    assert included(finder, "Patient", query, "user/Patient.rs user/List.rs") == ["List/l"]
    assert included(finder, "List", "_include=List:item", "user/List.rs patient/Patient.rs", "q") == ["Patient/q"]


@pytest.mark.parametrize(
    ("resource_type", "query", "expected"),
    [
        (
            "Observation",
            "_id=op&_include:iterate=*",
            ["Organization/org", "Organization/top", "Patient/p", "Practitioner/dr"],
        ),
        ("Organization", "_id=top&_revinclude:iterate=Organization:partof", ["Organization/org"]),
        (
            "Organization",
            "_id=top&_revinclude:iterate=Organization:partof&_revinclude:iterate=Patient:organization",
            ["Organization/org", "Patient/p"],
        ),
        (
            "Organization",
            "_id=top&_revinclude:iterate=*",
            ["Observation/op", "Organization/org", "Patient/p", "Provenance/prov"],
        ),
        (
            "Patient",
            "_id=p&_revinclude=Observation:patient&_include:iterate=Observation:performer",
            ["Observation/op", "Organization/org", "Practitioner/dr"],
        ),
    ],
)
def test_iteration_goes_on_in_both_directions(
    finder: Finder, resource_type: str, query: str, expected: list[str]
) -> None:
    assert included(finder, resource_type, query) == expected


def test_canonical_references_lead_backwards_too(finder: Finder) -> None:
    url = "http://example.org/Questionnaire/q"
    finder.put({"resourceType": "Questionnaire", "id": "q", "status": "active", "url": url})
    finder.put({"resourceType": "QuestionnaireResponse", "id": "r", "status": "completed", "questionnaire": f"{url}|1"})
    for query in ("_revinclude=QuestionnaireResponse:questionnaire", "_revinclude=*"):
        assert included(finder, "Questionnaire", query) == ["QuestionnaireResponse/r"]


def test_a_versioned_reference_includes_the_resource_as_it_is(finder: Finder) -> None:
    finder.put(observation("versioned", subject={"reference": "Patient/q/_history/1"}))
    assert included(finder, "Observation", "_id=versioned&_include=Observation:subject") == ["Patient/q"]
