"""batch: independent entries."""

from typing import Any

import pytest

from tests.support.api import BASE, Api, Json, issues, observation, patient


def entry(method: str, url: str, resource: Json | None = None, **request: str) -> Json:
    found: Json = {"request": {"method": method, "url": url} | request}
    return found | ({"resource": resource} if resource else {})


def batch(*entries: Any) -> Json:
    return {"resourceType": "Bundle", "type": "batch", "entry": list(entries)}


def statuses(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [each["response"]["status"] for each in response.json()["entry"]]


def test_each_entry_is_answered_in_place_and_a_failure_harms_no_other(api: Api) -> None:
    api.put("/Patient/old", patient("old"))
    answered = api.post(
        "",
        batch(
            entry("POST", "Patient", patient()),
            entry("POST", "Observation", {"resourceType": "Observation", "status": "banana", "code": {"text": "x"}}),
            entry("PUT", "Patient/a", patient("a", active=True)),
            entry("GET", "Patient/none"),
            entry("DELETE", "Patient/old"),
            entry("GET", f"{BASE}/Patient/a"),
            entry("PATCH", "Patient/a", {"resourceType": "Parameters"}),
            entry("GET", "Nonsense/1"),
            "no entry",
        ),
    )
    bundle = answered.json()
    assert bundle["type"] == "batch-response"
    assert statuses(answered) == [
        "201 Created",
        "400 Bad Request",
        "201 Created",
        "404 Not Found",
        "204 No Content",
        "200 OK",
        "200 OK",
        "404 Not Found",
        "400 Bad Request",
    ]
    created = bundle["entry"][0]["response"]
    assert created["location"].startswith(f"{BASE}/Patient/")
    assert (created["etag"], "lastModified" in created) == ('W/"1"', True)
    assert bundle["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == ["Observation.status"]
    assert bundle["entry"][5]["resource"]["active"] is True
    assert api.get("/Patient/a").status_code == 200


def test_entries_are_authorised_one_by_one(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    reader = api.scoped("user/Patient.r")
    answered = reader.post(
        "", batch(entry("GET", "Patient/a"), entry("DELETE", "Patient/a"), entry("POST", "Patient", patient()))
    )
    assert statuses(answered) == ["200 OK", "403 Forbidden", "403 Forbidden"]
    assert api.get("/Patient/a").status_code == 200


def test_the_representation_comes_back_only_where_it_is_asked_for(api: Api) -> None:
    asked = batch(entry("POST", "Patient", patient(active=True)))
    assert "resource" not in api.post("", asked).json()["entry"][0]
    assert api.post("", asked, Prefer="return=representation").json()["entry"][0]["resource"]["active"] is True
    told = api.post("", asked, Prefer="return=OperationOutcome").json()["entry"][0]["response"]
    assert told["outcome"]["resourceType"] == "OperationOutcome"


def test_conditions_of_an_entry_are_respected(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    api.put("/Patient/a", patient("a"))
    answered = api.post(
        "",
        batch(
            entry("POST", "Patient", body, ifNoneExist="identifier=urn:mrn|1"),
            entry("POST", "Patient", body, ifNoneExist="identifier=urn:mrn|1"),
            entry("PUT", "Patient/a", patient("a"), ifMatch='W/"7"'),
            entry("GET", "Patient/a", ifNoneMatch='W/"1"'),
            entry("GET", "Patient/a", ifModifiedSince="2999-01-01T00:00:00Z"),
            entry("GET", "Patient/a", ifModifiedSince="whenever"),
        ),
    )
    assert statuses(answered) == [
        "201 Created",
        "200 OK",
        "412 Precondition Failed",
        "304 Not Modified",
        "304 Not Modified",
        "400 Bad Request",
    ]


def test_a_search_in_a_batch_answers_a_bundle(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    [found] = api.post("", batch(entry("GET", "Patient?_id=a"))).json()["entry"]
    assert (found["response"]["status"], found["resource"]["type"], found["resource"]["total"]) == (
        "200 OK",
        "searchset",
        1,
    )


def test_an_entry_cannot_refer_to_another_one(api: Api) -> None:
    first = entry("POST", "Patient", patient()) | {"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"}
    second = entry("POST", "Observation", observation("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"))
    first_status, second_status = statuses(api.post("", batch(first, second)))
    assert (first_status, second_status[:1]) == ("201 Created", "4")


def test_bundles_and_searches_by_post_have_no_place_in_a_batch(api: Api) -> None:
    answered = api.post("", batch(entry("POST", "", batch()), entry("POST", "Patient/_search")))
    assert statuses(answered) == ["400 Bad Request", "400 Bad Request"]


@pytest.mark.parametrize(
    "body",
    [
        patient(),
        [],
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
    ],
)
def test_anything_but_a_batch_or_transaction_is_refused_at_the_base(api: Api, body: Any) -> None:
    refused = api.post("", body)
    assert refused.status_code == 400
    assert issues(refused)


def test_an_empty_batch_is_answered_empty(api: Api) -> None:
    answered = api.post("", batch())
    assert (answered.status_code, "entry" in answered.json()) == (200, False)
    assert api.post("/", batch()).status_code == 200


def test_a_bundle_without_a_type_is_told_so(api: Api) -> None:
    refused = api.post("/", {"resourceType": "Bundle"})
    assert refused.status_code == 400
    assert "The Bundle has no type" in refused.text
