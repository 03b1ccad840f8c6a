"""A second patient, the canary: nothing of theirs may reach a token that is launched for somebody else."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json

CANARY, MINE = "CANARY", "MINE"
TYPES = ("Patient", "Observation", "DiagnosticReport", "ServiceRequest", "Specimen", "Condition", "Provenance", "Task")
SCOPES = ("patient/*.cruds", "patient/*.read", "patient/Observation.rs patient/Patient.r")
SEARCHES = (
    *("Patient?name=CANARY", "Patient?_id=canary", "Patient?birthdate=1980-01-02", "Observation?patient=canary"),
    *("Observation?subject:Patient.name=CANARY", "Observation?patient.birthdate=1980-01-02"),
    *(
        "Observation?value-string=CANARY",
        "Observation?has-member.value-string=CANARY",
        "Observation?has-member.patient=canary",
    ),
    *("DiagnosticReport?result.value-string=CANARY", "DiagnosticReport?result:Observation.patient=canary"),
    *("Patient?_has:Observation:subject:value-string=CANARY", "Specimen?_has:Observation:specimen:value-string=CANARY"),
    *(
        "Practitioner?_has:Observation:performer:value-string=CANARY",
        "Practitioner?_has:Patient:general-practitioner:name=CANARY",
    ),
    *("Practitioner?_has:Observation:performer:_has:DiagnosticReport:result:patient=canary",),
    *("Practitioner?_has:Patient:general-practitioner:birthdate=1980-01-02",),
)
WIDE = "_include=*&_revinclude=*&_include:iterate=*&_revinclude:iterate=*"


def world(patient_id: str, mark: str, birth: str) -> list[Json]:
    """One of everything for a patient; `mark` is in each."""
    subject = {"subject": {"reference": f"Patient/{patient_id}"}}
    concept = {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": mark}
    doctor = {"reference": "Practitioner/doctor"}
    result = {"reference": f"Observation/{patient_id}"}
    found: list[Json] = [
        {"resourceType": "Patient", "name": [{"family": mark}], "birthDate": birth, "generalPractitioner": [doctor]},
        {"resourceType": "Specimen", "identifier": [{"value": mark}], **subject},
        {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": concept, **subject},
        {
            "resourceType": "Observation",
            "status": "final",
            "code": concept,
            "valueString": mark,
            "performer": [doctor],
            "specimen": {"reference": f"Specimen/{patient_id}"},
            **subject,
        },
        {"resourceType": "DiagnosticReport", "status": "final", "code": concept, "result": [result], **subject},
        {"resourceType": "Condition", "code": concept, **subject},
        {"resourceType": "Task", "status": "draft", "intent": "order", "description": mark, "for": subject["subject"]},
        {
            "resourceType": "Provenance",
            "recorded": "2020-01-01T00:00:00Z",
            "target": [subject["subject"], result],
            "agent": [{"who": {"display": mark}}],
        },
    ]
    return [{**each, "id": patient_id} for each in found]


@pytest.fixture
def api(services: Services) -> Api:
    """Two patients; `moved` was the canary's first, `dead` was deleted, and one of mine refers to one of theirs."""
    found = Api(services)
    found.put("/Practitioner/doctor", {"resourceType": "Practitioner", "id": "doctor"})
    for each in (*world("canary", CANARY, "1980-01-02"), *world("me", MINE, "1980-01-01")):
        assert found.put(f"/{each['resourceType']}/{each['id']}", each).status_code == 201
    for number, (resource_id, subject, mark) in enumerate(
        (("moved", "canary", CANARY), ("moved", "me", MINE), ("dead", "canary", CANARY), ("mixed", "me", MINE))
    ):
        body = result(
            resource_id, subject, mark, **({"hasMember": [{"reference": "Observation/canary"}]} if number == 3 else {})
        )
        assert found.put(f"/Observation/{resource_id}", body).status_code in (200, 201)
    assert found.delete("/Observation/dead").status_code == 200
    return found


def result(resource_id: str, subject: str, mark: str, **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": {"text": mark},
        "subject": {"reference": f"Patient/{subject}"},
        **more,
    }


def resources(found: Any) -> list[Json]:
    """The resources in an answer, those in Bundles and answers to entries among them."""
    if not isinstance(found, dict) or found.get("resourceType") != "Bundle":
        return [found] if isinstance(found, dict) and found.get("resourceType") != "OperationOutcome" else []
    return [inner for entry in found.get("entry", []) for inner in resources(entry.get("resource"))]


def betrayed(found: Any) -> list[str]:
    """What of an answer is the canary's."""
    return [json.dumps(each) for each in resources(found) if CANARY in json.dumps(each) or each.get("id") == "canary"]


@pytest.mark.parametrize("scopes", SCOPES)
def test_nothing_of_another_patient_can_be_read(api: Api, scopes: str) -> None:
    me = api.scoped(scopes, patient="me")
    paths = [f"/{name}/canary{rest}" for name in TYPES for rest in ("", "/_history", "/_history/1", "?_summary=true")]
    paths += [f"/Observation/{which}{rest}" for which in ("moved", "dead") for rest in ("/_history", "/_history/1")]
    paths += [f"/{name}{rest}" for name in TYPES for rest in ("", "/_history", f"?{WIDE}", "?_sort=-_lastUpdated")]
    paths += [f"/Practitioner?{WIDE}", "/_history"]
    for path in paths:
        assert betrayed(me.get(path).json()) == [], path
    entries = [{"request": {"method": "GET", "url": path.lstrip("/")}} for path in paths]
    answered = me.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    assert len(answered["entry"]) == len(entries)
    assert betrayed(answered) == []
    for entry in entries:
        answered = me.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).json()
        assert betrayed(answered) == [], entry


@pytest.mark.parametrize("scopes", SCOPES)
def test_no_search_tells_that_another_patient_exists(api: Api, scopes: str) -> None:
    me = api.scoped(scopes, patient="me")
    for search in SEARCHES:
        assert api.get(f"/{search}").json()["total"] > 0, search
        answered = me.get(f"/{search}")
        assert answered.status_code == 403 or answered.json()["total"] == 0, search


def test_a_revived_id_does_not_open_what_another_patient_had_under_it(api: Api) -> None:
    me = api.scoped("patient/*.cruds", patient="me")
    assert me.put("/Observation/dead", result("dead", "me", MINE)).status_code == 201
    assert me.get("/Observation/dead/_history/1").status_code == 403
    versions = [entry["resource"]["meta"]["versionId"] for entry in _entries(me, "dead") if "resource" in entry]
    assert versions == ["3"]
    assert [len(_entries(api, "dead")), len(_entries(api, "moved"))] == [3, 2]


def _entries(who: Api, resource_id: str) -> list[Json]:
    found: list[Json] = who.get(f"/Observation/{resource_id}/_history").json()["entry"]
    return found


@pytest.mark.parametrize("query", ["name=CANARY", "_id=canary", "birthdate=1980-01-02"])
def test_no_condition_reaches_another_patient(api: Api, query: str) -> None:
    me = api.scoped("patient/*.cruds", patient="me")
    body = {"resourceType": "Patient", "active": True}
    assert me.post("/Patient", body, If_None_Exist=query).status_code == 403
    assert me.put(f"/Patient?{query}", body).status_code == 403
    assert me.delete(f"/Patient?{query}").json()["issue"][0]["severity"] == "information"
    reference = result("new", "me", MINE, performer=[{"reference": f"Patient?{query}"}])
    entry = {"request": {"method": "PUT", "url": "Observation/new"}, "resource": reference}
    refused = me.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert refused.status_code == 422
    assert api.get("/Patient/canary").headers["etag"] == 'W/"1"'


@pytest.mark.parametrize(("resource_id", "subject"), [("canary", "me"), ("me", "canary"), ("new", "canary")])
def test_nothing_is_moved_into_or_out_of_another_compartment(api: Api, resource_id: str, subject: str) -> None:
    me = api.scoped("patient/*.cruds", patient="me")
    assert me.put(f"/Observation/{resource_id}", result(resource_id, subject, MINE)).status_code == 403
    assert me.delete("/Observation/canary").status_code == 403
    assert api.get("/Observation/canary").headers["etag"] == 'W/"1"'


def test_page_links_are_of_use_to_nobody_else(api: Api) -> None:
    bundle = api.get("/Patient?_count=1&_sort=family").json()
    following = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    assert api.get(following).status_code == 200
    assert api.scoped("patient/*.rs", patient="me").get(following).status_code == 400
    assert api.get(following + quote("x")).status_code == 400
