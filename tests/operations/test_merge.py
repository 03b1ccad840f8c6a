"""Patient/$merge. https://build.fhir.org/patient-operation-merge.html"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.api import Api, Json, observation, patient

MRN = "http://hospital.example/mrn"


def number(value: str) -> Json:
    return {"system": MRN, "value": value}


def reference(name: str, patient_id: str) -> Json:
    return {"name": name, "valueReference": {"reference": f"Patient/{patient_id}"}}


def asked(api: Api, *parts: Json) -> Any:
    return api.post("/Patient/$merge", {"resourceType": "Parameters", "parameter": list(parts)})


def merged(api: Api, *parts: Json) -> dict[str, Json]:
    response = asked(api, reference("source-patient", "old"), reference("target-patient", "new"), *parts)
    assert response.status_code == 200, response.text
    return {each["name"]: each["resource"] for each in response.json()["parameter"]}


def totals(api: Api, patient_id: str) -> dict[str, int]:
    queries = {"Observation": "patient", "ServiceRequest": "patient", "List": "subject", "Appointment": "actor"}
    return {name: api.get(f"/{name}?{code}=Patient/{patient_id}").json()["total"] for name, code in queries.items()}


@pytest.fixture
def two(api: Api) -> Api:
    """Patient `old` with an observation, an order, a list and an appointment, and Patient `new` with an observation."""
    stored: list[Json] = [
        patient("old", identifier=[number("1"), number("2")], active=True),
        patient("new", identifier=[number("2"), number("3")], birthDate="1970-01-01"),
        observation("Patient/old", id="o1"),
        observation("Patient/new", id="o2"),
        {
            "resourceType": "ServiceRequest",
            "id": "s1",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/old"},
        },
        {
            "resourceType": "List",
            "id": "l1",
            "status": "current",
            "mode": "working",
            "subject": {"reference": "Patient/old"},
            "entry": [{"item": {"reference": "Observation/o1"}}],
        },
        {
            "resourceType": "Appointment",
            "id": "a1",
            "status": "proposed",
            "participant": [{"actor": {"reference": "Patient/old", "display": "Somebody"}, "status": "accepted"}],
        },
    ]
    for body in stored:
        assert api.put(f"/{body['resourceType']}/{body['id']}", body).status_code == 201, body
    return api


def test_what_referred_to_the_source_refers_to_the_target(two: Api) -> None:
    merged(two)
    assert totals(two, "old") == {"Observation": 0, "ServiceRequest": 0, "List": 0, "Appointment": 0}
    assert totals(two, "new") == {"Observation": 2, "ServiceRequest": 1, "List": 1, "Appointment": 1}
    participant = two.get("/Appointment/a1").json()["participant"][0]
    assert participant["actor"] == {"reference": "Patient/new", "display": "Somebody"}
    assert two.get("/Observation/o1").json()["meta"]["versionId"] == "2"
    assert two.get("/Observation/o2").json()["meta"]["versionId"] == "1"


def test_the_source_is_inactive_and_both_point_to_each_other(two: Api) -> None:
    result = merged(two)["result"]
    source, target = two.get("/Patient/old").json(), two.get("/Patient/new").json()
    assert source["active"] is False
    assert source["link"] == [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    assert target == result
    assert target["link"] == [{"other": {"reference": "Patient/old"}, "type": "replaces"}]
    assert target["identifier"] == [number("2"), number("3"), {**number("1"), "use": "old"}]
    assert target["birthDate"] == "1970-01-01"


def test_the_answer_tells_what_was_done(two: Api) -> None:
    answer = merged(two)
    assert set(answer) == {"input", "outcome", "result"}
    assert answer["input"]["parameter"][0]["name"] == "source-patient"
    [issue] = answer["outcome"]["issue"]
    assert issue["severity"] == "information"
    assert "1 Appointment, 1 List, 1 Observation, 1 ServiceRequest followed" in issue["details"]["text"]


def test_provenance_records_the_merge(two: Api) -> None:
    merged(two)
    [entry] = two.get("/Provenance?target=Patient/new").json()["entry"]
    note = entry["resource"]
    assert [each["reference"] for each in note["target"]] == ["Patient/new", "Patient/old"]
    assert note["activity"]["coding"][0]["code"] == "merge"
    assert note["agent"][0]["who"]["display"] == "tester"
    assert note["entity"] == [{"role": "source", "what": {"reference": "Patient/old/_history/1"}}]


def test_a_preview_tells_it_and_changes_nothing(two: Api) -> None:
    before = two.get("/_history").json()["total"]
    answer = merged(two, {"name": "preview", "valueBoolean": True})
    assert "would be merged" in answer["outcome"]["issue"][0]["details"]["text"]
    assert answer["result"]["identifier"][-1] == {**number("1"), "use": "old"}
    assert two.get("/_history").json()["total"] == before
    assert two.get("/Patient/old").json()["active"] is True


def test_patients_are_also_found_by_identifiers_that_only_they_have(two: Api) -> None:
    source = {"name": "source-patient-identifier", "valueIdentifier": number("1")}
    target = {"name": "target-patient-identifier", "valueIdentifier": number("3")}
    assert asked(two, source, target).status_code == 200
    assert totals(two, "new")["Observation"] == 2


def test_the_result_may_be_given(two: Api) -> None:
    wanted = patient("new", identifier=[number("1"), number("2"), number("3")], birthDate="1971-01-01")
    result = merged(two, {"name": "result-patient", "resource": wanted})["result"]
    assert (result["birthDate"], result["link"][0]["type"]) == ("1971-01-01", "replaces")


def test_nothing_new_may_be_said_of_a_merged_patient(two: Api) -> None:
    merged(two)
    refused = two.post("/Observation", observation("Patient/old"))
    assert refused.status_code == 422
    [issue] = refused.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("business-rule", ["Observation.subject.reference"])
    assert "was merged into Patient/new" in issue["details"]["text"]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": observation("Patient/old"), "request": {"method": "POST", "url": "Observation"}}],
    }
    assert two.post("/", bundle).status_code == 422


def test_a_patient_that_was_merged_into_the_source_follows(two: Api) -> None:
    two.put("/Patient/oldest", patient("oldest"))
    asked(two, reference("source-patient", "oldest"), reference("target-patient", "old"))
    merged(two)
    assert two.get("/Patient/oldest").json()["link"][0]["other"] == {"reference": "Patient/new"}


REFUSED = {
    "the same patient": ([reference("source-patient", "old"), reference("target-patient", "old")], 422),
    "no source": ([reference("target-patient", "new")], 400),
    "two ways to name one": (
        [
            reference("source-patient", "old"),
            {"name": "source-patient-identifier", "valueIdentifier": number("1")},
            reference("target-patient", "new"),
        ],
        400,
    ),
    "an identifier that two have": (
        [{"name": "source-patient-identifier", "valueIdentifier": number("2")}, reference("target-patient", "new")],
        422,
    ),
    "an identifier that nobody has": (
        [{"name": "source-patient-identifier", "valueIdentifier": number("9")}, reference("target-patient", "new")],
        422,
    ),
    "a patient that is not there": ([reference("source-patient", "none"), reference("target-patient", "new")], 422),
    "no patient": (
        [{"name": "source-patient", "valueReference": {"reference": "Group/1"}}, reference("target-patient", "new")],
        400,
    ),
    "a result with another id": (
        [
            reference("source-patient", "old"),
            reference("target-patient", "new"),
            {"name": "result-patient", "resource": patient("other")},
        ],
        400,
    ),
    "a result that drops an identifier": (
        [
            reference("source-patient", "old"),
            reference("target-patient", "new"),
            {"name": "result-patient", "resource": patient("new", identifier=[number("1")])},
        ],
        400,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_and_changes_nothing(two: Api, case: str) -> None:
    parts, status = REFUSED[case]
    before = two.get("/_history").json()["total"]
    assert asked(two, *parts).status_code == status
    assert two.get("/_history").json()["total"] == before


def test_a_merged_patient_is_neither_merged_again_nor_merged_into(two: Api) -> None:
    merged(two)
    two.put("/Patient/third", patient("third"))
    again = asked(two, reference("source-patient", "old"), reference("target-patient", "third"))
    into = asked(two, reference("source-patient", "third"), reference("target-patient", "old"))
    assert (again.status_code, into.status_code) == (422, 422)


def test_it_needs_the_right_to_change_everything_that_follows(two: Api) -> None:
    parts = (reference("source-patient", "old"), reference("target-patient", "new"))
    assert asked(two.scoped("user/Patient.rs"), *parts).status_code == 403
    assert asked(two.scoped("user/Patient.cruds"), *parts).status_code == 403
    mine = two.scoped("patient/*.cruds", patient="old")
    assert asked(mine, *parts).status_code == 403
    assert totals(two, "old")["Observation"] == 1


def test_whoever_writes_at_the_same_time_is_refused_or_follows(two: Api) -> None:
    with ThreadPoolExecutor(8) as threads:
        written = [threads.submit(two.post, "/Observation", observation("Patient/old")) for _ in range(12)]
        done = threads.submit(merged, two)
        answers = [each.result().status_code for each in written]
        done.result()
    assert set(answers) <= {201, 422}
    assert totals(two, "old")["Observation"] == 0
    assert totals(two, "new")["Observation"] == 2 + answers.count(201)
