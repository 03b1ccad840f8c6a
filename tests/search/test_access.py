"""Scopes as conditions of the search: compartments, granular scopes, chains that must not leak."""

from typing import Any

import pytest

from fhir_lab.documents import Resource
from fhir_lab.outcomes import Forbidden
from fhir_lab.search.access import access_condition, permits
from fhir_lab.security.access import Caller
from fhir_lab.services import Services
from fhir_lab.storage.tables import resource
from fhir_lab.storage.unit import Unit
from tests.support.finding import CATEGORY, Finder, caller, observation, patient

VITALS = [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}]


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    finder.put(
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "House"}]},
        patient("p", name=[{"family": "Own"}], generalPractitioner=[{"reference": "Practitioner/dr"}]),
        patient("q", name=[{"family": "Other"}]),
        patient("linked", link=[{"other": {"reference": "Patient/p"}, "type": "seealso"}]),
        observation("mine", "p"),
        observation("vitals", "p", category=VITALS),
        observation("performed", "q", performer=[{"reference": "Patient/p"}]),
        observation("theirs", "q"),
        {
            "resourceType": "Task",
            "id": "t",
            "status": "requested",
            "intent": "order",
            "for": {"reference": "Patient/p"},
        },
        {"resourceType": "Device", "id": "d", "patient": {"reference": "Patient/q"}},
        {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": "Practitioner/dr"}},
    )
    return finder


@pytest.mark.parametrize(
    ("resource_type", "query", "expected"),
    [
        ("Observation", "", {"mine", "vitals", "performed"}),
        ("Observation", "patient=q", {"performed"}),
        ("Observation", "code=718-7&_sort=-date", {"mine", "vitals", "performed"}),
        ("Observation", "status:not=final", set()),
        ("Observation", "_id=theirs", set()),
        ("Patient", "", {"p", "linked"}),
        ("Patient", "name=other", set()),
        ("Practitioner", "", {"dr"}),
        ("Task", "", {"t"}),
        ("Device", "", set()),
        ("Basic", "", set()),
    ],
)
def test_a_patient_scope_finds_the_compartment_of_its_patient(
    finder: Finder, resource_type: str, query: str, expected: set[str]
) -> None:
    assert finder.found(resource_type, query, caller("patient/*.rs", "p")) == expected


def test_counts_tell_only_of_what_may_be_found(finder: Finder) -> None:
    assert finder.page("Observation", "_summary=count", caller("patient/*.rs", "p")).total == 3


@pytest.mark.parametrize(
    ("scopes", "context"),
    [
        ("user/Patient.rs", None),
        ("user/Observation.r", None),
        ("user/Observation.c", None),
        ("patient/Observation.rs", None),
        ("user/Observation.rs?nonsense=1", None),
        ("", None),
    ],
)
def test_a_search_without_a_scope_for_it_is_forbidden(finder: Finder, scopes: str, context: str | None) -> None:
    with pytest.raises(Forbidden) as caught:
        finder.page("Observation", "", caller(scopes, context))
    assert "user/Observation.s" in str(caught.value)


def test_a_type_that_is_no_patients_is_closed_to_patient_scopes(finder: Finder) -> None:
    with pytest.raises(Forbidden):
        finder.page("Subscription", "", caller("patient/*.rs", "p"))


def test_granular_scopes_reach_what_their_query_matches(finder: Finder) -> None:
    laboratory = f"?category={CATEGORY}|laboratory"
    assert finder.found("Observation", "", caller(f"user/Observation.rs{laboratory}")) == {
        "mine",
        "performed",
        "theirs",
    }
    assert finder.found("Observation", "", caller(f"patient/Observation.rs{laboratory}", "p")) == {"mine", "performed"}
    both = caller(f"patient/Observation.rs{laboratory} patient/Observation.rs?category=vital-signs", "p")
    assert finder.found("Observation", "", both) == {"mine", "vitals", "performed"}
    assert finder.found("Observation", "category=vital-signs", caller(f"user/Observation.rs{laboratory}")) == set()


def test_chains_and_reverse_chains_do_not_look_where_the_caller_may_not(finder: Finder) -> None:
    everything = caller("user/*.rs")
    blind = caller("user/Observation.rs")
    assert finder.found("Observation", "patient.name=own", everything) == {"mine", "vitals"}
    assert finder.found("Observation", "patient.name=own", blind) == set()
    assert finder.found("Observation", "patient.name:missing=false", blind) == set()
    assert finder.found("Patient", "_has:Observation:patient:code=718-7", everything) == {"p", "q"}
    assert finder.found("Patient", "_has:Observation:patient:code=718-7", caller("user/Patient.rs")) == set()
    own = caller("user/Patient.rs patient/Observation.rs", "p")
    assert finder.found("Patient", "_has:Observation:patient:status=final", own) == {"p", "q"}
    assert finder.found("Patient", "_has:Observation:patient:_id=theirs", own) == set()
    assert (
        finder.found("Observation", "performer:Patient.name=own", caller("user/Observation.rs patient/Patient.r", "q"))
        == set()
    )


def test_conditional_matching_sees_only_what_may_be_found(finder: Finder) -> None:
    assert finder.matching("Observation", "code=718-7&patient=q", caller("patient/*.rs", "p")) == ["performed"]


def reads(finder: Finder, who: Caller, resource_type: str) -> set[str]:
    """The ids of the type that the access condition lets through."""
    with finder.services.database.read() as connection:
        unit = Unit(connection, who, finder.services)
        condition = access_condition(unit, resource_type, "r", resource.c.pk)
        query = resource.select().where(resource.c.type == resource_type)
        rows = connection.execute(query if condition is None else query.where(condition))
        return {row.id for row in rows}


def test_the_access_condition_holds_for_any_statement(finder: Finder) -> None:
    assert reads(finder, caller("user/*.r"), "Observation") == {"mine", "vitals", "performed", "theirs"}
    assert reads(finder, caller("patient/*.r", "p"), "Observation") == {"mine", "vitals", "performed"}
    assert reads(finder, caller("patient/*.r", "nobody"), "Observation") == set()
    with pytest.raises(Forbidden):
        reads(finder, caller("patient/*.s", "p"), "Observation")


@pytest.mark.parametrize(
    ("scopes", "document", "allowed"),
    [
        ("user/*.c", observation("n", "q"), True),
        ("patient/*.c", observation("n", "p"), True),
        ("patient/*.c", observation("n", "q"), False),
        ("patient/*.c", observation("n", "q", performer=[{"reference": "Patient/p"}]), True),
        ("patient/*.c", patient("p"), True),
        ("patient/*.c", patient("q"), False),
        ("patient/*.c", {"resourceType": "Practitioner", "id": "x"}, False),
        ("user/Observation.c?category=laboratory", observation("n", "p"), True),
        ("user/Observation.c?category=laboratory", observation("n", "p", category=VITALS), False),
        ("user/Observation.c?patient.name=own", observation("n", "p"), False),
        ("user/Patient.c", observation("n", "p"), False),
    ],
)
def test_content_to_be_written_is_judged_before_it_is_stored(
    sqlite_services: Services, scopes: str, document: Resource, allowed: bool
) -> None:
    with sqlite_services.database.read() as connection:
        unit: Any = Unit(connection, caller(scopes, "p"), sqlite_services)
        assert permits(unit, document, "c") is allowed
