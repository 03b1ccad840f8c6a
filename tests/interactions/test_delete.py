"""delete, also conditional."""

import pytest

from tests.support.api import Api, issues, observation, patient


def test_a_delete_answers_200_with_an_outcome_and_again_for_what_is_gone(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    for url in ("/Patient/a", "/Patient/a", "/Patient/never"):
        deleted = api.delete(url)
        assert (deleted.status_code, issues(deleted)) == (200, [("informational", [])])
    assert api.get("/Patient/a").status_code == 410
    assert api.get("/Patient/never").status_code == 404


def test_a_client_that_wants_little_gets_204(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    deleted = api.delete("/Patient/a", Prefer="return=minimal")
    assert (deleted.status_code, deleted.content) == (204, b"")


def test_a_resource_that_others_refer_to_is_409_and_the_referrer_named(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    made = api.post("/Observation", observation("Patient/a"))
    refused = api.delete("/Patient/a")
    assert (refused.status_code, issues(refused)[0][0]) == (409, "conflict")
    assert f"Observation/{made.json()['id']}" in refused.text


def test_if_match_guards_a_delete(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    assert api.delete("/Patient/a", If_Match='W/"2"').status_code == 412
    assert api.delete("/Patient/a", If_Match='W/"1"').status_code == 200


def test_a_conditional_delete_takes_the_one_that_matches(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    url = "/Patient?identifier=urn:mrn%7C1"
    assert api.delete(url).status_code == 200
    made = api.post("/Patient", body).json()["id"]
    assert api.delete(url).status_code == 200
    assert api.get(f"/Patient/{made}").status_code == 410


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
@pytest.mark.parametrize(
    "query", ["", "?", "?identifier=", "?_id", "?_count=1", "?_format=json", "?_sort=_id", "?_include=*", "?nonsense=1"]
)
def test_criteria_that_every_resource_would_meet_are_refused(api: Api, method: str, query: str) -> None:
    api.put("/Patient/a", patient("a"))
    for preference in ("", "handling=lenient"):
        refused = api.call(method, f"/Patient{query}", None if method == "DELETE" else patient(), Prefer=preference)
        assert refused.status_code == 400
        assert issues(refused)
    assert api.get("/Patient/a").headers["etag"] == 'W/"1"'


def test_a_conditional_delete_refuses_several_matches_and_no_criteria(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    made = [api.post("/Patient", body).json()["id"] for _ in range(2)]
    assert api.delete("/Patient?identifier=urn:mrn%7C1").status_code == 412
    assert api.delete("/Patient").status_code == 400
    assert api.delete("/Patient?").status_code == 400
    assert [api.get(f"/Patient/{each}").status_code for each in made] == [200, 200]
