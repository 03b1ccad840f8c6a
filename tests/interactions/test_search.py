"""search over HTTP: Bundles, links and forms. What matches is tested in tests/search."""

import pytest

from tests.support.api import BASE, Api, Json, issues, links, observation, patient


@pytest.fixture
def seven(api: Api) -> Api:
    """Seven patients p0 to p6, the first with two observations."""
    for index in range(7):
        api.put(f"/Patient/p{index}", patient(f"p{index}", name=[{"family": f"Miller{index}"}], active=index % 2 == 0))
    for index in range(2):
        api.put(f"/Observation/o{index}", observation("Patient/p0", id=f"o{index}"))
    return api


def ids(bundle: Json, mode: str = "match") -> list[str]:
    return [each["resource"]["id"] for each in bundle.get("entry", []) if each["search"]["mode"] == mode]


def test_a_search_answers_a_searchset_with_stored_documents(seven: Api) -> None:
    found = seven.get("/Patient?family=miller3")
    bundle = found.json()
    assert found.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert (bundle["type"], bundle["total"], ids(bundle)) == ("searchset", 1, ["p3"])
    assert bundle["entry"][0]["fullUrl"] == f"{BASE}/Patient/p3"
    assert bundle["entry"][0]["resource"] == seven.get("/Patient/p3").json()
    assert links(bundle)["self"].startswith(f"{BASE}/Patient?family=miller3")


def test_no_match_is_200_without_entries(seven: Api) -> None:
    bundle = seven.get("/Patient?family=nobody").json()
    assert (bundle["total"], "entry" in bundle) == (0, False)


def test_walking_the_links_meets_every_match_once_and_back_again(seven: Api) -> None:
    pages, url = [], "/Patient?_count=3&_sort=family&_format=json"
    while url:
        bundle = seven.get(url).json()
        pages.append(ids(bundle))
        assert all("_format=json" in link for link in links(bundle).values())
        last, url = bundle, links(bundle).get("next", "")
    assert pages == [["p0", "p1", "p2"], ["p3", "p4", "p5"], ["p6"]]
    back = seven.get(links(last)["previous"]).json()
    assert ids(back) == ["p3", "p4", "p5"]
    assert ids(seven.get(links(back)["previous"]).json()) == ["p0", "p1", "p2"]
    assert ids(seven.get(links(last)["first"]).json()) == ["p0", "p1", "p2"]


def test_get_and_post_find_the_same_and_url_parameters_count_too(seven: Api) -> None:
    form = "application/x-www-form-urlencoded"
    posted = seven.post("/Patient/_search?active=true", b"family=miller&_sort=family", Content_Type=form)
    got = seven.get("/Patient?active=true&family=miller&_sort=family")
    assert posted.status_code == 200
    assert ids(posted.json()) == ids(got.json()) == ["p0", "p2", "p4", "p6"]
    assert posted.json()["total"] == got.json()["total"] == 4
    assert links(posted.json())["self"].startswith(f"{BASE}/Patient?")


def test_a_search_by_post_must_be_a_form(seven: Api) -> None:
    assert seven.post("/Patient/_search", {"family": "miller"}).status_code == 415


def test_includes_come_after_the_matches_and_do_not_count(seven: Api) -> None:
    bundle = seven.get("/Observation?_include=Observation:subject").json()
    assert (sorted(ids(bundle)), ids(bundle, "include"), bundle["total"]) == (["o0", "o1"], ["p0"], 2)
    bundle = seven.get("/Patient?_id=p0&_revinclude=Observation:subject").json()
    assert (ids(bundle), sorted(ids(bundle, "include")), bundle["total"]) == (["p0"], ["o0", "o1"], 1)


@pytest.mark.parametrize("query", ["_summary=count", "_count=0"])
def test_the_count_alone_has_no_entries(seven: Api, query: str) -> None:
    bundle = seven.get(f"/Patient?{query}").json()
    assert (bundle["total"], "entry" in bundle) == (7, False)


def test_an_unknown_parameter_is_refused_with_its_name_or_reported_when_lenient(seven: Api) -> None:
    refused = seven.get("/Patient?famly=miller")
    assert refused.status_code == 400
    assert "famly" in refused.text
    lenient = seven.get("/Patient?famly=miller&active=true", Prefer="handling=lenient")
    bundle = lenient.json()
    assert (lenient.status_code, bundle["total"]) == (200, 4)
    assert lenient.headers["preference-applied"] == "handling=lenient"
    assert "famly" not in links(bundle)["self"]
    [outcome] = [each["resource"] for each in bundle["entry"] if each["search"]["mode"] == "outcome"]
    assert outcome["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("query", ["birthdate=banana", "family:nonsense=x", "_count=x", "_sort=nonsense"])
def test_a_malformed_search_is_refused_with_an_outcome(seven: Api, query: str) -> None:
    refused = seven.get(f"/Patient?{query}")
    assert refused.status_code == 400
    assert issues(refused)


def test_a_search_of_an_unknown_type_is_404_with_the_nearest_name(seven: Api) -> None:
    refused = seven.get("/Pateint?_id=1")
    assert refused.status_code == 404
    assert "Did you mean 'Patient'?" in refused.text


def test_scopes_bound_a_search(seven: Api) -> None:
    assert seven.scoped("user/Patient.r").get("/Patient").status_code == 403
    own = seven.scoped("patient/*.rs", patient="p0").get("/Patient").json()
    assert (ids(own), own["total"]) == (["p0"], 1)
