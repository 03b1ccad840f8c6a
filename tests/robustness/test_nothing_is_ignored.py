"""What a client asks for is done or refused: no parameter is accepted and then left out."""

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json, issues, links, observation, patient

TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">p</div>'}


@pytest.fixture
def api(services: Services) -> Api:
    found = Api(services)
    whole = patient("a", active=True, text=TEXT, gender="male", multipleBirthBoolean=False, name=[{"family": "A"}])
    found.put("/Patient/a", whole)
    found.post("/Observation", observation("Patient/a"))
    return found


REFUSED = (
    *("_summary=true&_summary=false", "_elements=name&_elements=gender", "_summary=true&_elements=name", "_summary=x"),
    *("_elements=nonsense", "_elements=name,nonsense", "_pretty=banana", "_format=json&_format=xml", "unknown=1"),
)


SEARCHES = (
    *("_summary=text&_include=Patient:organization", "_summary=text&_revinclude=Observation:subject"),
    *("_totalMethod=accurate", "_type=Patient,Observation", "_type=Observation", "_contained=true", "_contained=both"),
    *("_containedType=container", "_score=true", "_text=-", "_content=OR", "_query=a", "_filter=a"),
    *("_count=1&_count=2", "_total=none&_total=accurate", "_since=2020", "_at=2020", "_maxresults=1", "page=2"),
    "__explain=maybe",
)
HISTORIES = (
    "_summary=x",
    "_elements=nonsense",
    "_elements=id&_summary=true",
    "_total=none",
    "_sort=_id",
    "_list=x",
    "_type=Patient",
)


def test_a_request_does_what_its_parameters_say_or_nothing(api: Api) -> None:
    asked = [
        (path, query) for path in ("/Patient/a", "/Patient/a/_history/1") for query in (*REFUSED, "_summary=count")
    ]
    asked += [("/Patient", query) for query in (*REFUSED, *SEARCHES)]
    asked += [
        (path, query) for path in ("/Patient/a/_history", "/Patient/_history", "/_history") for query in HISTORIES
    ]
    for path, query in asked:
        refused = api.get(f"{path}?{query}")
        assert refused.status_code == 400, (path, query)
        assert issues(refused)


ALWAYS = {"resourceType", "id", "meta"}


PARTS: dict[str, set[str]] = {
    "_summary=true": {"active", "gender", "name"},
    "_summary=text": {"active", "text"},
    "_summary=data": {"active", "gender", "name", "multipleBirthBoolean"},
    "_summary=false": {"active", "gender", "name", "multipleBirthBoolean", "text"},
    "_elements=gender": {"active", "gender"},
    "_elements=Patient.gender,name": {"active", "gender", "name"},
}


def test_a_part_of_a_resource_is_the_same_however_it_is_asked_for(api: Api) -> None:
    for query, kept in PARTS.items():
        searched = api.get(f"/Patient?{query}").json()
        entry = {"request": {"method": "GET", "url": f"Patient/a?{query}"}}
        batched = api.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
        found: list[Json] = [api.get(f"{path}?{query}").json() for path in ("/Patient/a", "/Patient/a/_history/1")]
        found += [searched["entry"][0]["resource"], batched["entry"][0]["resource"]]
        for each in found:
            assert set(each) == ALWAYS | kept
            tags = [tag["code"] for tag in each["meta"].get("tag", [])]
            assert tags == ([] if query == "_summary=false" else ["SUBSETTED"])
        assert query.replace(",", "%2C") in links(searched)["self"]


def test_a_part_is_never_stored_for_the_whole(api: Api) -> None:
    for query in ("_summary=true", "_elements=gender", "_summary=data"):
        part = api.get(f"/Patient/a?{query}").json()
        assert api.put("/Patient/a", part).status_code == 400
        entry = {"request": {"method": "PUT", "url": "Patient/a"}, "resource": part}
        refused = api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert refused.status_code == 400
    assert api.get("/Patient/a").headers["etag"] == 'W/"1"'


def test_post_and_get_find_the_same_with_result_parameters_in_either_place(api: Api) -> None:
    form = "application/x-www-form-urlencoded"
    for query in ("_elements=gender&gender=male", "_summary=true&_sort=-_id", "_revinclude=Observation:subject"):
        got = api.get(f"/Patient?{query}").json()
        for url, body in (("", query), (f"?{query}", ""), (f"?{query.partition('&')[0]}", query.partition("&")[2])):
            posted = api.post(f"/Patient/_search{url}", body.encode(), Content_Type=form).json()
            assert [posted.get("entry"), posted["total"]] == [got.get("entry"), got["total"]]
