"""transaction: all or nothing."""

from typing import Any

import pytest

from tests.interactions.test_batch import batch, entry, statuses
from tests.support.api import BASE, Api, Json, issues, observation, patient

URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def transaction(*entries: Any) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def test_references_between_entries_become_the_new_ids(api: Api) -> None:
    answered = api.post(
        "",
        transaction(
            entry("POST", "Observation", observation(URN)),
            entry("POST", "Patient", patient()) | {"fullUrl": URN},
        ),
    )
    assert answered.json()["type"] == "transaction-response"
    assert statuses(answered) == ["201 Created", "201 Created"]
    first, second = (each["response"]["location"] for each in answered.json()["entry"])
    assert api.get(first).json()["subject"]["reference"] == second.removeprefix(f"{BASE}/").split("/_history")[0]


def test_a_failure_stores_nothing_and_names_its_entry(api: Api) -> None:
    refused = api.post(
        "",
        transaction(
            entry("PUT", "Patient/a", patient("a")),
            entry("POST", "Observation", {"resourceType": "Observation", "status": "banana", "code": {"text": "x"}}),
        ),
    )
    assert refused.status_code == 400
    assert issues(refused)[0][1] == ["Bundle.entry[1].resource.status"]
    assert api.get("/Patient/a").status_code == 404


def test_reads_see_the_final_state_in_whatever_place_they_stand(api: Api) -> None:
    api.put("/Patient/a", patient("a", active=True))
    answered = api.post(
        "",
        transaction(
            entry("GET", "Patient/a"),
            entry("PUT", "Patient/a", patient("a", active=False)),
            entry("GET", "Patient?_id=a"),
            entry("HEAD", "Patient/a"),
        ),
    )
    assert statuses(answered) == ["200 OK"] * 4
    entries = answered.json()["entry"]
    assert entries[0]["resource"]["active"] is False
    assert entries[2]["resource"]["entry"][0]["resource"]["active"] is False


def test_a_patient_and_what_refers_to_it_are_deleted_together(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    made = api.post("/Observation", observation("Patient/a")).json()["id"]
    answered = api.post("", transaction(entry("DELETE", "Patient/a"), entry("DELETE", f"Observation/{made}")))
    assert statuses(answered) == ["204 No Content", "204 No Content"]
    assert api.get("/Patient/a").status_code == 410


def test_deletes_come_before_creates_and_updates(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    old = api.post("/Patient", body).json()["id"]
    answered = api.post(
        "", transaction(entry("PUT", "Patient/new", body | {"id": "new"}), entry("DELETE", f"Patient/{old}"))
    )
    assert statuses(answered) == ["201 Created", "204 No Content"]
    assert api.get("/Patient?identifier=urn:mrn|1").json()["total"] == 1


def test_one_resource_may_be_written_only_once(api: Api) -> None:
    refused = api.post(
        "", transaction(entry("PUT", "Patient/a", patient("a")), entry("PUT", "Patient/a", patient("a", active=True)))
    )
    assert (refused.status_code, issues(refused)) == (400, [("duplicate", ["Bundle.entry[1]"])])


def test_a_conditional_create_that_matches_lends_its_id_to_the_references(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    known = api.post("/Patient", body).json()["id"]
    answered = api.post(
        "",
        transaction(
            entry("POST", "Patient", body, ifNoneExist="identifier=urn:mrn|1") | {"fullUrl": URN},
            entry("POST", "Observation", observation(URN)),
        ),
    )
    assert statuses(answered) == ["200 OK", "201 Created"]
    assert (
        api.get(answered.json()["entry"][1]["response"]["location"]).json()["subject"]["reference"]
        == f"Patient/{known}"
    )


def test_a_conditional_reference_must_match_one_resource(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    asked = transaction(entry("POST", "Observation", observation("Patient?identifier=urn:mrn|1")))
    assert api.post("", asked).status_code in (412, 422)
    known = api.post("/Patient", body).json()["id"]
    answered = api.post("", asked, Prefer="return=representation")
    assert answered.json()["entry"][0]["resource"]["subject"]["reference"] == f"Patient/{known}"


@pytest.mark.parametrize(
    ("asked", "status", "where"),
    [
        (entry("GET", "Patient/none"), 404, "Bundle.entry[0]"),
        (entry("PATCH", "Patient/a", patient("a")), 400, "Bundle.entry[0]"),
        (entry("POST", "Pateint", patient()), 404, "Bundle.entry[0]"),
        (entry("PUT", "Patient/a", patient("b")), 400, "Bundle.entry[0].resource.id"),
        (entry("POST", "Patient"), 400, "Bundle.entry[0]"),
        (entry("PUT", "Patient/a", patient("a"), ifMatch='W/"4"'), 412, "Bundle.entry[0].request.ifMatch"),
        ({"resource": patient()}, 400, "Bundle.entry[0].request"),
    ],
)
def test_an_entry_that_cannot_be_done_refuses_the_whole(api: Api, asked: Json, status: int, where: str) -> None:
    refused = api.post("", transaction(asked, entry("PUT", "Patient/other", patient("other"))))
    assert (refused.status_code, issues(refused)[0][1][0]) == (status, where)
    assert api.get("/Patient/other").status_code == 404


def test_one_entry_beyond_the_scopes_refuses_the_whole(api: Api) -> None:
    caller = api.scoped("user/Patient.cruds")
    refused = caller.post(
        "",
        transaction(
            entry("PUT", "Patient/a", patient("a")),
            entry("POST", "Organization", {"resourceType": "Organization", "name": "L"}),
        ),
    )
    assert (refused.status_code, issues(refused)[0][1]) == (403, ["Bundle.entry[1]"])
    assert api.get("/Patient/a").status_code == 404


def test_absolute_urls_of_this_server_are_understood(api: Api) -> None:
    answered = api.post("", transaction(entry("PUT", f"{BASE}/Patient/a", patient("a")), entry("GET", "/Patient/a")))
    assert statuses(answered) == ["201 Created", "200 OK"]


MRN = {"identifier": [{"system": "urn:mrn", "value": "1"}]}
BY_MRN = "Patient?identifier=urn:mrn%7C1"
OTHER_WORDS = "Patient?identifier=urn:mrn%7C1&gender:missing=true"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (entry("PUT", "Patient/a", patient("a")), entry("DELETE", BY_MRN)),
        (entry("PUT", BY_MRN, patient(**MRN)), entry("DELETE", "Patient/a")),
        (entry("PUT", BY_MRN, patient(**MRN)), entry("PUT", OTHER_WORDS, patient(**MRN))),
        (entry("DELETE", BY_MRN), entry("DELETE", "Patient/a")),
        (entry("POST", "Patient", patient(**MRN)), entry("PUT", BY_MRN, patient(**MRN))),
    ],
)
def test_two_entries_that_mean_one_resource_are_refused(api: Api, first: Json, second: Json) -> None:
    api.put("/Patient/a", patient("a", **MRN))
    for entries in ((first, second), (second, first)):
        refused = api.post("", transaction(entry("PUT", "Patient/other", patient("other")), *entries))
        assert (refused.status_code, issues(refused)[0][0]) == (400, "duplicate")
        assert issues(refused)[0][1][0] in ("Bundle.entry[1]", "Bundle.entry[2]")
    assert api.get("/Patient/a").headers["etag"] == 'W/"1"'
    assert api.get("/Patient/other").status_code == 404


@pytest.mark.parametrize("criteria", [BY_MRN, OTHER_WORDS])
def test_an_update_by_criteria_that_mean_what_is_created_beside_it_is_refused(api: Api, criteria: str) -> None:
    for created in (
        entry("POST", "Patient", patient(**MRN)),
        entry("POST", "Patient", patient(**MRN), ifNoneExist="identifier=urn:mrn|1"),
        entry("PUT", criteria, patient(**MRN)),
    ):
        refused = api.post("", transaction(created, entry("PUT", criteria, patient(**MRN))))
        assert (refused.status_code, issues(refused)) == (400, [("duplicate", ["Bundle.entry[1]"])])
    assert api.get("/Patient").json()["total"] == 0


def test_one_condition_creates_once_in_a_transaction(api: Api) -> None:
    create = entry("POST", "Patient", patient(**MRN), ifNoneExist="identifier=urn:mrn|1")
    answered = api.post("", transaction(create, create))
    assert statuses(answered) == ["201 Created", "200 OK"]
    assert len({each["response"]["location"] for each in answered.json()["entry"]}) == 1


def test_what_is_deleted_is_gone_before_a_condition_looks(api: Api) -> None:
    api.put("/Patient/a", patient("a", **MRN))
    answered = api.post(
        "",
        transaction(
            entry("POST", "Patient", patient(**MRN), ifNoneExist="identifier=urn:mrn|1"), entry("DELETE", BY_MRN)
        ),
    )
    assert statuses(answered) == ["201 Created", "204 No Content"]
    assert api.get(f"/{BY_MRN}").json()["total"] == 1


def test_the_conditions_of_each_entry_are_respected(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    api.put("/Patient/b", patient("b"))
    answered = api.post(
        "",
        transaction(
            entry("PUT", "Patient/a", patient("a", active=True), ifMatch='W/"1"'),
            entry("PUT", "Patient/new", patient("new"), ifNoneMatch="*"),
            entry("DELETE", "Patient/b", ifMatch='W/"1"'),
            entry("GET", "Patient/a", ifNoneMatch='W/"2"'),
            entry("GET", "Patient/a", ifModifiedSince="2999-01-01T00:00:00Z"),
        ),
    )
    assert statuses(answered) == ["200 OK", "201 Created", "204 No Content", "304 Not Modified", "304 Not Modified"]
    for asked, where in (
        (entry("PUT", "Patient/a", patient("a"), ifNoneMatch="*"), "Bundle.entry[0].request.ifNoneMatch"),
        (entry("DELETE", "Patient/a", ifMatch='W/"1"'), "Bundle.entry[0].request.ifMatch"),
        (entry("PUT", "Patient/c", patient("c"), ifMatch='W/"1"'), "Bundle.entry[0].request.ifMatch"),
    ):
        refused = api.post("", transaction(asked))
        assert (refused.status_code, issues(refused)[0][1]) == (412, [where])


def test_head_is_answered_without_a_body(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    for kind in (batch, transaction):
        [found] = api.post("", kind(entry("HEAD", "Patient/a"))).json()["entry"]
        assert (found["response"]["status"], found["response"]["etag"], "resource" in found) == (
            "200 OK",
            'W/"1"',
            False,
        )


def test_a_delete_that_others_refer_to_is_409_unless_they_go_too(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    api.put("/Observation/o", observation("Patient/a", id="o"))
    refused = api.post("", transaction(entry("DELETE", "Patient/a")))
    assert (refused.status_code, issues(refused)) == (409, [("conflict", ["Bundle.entry[0]"])])
    answered = api.post("", transaction(entry("DELETE", "Patient/a"), entry("DELETE", "Observation/o")))
    assert statuses(answered) == ["204 No Content"] * 2
