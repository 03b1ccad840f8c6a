"""Patient/$everything and Encounter/$everything. https://hl7.org/fhir/R4/patient-operation-everything.html"""

from typing import Any

import pytest

from tests.support.api import Api, Json, links, observation, patient


def shown(response: Any, mode: str = "match") -> list[str]:
    assert response.status_code == 200, response.text
    entries = response.json().get("entry", [])
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries if e["search"]["mode"] == mode]


@pytest.fixture
def record(api: Api) -> Api:
    """Patient a with an encounter, three results (one old, one undated), an order; Patient b with a result."""
    stored: list[Json] = [
        {"resourceType": "Organization", "id": "org", "name": "Ward"},
        {"resourceType": "Practitioner", "id": "dr"},
        patient("a", managingOrganization={"reference": "Organization/org"}),
        patient("b"),
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/a"},
            "period": {"start": "2026-03-01", "end": "2026-03-02"},
        },
        observation("Patient/a", id="o1", effectiveDateTime="2020-01-01"),
        observation(
            "Patient/a",
            id="o2",
            effectiveDateTime="2026-03-01",
            encounter={"reference": "Encounter/e"},
            performer=[{"reference": "Practitioner/dr"}],
        ),
        observation("Patient/a", id="o3"),
        observation("Patient/b", id="ob", effectiveDateTime="2026-03-01"),
        {
            "resourceType": "ServiceRequest",
            "id": "s",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/a"},
            "authoredOn": "2026-02-28",
        },
    ]
    for body in stored:
        assert api.put(f"/{body['resourceType']}/{body['id']}", body).status_code == 201, body
    return api


OWN = ["Patient/a", "Encounter/e", "Observation/o1", "Observation/o2", "Observation/o3", "ServiceRequest/s"]


def test_it_is_the_compartment_and_what_that_refers_to(record: Api) -> None:
    found = record.get("/Patient/a/$everything")
    assert sorted(shown(found)) == sorted(OWN)
    assert sorted(shown(found, "include")) == ["Organization/org", "Practitioner/dr"]
    assert (found.json()["type"], found.json()["total"]) == ("searchset", len(OWN))
    assert sorted(shown(record.post("/Patient/a/$everything"))) == sorted(OWN)


def test_pages_lead_through_all_of_it_once(record: Api) -> None:
    seen, url = [], "/Patient/a/$everything?_count=2&start=2000"
    while url:
        page = record.get(url)
        assert len(shown(page)) <= 2
        seen += shown(page)
        url = links(page.json()).get("next", "")
        assert not url or "/Patient/a/$everything?" in url
    assert sorted(seen) == sorted(OWN)
    assert len(seen) == len(OWN)


def test_dates_of_care_bound_it_and_leave_in_what_has_none(record: Api) -> None:
    found = shown(record.get("/Patient/a/$everything?start=2026-03-01&end=2026-03-31"))
    assert sorted(found) == sorted(["Patient/a", "Encounter/e", "Observation/o2", "Observation/o3"])


def test_types_and_time_of_update_bound_it(record: Api) -> None:
    assert sorted(shown(record.get("/Patient/a/$everything?_type=Patient,Observation"))) == sorted(
        name for name in OWN if name.split("/")[0] in ("Patient", "Observation")
    )
    only = record.get("/Patient/a/$everything?_type=Observation&_type=Practitioner")
    assert (len(shown(only)), shown(only, "include")) == (3, ["Practitioner/dr"])
    beyond = record.get("/Patient/a/$everything?_type=Organization")
    assert (shown(beyond), shown(beyond, "include")) == ([], ["Organization/org"])
    updated = record.get("/Observation/o3").json()["meta"]["lastUpdated"]
    since = shown(record.get(f"/Patient/a/$everything?_since={updated}"))
    assert "Observation/o3" in since
    assert "Observation/o1" not in since
    assert shown(record.get("/Patient/a/$everything?_since=2999-01-01T00:00:00Z")) == []


def test_without_an_id_it_is_of_all_patients(record: Api) -> None:
    found = record.get("/Patient/$everything")
    assert sorted(shown(found)) == sorted([*OWN, "Patient/b", "Observation/ob"])
    assert sorted(shown(found, "include")) == ["Organization/org", "Practitioner/dr"]


def test_the_record_of_an_encounter(record: Api) -> None:
    found = record.get("/Encounter/e/$everything")
    assert sorted(shown(found)) == ["Encounter/e", "Observation/o2"]
    assert sorted(shown(found, "include")) == ["Patient/a", "Practitioner/dr"]
    assert record.get("/Encounter/e/$everything?start=2020").status_code == 400


def test_a_patient_gets_the_own_record_and_no_other(record: Api) -> None:
    mine = record.scoped("patient/*.rs", patient="a")
    assert sorted(shown(mine.get("/Patient/a/$everything"))) == sorted(OWN)
    assert mine.get("/Patient/b/$everything").status_code == 403
    assert sorted(shown(mine.get("/Patient/$everything"))) == sorted(OWN)
    some = record.scoped("patient/Patient.rs patient/Observation.rs", patient="a")
    assert {name.split("/")[0] for name in shown(some.get("/Patient/a/$everything"))} == {"Patient", "Observation"}


def test_a_merged_patient_points_to_the_one_that_goes_on(record: Api) -> None:
    parts = [
        {"name": f"{role}-patient", "valueReference": {"reference": f"Patient/{name}"}}
        for role, name in (("source", "b"), ("target", "a"))
    ]
    record.post("/Patient/$merge", {"resourceType": "Parameters", "parameter": parts})
    refused = record.get("/Patient/b/$everything")
    assert refused.status_code == 400
    assert "Patient/a/$everything" in refused.text
    assert "Observation/ob" in shown(record.get("/Patient/a/$everything"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Patient/none/$everything", 404),
        ("/Patient/a/$everything?start=soon", 400),
        ("/Patient/a/$everything?_type=Nothing", 400),
        ("/Patient/a/$everything?_since=x", 400),
        ("/Patient/a/$everything?_count=-1", 400),
        ("/Patient/a/$everything?_page=x", 400),
        ("/Patient/a/$everything?name=x", 400),
        ("/Observation/o1/$everything", 404),
    ],
)
def test_what_cannot_be_answered_is_refused(record: Api, path: str, status: int) -> None:
    assert record.get(path).status_code == status


@pytest.mark.parametrize("name", ["start", "end", "_since"])
def test_a_date_that_is_none_is_refused_under_its_own_name(api: Api, name: str) -> None:
    api.put("/Patient/p", patient("p"))
    response = api.get(f"/Patient/p/$everything?{name}=ge2026")
    assert response.status_code == 400
    (issue,) = response.json()["issue"]
    assert issue["expression"] == [f"http.{name}"]
    assert issue["details"]["text"].startswith(f"{name} 'ge2026' is not a date")
