"""Patient/$match. https://hl7.org/fhir/R4/patient-operation-match.html"""

from typing import Any

import pytest

from tests.support.api import Api, Json

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
MRN = "http://hospital.example/mrn"


def person(family: str, given: str, born: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "name": [{"family": family, "given": [given]}], "birthDate": born, **more}


def asked(api: Api, resource: Json, **more: Json) -> list[tuple[str, str]]:
    parameters = [
        {"name": "resource", "resource": resource},
        *({"name": name, **value} for name, value in more.items()),
    ]
    response = api.post("/Patient/$match", {"resourceType": "Parameters", "parameter": parameters})
    assert response.status_code == 200, response.text
    bundle = response.json()
    assert [issue for issue in api.services.validator.check(bundle, "Bundle") if issue.severity == "error"] == []
    entries = [entry for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
    scores = [entry["search"]["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    for entry in entries:
        assert entry["search"]["extension"][0]["url"] == GRADE
    return [(entry["resource"]["id"], entry["search"]["extension"][0]["valueCode"]) for entry in entries]


@pytest.fixture
def people(api: Api) -> Api:
    for name, body in {
        "anna": person("Müller", "Anna", "1970-03-05", identifier=[{"system": MRN, "value": "1"}]),
        "anne": person("Mueller", "Anne", "1970-03-05"),
        "hanna": person("Müller", "Hanna", "1954-11-30"),
        "merged": person(
            "Müller", "Anna", "1970-03-05", link=[{"other": {"reference": "Patient/anna"}, "type": "replaced-by"}]
        ),
        "zoe": person("Zander", "Zoe", "2001-01-01"),
    }.items():
        assert api.put(f"/Patient/{name}", body | {"id": name}).status_code == 201
    return api


def test_the_likeliest_comes_first_and_strangers_and_merged_patients_do_not_come(people: Api) -> None:
    found = asked(people, person("Müller", "Anna", "1970-03-05"))
    assert found == [("anna", "certain"), ("anne", "probable"), ("hanna", "possible")]


def test_the_resource_alone_may_be_the_body(people: Api) -> None:
    response = people.post("/Patient/$match", person("Zander", "Zoe", "2001-01-01"))
    assert [entry["resource"]["id"] for entry in response.json()["entry"]] == ["zoe"]


def test_an_identifier_finds_whatever_the_name(people: Api) -> None:
    by_number = {"resourceType": "Patient", "identifier": [{"system": MRN, "value": "1"}]}
    assert asked(people, by_number) == [("anna", "certain")]


def test_only_certain_matches_gives_one_or_none(people: Api) -> None:
    only = {"valueBoolean": True}
    assert asked(people, person("Müller", "Anna", "1970-03-05"), onlyCertainMatches=only) == [("anna", "certain")]
    assert asked(people, person("Müller", "Hanne", "1970"), onlyCertainMatches=only) == []
    twin = person("Müller", "Anna", "1970-03-05", id="twin")
    people.put("/Patient/twin", twin)
    body = {"name": "resource", "resource": person("Müller", "Anna", "1970-03-05")}
    flag = {"name": "onlyCertainMatches", **only}
    answer = people.post("/Patient/$match", {"resourceType": "Parameters", "parameter": [body, flag]}).json()
    [entry] = answer["entry"]
    assert (answer["total"], entry["search"]["mode"]) == (0, "outcome")
    assert entry["resource"]["issue"][0]["code"] == "multiple-matches"


def test_count_bounds_the_answer_and_not_the_total(people: Api) -> None:
    assert len(asked(people, person("Müller", "Anna", "1970-03-05"), count={"valueInteger": 1})) == 1


def test_nobody_matches_whom_the_caller_may_not_find(people: Api) -> None:
    mine = people.scoped("patient/Patient.rs", patient="hanna")
    assert asked(mine, person("Müller", "Anna", "1970-03-05")) == [("hanna", "possible")]
    assert people.scoped("user/Observation.rs").post("/Patient/$match", person("A", "B", "1970")).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Observation"},
        {"resourceType": "Parameters"},
        {"resourceType": "Patient", "birthDate": "yesterday"},
        {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {"resourceType": "Group"}}]},
    ],
)
def test_what_is_no_patient_is_refused(people: Api, body: Json) -> None:
    assert people.post("/Patient/$match", body).status_code == 400
