"""Observation/$lastn. https://hl7.org/fhir/R4/observation-operation-lastn.html"""

from typing import Any

import pytest

from tests.support.api import Api, Json, patient

LOINC, LOCAL = "http://loinc.org", "http://lab.example/codes"
LAB = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}]


def result(api: Api, resource_id: str, day: str, *codes: tuple[str, str], subject: str = "a", **more: Any) -> None:
    code: Json = {"coding": [{"system": system, "code": code} for system, code in codes]} if codes else {"text": "Mood"}
    body = {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": code,
        "category": LAB,
        "subject": {"reference": f"Patient/{subject}"},
        **({"effectiveDateTime": day} if day else {}),
        **more,
    }
    assert api.put(f"/Observation/{resource_id}", body).status_code == 201


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [entry["resource"]["id"] for entry in response.json().get("entry", []) if entry["search"]["mode"] == "match"]


@pytest.fixture
def results(api: Api) -> Api:
    api.put("/Patient/a", patient("a"))
    api.put("/Patient/b", patient("b"))
    result(api, "na1", "2026-01-01", (LOINC, "2951-2"))
    result(api, "na2", "2026-02-01", (LOINC, "2951-2"))
    result(api, "na3", "2026-03-01", (LOINC, "2951-2"))
    result(api, "k1", "2026-01-15", (LOINC, "2823-3"))
    result(api, "k2", "2026-02-15", (LOINC, "2823-3"))
    result(api, "other", "2026-04-01", (LOINC, "2951-2"), subject="b")
    return api


def test_the_newest_of_each_code_comes_first(results: Api) -> None:
    found = results.get("/Observation/$lastn?patient=a&category=laboratory")
    assert ids(found) == ["na3", "k2"]
    assert (found.json()["type"], found.json()["total"]) == ("searchset", 2)
    assert found.json()["entry"][0]["search"] == {"mode": "match"}


def test_max_asks_for_more_of_each(results: Api) -> None:
    assert ids(results.get("/Observation/$lastn?max=2&subject=Patient/a")) == ["na3", "na2", "k2", "k1"]
    assert ids(results.get("/Observation/$lastn?max=3&patient=a&code=2951-2")) == ["na3", "na2", "na1"]


def test_search_parameters_narrow_it_down_first(results: Api) -> None:
    assert ids(results.get("/Observation/$lastn?patient=a&date=lt2026-02-10")) == ["na2", "k1"]


def test_codes_that_are_used_together_are_one_kind(results: Api) -> None:
    # `old` says that the two codes mean the same, though it is not among the newest itself.
    result(results, "old", "2020-01-01", (LOINC, "718-7"), (LOCAL, "HB"))
    result(results, "loinc", "2026-05-01", (LOINC, "718-7"))
    result(results, "local", "2026-05-02", (LOCAL, "HB"))
    assert ids(results.get("/Observation/$lastn?patient=a")) == ["local", "na3", "k2"]
    assert ids(results.get("/Observation/$lastn?patient=a&max=2"))[:2] == ["local", "loinc"]


def test_results_without_a_coding_go_by_their_text_and_without_a_date_come_last(results: Api) -> None:
    result(results, "mood1", "2026-03-02")
    result(results, "mood2", "")
    result(results, "undated", "", (LOINC, "1-8"))
    assert ids(results.get("/Observation/$lastn?patient=a&max=5")) == [
        *("mood1", "mood2", "na3", "na2", "na1", "k2", "k1", "undated")
    ]


def test_includes_work_as_in_a_search(results: Api) -> None:
    found = results.get("/Observation/$lastn?patient=a&code=2823-3&_include=Observation:subject").json()
    assert [(entry["resource"]["id"], entry["search"]["mode"]) for entry in found["entry"]] == [
        ("k2", "match"),
        ("a", "include"),
    ]


def test_it_can_be_posted_with_parameters(results: Api) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "max", "valuePositiveInt": 2}]}
    assert ids(results.post("/Observation/$lastn?patient=a&code=2823-3", body)) == ["k2", "k1"]
    body["parameter"] += [{"name": "patient", "valueString": "a"}, {"name": "code", "valueString": "2823-3"}]
    assert ids(results.post("/Observation/$lastn", body)) == ["k2", "k1"]


def test_a_patient_sees_only_the_own_results(results: Api) -> None:
    mine = results.scoped("patient/Observation.rs", patient="b")
    assert ids(mine.get("/Observation/$lastn?category=laboratory")) == ["other"]
    assert results.scoped("user/Patient.rs").get("/Observation/$lastn?patient=a").status_code == 403


@pytest.mark.parametrize(
    "query", ["", "?max=2", "?status=final", "?patient=a&max=0", "?patient=a&_sort=date", "?patient=a&nothing=1"]
)
def test_what_cannot_be_answered_is_refused(results: Api, query: str) -> None:
    assert results.get(f"/Observation/$lastn{query}").status_code == 400


def test_a_count_alone_has_no_entries(results: Api) -> None:
    found = results.get("/Observation/$lastn?patient=a&_include=Observation:subject&_summary=count").json()
    assert (found["total"], found.get("entry", [])) == (2, [])


def test_the_self_link_keeps_the_format(results: Api) -> None:
    link = results.get("/Observation/$lastn?patient=a&_format=json").json()["link"][0]
    assert (link["relation"], link["url"].partition("$")[2]) == ("self", "lastn?patient=a&_format=json")


@pytest.mark.parametrize("number", [0, -1])
def test_max_in_a_body_is_judged_as_in_the_url(results: Api, number: int) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "max", "valueInteger": number}]}
    response = results.post("/Observation/$lastn?patient=a", body)
    assert response.status_code == 400
    assert response.json()["issue"][0]["expression"] == ["Parameters.parameter[0].valueInteger"]
    assert results.get(f"/Observation/$lastn?patient=a&max={number}").status_code == 400
