"""Searches that look wider than one type: at several types, at all of them, and at compartments."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_lab.outcomes import BadRequest, Forbidden
from fhir_lab.search.run import SearchPage, search
from fhir_lab.search.scope import Where
from fhir_lab.security.access import Caller, system
from fhir_lab.services import Services
from fhir_lab.storage.unit import Unit
from tests.support.finding import LOINC, Finder, caller, observation, patient

EVERYWHERE = Where()


def resource(resource_type: str, resource_id: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": resource_type, "id": resource_id, **elements}


@pytest.fixture
def finder(services: Services) -> Finder:
    found = Finder(services)
    tagged = {"meta": {"tag": [{"system": "urn:t", "code": "x"}]}}
    found.put(
        patient("p1", **tagged, birthDate="1980-01-01"),
        patient("p2", link=[{"other": {"reference": "Patient/p1"}, "type": "seealso"}]),
        resource("Practitioner", "d1", **tagged),
        resource("Device", "m1", patient={"reference": "Patient/p1"}),
        resource(
            "Encounter", "e1", status="finished", **{"class": {"code": "AMB"}}, subject={"reference": "Patient/p1"}
        ),
        resource("RelatedPerson", "r1", patient={"reference": "Patient/p1"}, name=[{"family": "Miller"}], active=True),
    )
    found.put(
        observation(
            "o1",
            "p1",
            effectiveDateTime="2026-01-02",
            encounter={"reference": "Encounter/e1"},
            performer=[{"reference": "Practitioner/d1"}],
            device={"reference": "Device/m1"},
            **tagged,
        ),
        observation("o2", "p2", effectiveDateTime="2026-01-04"),
        resource(
            "DiagnosticReport",
            "g1",
            status="final",
            code={"coding": [{"system": LOINC, "code": "58410-2"}]},
            subject={"reference": "Patient/p1"},
            effectiveDateTime="2026-01-03",
            result=[{"reference": "Observation/o1"}],
        ),
        resource("Task", "t1", status="draft", intent="order", **{"for": {"reference": "Patient/p1"}}),
    )
    return found


def page(finder: Finder, where: Where, query: str = "", who: Caller | None = None, lenient: bool = False) -> SearchPage:
    with finder.services.database.read() as connection:
        unit = Unit(connection, who or system("test"), finder.services)
        return search(unit, where, parse_qsl(query, keep_blank_values=True), lenient=lenient)


def names(found: SearchPage) -> list[str]:
    return [f"{version.type}/{version.id}" for version in found.matches]


def found(finder: Finder, where: Where, query: str = "", who: Caller | None = None) -> set[str]:
    """All matches; fails if one is given twice or the total differs."""
    result = page(finder, where, f"{query}&_count=1000", who)
    assert len(set(names(result))) == len(names(result)) == result.total
    return set(names(result))


ALL = {
    *("Patient/p1", "Patient/p2", "Practitioner/d1", "Device/m1", "Encounter/e1", "RelatedPerson/r1"),
    *("Observation/o1", "Observation/o2", "DiagnosticReport/g1", "Task/t1"),
}


def test_without_types_everything_is_searched(finder: Finder) -> None:
    assert found(finder, EVERYWHERE) == ALL
    assert found(finder, EVERYWHERE, "_tag=urn:t|x") == {"Patient/p1", "Practitioner/d1", "Observation/o1"}
    assert found(finder, EVERYWHERE, "_id=p1,o2,no") == {"Patient/p1", "Observation/o2"}
    assert found(finder, EVERYWHERE, "_lastUpdated=gt2100") == set()


def test_types_are_searched_together_by_what_all_of_them_have(finder: Finder) -> None:
    both = "_type=Observation,DiagnosticReport"
    assert found(finder, EVERYWHERE, both) == {"Observation/o1", "Observation/o2", "DiagnosticReport/g1"}
    assert found(finder, EVERYWHERE, f"{both}&patient=p1") == {"Observation/o1", "DiagnosticReport/g1"}
    assert found(finder, EVERYWHERE, f"{both}&date=ge2026-01-03") == {"Observation/o2", "DiagnosticReport/g1"}
    assert found(finder, EVERYWHERE, f"{both}&code={LOINC}|58410-2") == {"DiagnosticReport/g1"}
    assert found(finder, EVERYWHERE, f"{both}&patient.birthdate=1980") == {"Observation/o1", "DiagnosticReport/g1"}
    assert found(finder, EVERYWHERE, "_type=Patient&birthdate=1980") == {"Patient/p1"}


def test_a_parameter_that_one_of_the_types_lacks_is_refused_or_left_out_for_all(finder: Finder) -> None:
    with pytest.raises(BadRequest, match=r"'specimen' is not a search parameter of each of Observation, Patient"):
        page(finder, EVERYWHERE, "_type=Observation,Patient&specimen=1")
    with pytest.raises(BadRequest, match=r"'birthdate' is not a search parameter of every type.*_type names"):
        page(finder, EVERYWHERE, "birthdate=1980")
    lenient = page(finder, EVERYWHERE, "_type=Observation,Patient&birthdate=1980&_tag=x", lenient=True)
    assert set(names(lenient)) == {"Observation/o1", "Patient/p1"}
    assert "birthdate" not in lenient.self_query
    assert [issue.severity for issue in lenient.outcomes] == ["warning"]


def test_a_chain_that_leads_nowhere_for_one_of_the_types_is_left_out_for_all(finder: Finder) -> None:
    query = "_type=Encounter,Observation&subject.birthdate=1980&based-on.nonsense=1"
    lenient = page(finder, EVERYWHERE, query, lenient=True)
    assert set(names(lenient)) == {"Observation/o1", "Encounter/e1"}
    assert lenient.self_query == "_type=Encounter%2CObservation&subject.birthdate=1980"


def test_unknown_types_are_refused_with_the_nearest_name(finder: Finder) -> None:
    with pytest.raises(BadRequest, match=r"'Observaton' is not a resource type.*Did you mean 'Observation'"):
        page(finder, EVERYWHERE, "_type=Observaton")
    with pytest.raises(BadRequest, match="is not Patient, the type that is searched"):
        page(finder, Where("Patient"), "_type=Patient,Observation")
    assert found(finder, Where("Patient"), "_type=Patient") == {"Patient/p1", "Patient/p2"}


@pytest.mark.parametrize("sort", ["_id", "-_id", "_lastUpdated,-_id", "-date,_id", "status,date", "patient,-date", ""])
def test_pages_of_several_types_meet_each_match_once_in_order_and_back(finder: Finder, sort: str) -> None:
    query = f"_type=Observation,DiagnosticReport&_sort={sort}"
    whole = names(page(finder, EVERYWHERE, query))
    assert len(whole) == 3
    walked, at = [], f"{query}&_count=1"
    while at:
        last = page(finder, EVERYWHERE, at)
        walked += names(last)
        at = last.next_query or ""
    assert walked == whole
    assert last.previous_query is not None
    assert names(page(finder, EVERYWHERE, last.previous_query)) == [whole[1]]
    expected = {
        "_id": ["DiagnosticReport/g1", "Observation/o1", "Observation/o2"],
        "-date,_id": ["Observation/o2", "DiagnosticReport/g1", "Observation/o1"],
        "patient,-date": ["DiagnosticReport/g1", "Observation/o1", "Observation/o2"],
    }
    assert expected.get(sort, whole) == whole


def test_sort_keys_that_do_not_compare_are_refused(finder: Finder) -> None:
    with pytest.raises(BadRequest, match="'birthdate' does not sort Patient, Person together"):
        page(finder, EVERYWHERE, "_type=Patient,Person&_sort=birthdate")
    assert names(page(finder, EVERYWHERE, "_type=Patient,Practitioner&_sort=active,_id"))[0] == "Practitioner/d1"


def test_totals_and_counts_are_of_all_types(finder: Finder) -> None:
    assert page(finder, EVERYWHERE, "_summary=count").total == len(ALL)
    assert page(finder, EVERYWHERE, "_count=0&_type=Patient,Observation").total == 4
    first = page(finder, EVERYWHERE, "_count=2")
    assert (len(first.matches), first.total) == (2, len(ALL))
    assert page(finder, EVERYWHERE, "_count=2&_total=none").total is None


def test_includes_go_from_every_type(finder: Finder) -> None:
    result = page(finder, EVERYWHERE, "_type=DiagnosticReport,Encounter&_include=*")
    assert {version.id for version in result.included} == {"p1", "o1"}
    result = page(finder, EVERYWHERE, "_type=Patient&_id=p1&_revinclude=Observation:subject&_revinclude=Task:patient")
    assert {version.id for version in result.included} == {"o1", "t1"}


def test_types_beyond_the_scopes_are_left_out_or_refused_when_named(finder: Finder) -> None:
    who = caller("user/Observation.rs user/Patient.r user/Device.rs")
    assert found(finder, EVERYWHERE, "", who) == {"Observation/o1", "Observation/o2", "Device/m1"}
    with pytest.raises(Forbidden):
        page(finder, EVERYWHERE, "_type=Observation,Patient", who)
    with pytest.raises(Forbidden):
        page(finder, EVERYWHERE, "", caller("user/Patient.r"))
    granular = caller("user/Observation.rs?date=2026-01-02 user/Patient.rs?_id=p2")
    assert found(finder, EVERYWHERE, "", granular) == {"Observation/o1", "Patient/p2"}


def test_a_patient_finds_only_what_is_theirs(finder: Finder) -> None:
    who = caller("patient/*.rs", patient="p1")
    theirs = ALL - {"Observation/o2"}  # p2 links to p1, so R4 puts it in the compartment
    assert found(finder, EVERYWHERE, "", who) == theirs
    assert found(finder, EVERYWHERE, "_type=Observation", who) == {"Observation/o1"}
    assert found(finder, Where("", "Patient", "p2"), "", who) == {"Patient/p2"}
    assert found(finder, Where("Observation", "Patient", "p2"), "", who) == set()


MEMBERS = {
    ("Patient", "p1"): {
        *("Patient/p1", "Patient/p2", "Encounter/e1", "RelatedPerson/r1", "Observation/o1", "DiagnosticReport/g1"),
    },
    ("Encounter", "e1"): {"Encounter/e1", "Observation/o1"},
    ("Practitioner", "d1"): {"Practitioner/d1", "Observation/o1"},
    ("Device", "m1"): {"Device/m1", "Observation/o1"},
    ("RelatedPerson", "r1"): {"RelatedPerson/r1"},
    ("Patient", "no-such"): set(),
}


@pytest.mark.parametrize(("compartment", "resource_id"), MEMBERS)
def test_each_compartment_holds_what_r4_says(finder: Finder, compartment: str, resource_id: str) -> None:
    expected = MEMBERS[compartment, resource_id]
    assert found(finder, Where("", compartment, resource_id)) == expected
    of_type = {name for name in expected if name.startswith("Observation/")}
    assert found(finder, Where("Observation", compartment, resource_id)) == of_type


def test_criteria_hold_inside_of_a_compartment(finder: Finder) -> None:
    assert found(finder, Where("Observation", "Patient", "p1"), "date=2026-01-02") == {"Observation/o1"}
    assert found(finder, Where("Observation", "Patient", "p1"), "date=2026-01-04") == set()
    assert found(finder, Where("", "Patient", "p1"), "_tag=x") == {"Patient/p1", "Observation/o1"}
    assert found(finder, Where("", "Patient", "p1"), "_type=Encounter,Patient") == {
        *("Encounter/e1", "Patient/p1", "Patient/p2")
    }


def test_what_is_no_compartment_or_no_member_is_refused_with_what_there_is(finder: Finder) -> None:
    with pytest.raises(BadRequest, match=r"Task is not in the compartment of a Patient.*Observation"):
        page(finder, Where("Task", "Patient", "p1"))
    with pytest.raises(BadRequest, match="Task is not in the compartment"):
        page(finder, Where("", "Patient", "p1"), "_type=Task")
    with pytest.raises(BadRequest, match="Observation is not a compartment; those of R4 are Device, Encounter"):
        page(finder, Where("Patient", "Observation", "o1"))


def test_a_page_link_belongs_to_its_compartment(finder: Finder) -> None:
    link = page(finder, Where("", "Patient", "p1"), "_count=1").next_query or ""
    assert len(page(finder, Where("", "Patient", "p1"), link).matches) == 1
    for elsewhere in (EVERYWHERE, Where("", "Patient", "p2"), Where("Observation", "Patient", "p1")):
        with pytest.raises(BadRequest, match="page link"):
            page(finder, elsewhere, link)


def test_an_empty_server_has_no_match_and_no_error(services: Services) -> None:
    assert page(Finder(services), EVERYWHERE, "_tag=x").total == 0
