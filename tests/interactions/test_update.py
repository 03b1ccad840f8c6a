"""update, also conditional, and version-aware updates."""

import pytest

from tests.support.api import BASE, Api, issues, patient


def test_an_update_makes_a_new_version_and_creates_under_an_id_of_the_clients(api: Api) -> None:
    first = api.put("/Patient/a", patient("a", active=True))
    second = api.put("/Patient/a", patient("a", active=False))
    assert (first.status_code, first.headers["location"]) == (201, f"{BASE}/Patient/a/_history/1")
    assert (second.status_code, second.headers["location"]) == (200, f"{BASE}/Patient/a/_history/2")
    assert (second.json()["active"], second.headers["etag"]) == (False, 'W/"2"')


def test_a_deleted_resource_comes_back_as_a_new_version(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    api.delete("/Patient/a")
    revived = api.put("/Patient/a", patient("a"))
    assert (revived.status_code, revived.headers["etag"]) == (201, 'W/"3"')
    assert api.get("/Patient/a").status_code == 200


@pytest.mark.parametrize("body", [patient("b"), patient()])
def test_the_id_in_the_body_must_be_the_one_in_the_url(api: Api, body: dict[str, object]) -> None:
    refused = api.put("/Patient/a", body)
    assert (refused.status_code, issues(refused)) == (400, [("value", ["Patient.id"])])


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1"])
def test_if_match_of_the_current_version_lets_the_update_through(api: Api, tag: str) -> None:
    api.put("/Patient/a", patient("a"))
    assert api.put("/Patient/a", patient("a", active=True), If_Match=tag).status_code == 200


def test_a_stale_if_match_is_refused_with_412_and_changes_nothing(api: Api) -> None:
    api.put("/Patient/a", patient("a", active=True))
    api.put("/Patient/a", patient("a", active=False))
    refused = api.put("/Patient/a", patient("a", active=True), If_Match='W/"1"')
    assert (refused.status_code, issues(refused)) == (412, [("conflict", ["http.If-Match"])])
    assert api.get("/Patient/a").headers["etag"] == 'W/"2"'


def test_a_malformed_if_match_is_refused_with_400(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    for tag in ('W/"1', "!?", '1"', "W/", '"1" "2"', ","):
        refused = api.put("/Patient/a", patient("a", active=True), If_Match=tag)
        assert (refused.status_code, issues(refused)) == (400, [("value", ["http.If-Match"])])
    assert api.get("/Patient/a").headers["etag"] == 'W/"1"'


def test_if_none_match_star_only_creates(api: Api) -> None:
    assert api.put("/Patient/a", patient("a"), If_None_Match="*").status_code == 201
    assert api.put("/Patient/a", patient("a"), If_None_Match="*").status_code == 412


def test_a_conditional_update_creates_then_updates_the_one_that_matches(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    url = "/Patient?identifier=urn:mrn%7C1"
    first, second = api.put(url, body), api.put(url, body | {"active": True})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.headers["etag"] == 'W/"2"'


def test_a_conditional_update_refuses_another_id_and_several_matches(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    url = "/Patient?identifier=urn:mrn%7C1"
    api.post("/Patient", body)
    assert api.put(url, body | {"id": "other"}).status_code == 400
    api.post("/Patient", body)
    assert api.put(url, body).status_code == 412


def test_a_conditional_update_creates_under_the_id_it_brings_unless_another_resource_has_it(api: Api) -> None:
    body = patient("a", identifier=[{"system": "urn:mrn", "value": "1"}])
    url = "/Patient?identifier=urn:mrn%7C1"
    made = api.put(url, body)
    assert (made.status_code, made.headers["location"]) == (201, f"{BASE}/Patient/a/_history/1")
    assert api.put(url, body | {"active": True}).status_code == 200
    taken = api.put("/Patient?identifier=urn:mrn%7C2", patient("a"))
    assert (taken.status_code, issues(taken)) == (409, [("conflict", ["http.query"])])
    api.delete("/Patient/a")
    revived = api.put(url, body)
    assert (revived.status_code, revived.headers["etag"]) == (201, 'W/"4"')


def test_a_put_on_a_type_without_criteria_is_refused(api: Api) -> None:
    assert api.put("/Patient", patient()).status_code == 400
