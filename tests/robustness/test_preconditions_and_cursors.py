"""Headers and links that steer a request: each is applied or refused, never ignored."""

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json, issues, links, patient


@pytest.fixture
def api(services: Services) -> Api:
    found = Api(services)
    found.put("/Patient/a", patient("a", active=True))
    found.put("/Patient/a", patient("a", active=False))
    return found


def test_an_update_whose_if_none_match_names_the_current_version_is_refused(api: Api) -> None:
    for header in ('W/"2"', '"2"', "2", '*, W/"9"', 'W/"9", W/"2"', "*"):
        refused = api.put("/Patient/a", patient("a"), If_None_Match=header)
        assert (refused.status_code, issues(refused)) == (412, [("conflict", ["http.If-None-Match"])])
        entry = {"request": {"method": "PUT", "url": "Patient/a", "ifNoneMatch": header}, "resource": patient("a")}
        refused = api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert (refused.status_code, issues(refused)[0][1]) == (412, ["Bundle.entry[0].request.ifNoneMatch"])
    assert api.get("/Patient/a").headers["etag"] == 'W/"2"'


@pytest.mark.parametrize("header", ['W/"1"', 'W/"1", W/"3"', "x"])
def test_an_update_whose_if_none_match_names_another_version_goes_through(api: Api, header: str) -> None:
    assert api.put("/Patient/a", patient("a"), If_None_Match=header).headers["etag"] == 'W/"3"'


@pytest.mark.parametrize("header", ['W/"2"', 'W/"1", W/"2"', "*"])
def test_an_update_whose_if_match_lists_the_current_version_goes_through(api: Api, header: str) -> None:
    assert api.put("/Patient/a", patient("a"), If_Match=header).headers["etag"] == 'W/"3"'


def test_an_update_whose_if_match_lists_other_versions_is_refused(api: Api) -> None:
    for header in ('W/"1"', 'W/"1", W/"3"', "0", "9" * 20):
        assert api.put("/Patient/a", patient("a"), If_Match=header).status_code == 412
    assert api.get("/Patient/a").headers["etag"] == 'W/"2"'


def test_a_malformed_precondition_of_an_update_is_refused(api: Api) -> None:
    for header in ('W/"', '"2', 'W/"2"x', "!", ",", 'W/"2",', '""', "9" * 65):
        for name in ("If_Match", "If_None_Match"):
            assert api.put("/Patient/a", patient("a"), **{name: header}).status_code == 400
    assert api.get("/Patient/a").headers["etag"] == 'W/"2"'


def test_if_match_star_needs_a_resource_that_is_there(api: Api) -> None:
    assert api.put("/Patient/new", patient("new"), If_Match="*").status_code == 412
    api.delete("/Patient/a")
    assert api.put("/Patient/a", patient("a"), If_Match="*").status_code == 412


def test_a_refused_precondition_does_not_tell_the_version_to_who_may_not_write(api: Api) -> None:
    stranger = api.scoped("patient/Patient.cruds", patient="other")
    refused = stranger.put("/Patient/a", patient("a"), If_Match='W/"1"')
    assert refused.status_code == 403
    assert "2" not in refused.json()["issue"][0]["details"]["text"]


def test_a_version_id_that_was_never_given_is_not_found(api: Api) -> None:
    for vid in ("0", "01", "+1", "1.0", "-1", "1e0", "%C2%B9", "%D9%A1", "9" * 30):
        assert api.get(f"/Patient/a/_history/{vid}").status_code == 404, vid


HISTORIES = ("/Patient/a/_history", "/Patient/_history", "/_history")


def test_a_history_page_that_was_never_linked_is_refused(api: Api) -> None:
    for path in HISTORIES:
        for page in ("x", "1", "1.", ".1", "--1.1", f"{'9' * 23}.1", f"1.{'9' * 23}", "%C2%B2.1", "%D9%A1.1"):
            refused = api.get(f"{path}?_page={page}")
            assert (refused.status_code, issues(refused)) == (400, [("invalid", ["http._page"])]), page


def test_history_pages_lead_back_the_way_they_came(api: Api) -> None:
    for index in range(4):
        api.put("/Patient/a", patient("a", multipleBirthInteger=index + 1))
    for path in HISTORIES:
        for count in (1, 2, 3, 10):
            page = api.get(f"{path}?_count={count}&_since=2000").json()
            forward = [tags(page)]
            while "next" in links(page):
                page = api.get(links(page)["next"]).json()
                forward.append(tags(page))
            back = [tags(page)]
            while "previous" in links(page):
                page = api.get(links(page)["previous"]).json()
                back.append(tags(page))
            assert back[::-1] == forward
            assert [tag for page in forward for tag in page] == [f'W/"{version}"' for version in range(6, 0, -1)]


def tags(bundle: Json) -> list[str]:
    assert bundle["total"] == 6
    return [entry["response"]["etag"] for entry in bundle["entry"]]


def test_identifiers_that_differ_after_hundreds_of_characters_are_different(api: Api) -> None:
    head = "x" * 400
    for tail in "ab":
        made = api.post("/Patient", patient(identifier=[{"system": "urn:mrn", "value": head + tail}]))
        assert made.status_code == 201
    for tail in "ab":
        assert api.get(f"/Patient?identifier=urn:mrn|{head}{tail}").json()["total"] == 1
        matched = api.post("/Patient", patient(), If_None_Exist=f"identifier=urn:mrn|{head}{tail}")
        assert matched.status_code == 200
    assert api.get(f"/Patient?identifier=urn:mrn|{head}").json()["total"] == 0
