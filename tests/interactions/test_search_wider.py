"""Searches of several types and of compartments, as a client sees them: paths, methods, links, refusals."""

from typing import Any

import pytest

from tests.support.api import BASE, Api, issues, links, observation, patient

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def stocked(api: Api) -> Api:
    """Two patients, with two results of the first and one of the second."""
    for name in ("p", "q"):
        api.put(f"/Patient/{name}", patient(name, birthDate="1980-01-01"))
    for name, of in (("a", "p"), ("b", "p"), ("c", "q")):
        api.put(f"/Observation/{name}", observation(f"Patient/{of}", id=name))
    return api


def names(bundle: dict[str, Any]) -> set[str]:
    found = [entry["fullUrl"].removeprefix(f"{BASE}/") for entry in bundle.get("entry", [])]
    assert len(set(found)) == len(found)
    return set(found)


def walked(api: Api, url: str) -> set[str]:
    found: set[str] = set()
    while url:
        bundle = api.get(url).json()
        assert not found & names(bundle)
        found |= names(bundle)
        url = links(bundle).get("next", "")
    return found


ALL = {"Patient/p", "Patient/q", "Observation/a", "Observation/b", "Observation/c"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("?_type=Patient,Observation", ALL),
        ("/?_type=Patient,Observation", ALL),
        ("?_type=Observation&patient=p", {"Observation/a", "Observation/b"}),
        ("?_id=a,p", {"Observation/a", "Patient/p"}),
        ("/Patient/p/Observation", {"Observation/a", "Observation/b"}),
        ("/Patient/p/Observation?_id=a", {"Observation/a"}),
        ("/Patient/p/*", {"Patient/p", "Observation/a", "Observation/b"}),
        ("/Patient/p/*?_type=Observation", {"Observation/a", "Observation/b"}),
        ("/Patient/nobody/Observation", set()),
    ],
)
def test_pages_of_one_are_followed_to_the_same_set_and_get_and_post_agree(
    stocked: Api, path: str, expected: set[str]
) -> None:
    whole = stocked.get(path).json()
    assert (whole["type"], whole["total"], names(whole)) == ("searchset", len(expected), expected)
    assert walked(stocked, f"{path}{'&' if '?' in path else '?'}_count=1") == expected
    place, _, query = path.partition("?")
    posted = stocked.post(f"{place.rstrip('/')}/_search", query.encode(), Content_Type=FORM)
    assert (posted.status_code, names(posted.json())) == (200, expected)
    assert links(posted.json())["self"] == links(whole)["self"]
    assert walked(stocked, links(posted.json())["self"]) == expected


def test_all_of_a_compartment_can_be_asked_for_by_post_without_a_star(stocked: Api) -> None:
    posted = stocked.post("/Patient/p/_search", b"_type=Observation", Content_Type=FORM).json()
    assert names(posted) == {"Observation/a", "Observation/b"}
    assert links(posted)["self"] == f"{BASE}/Patient/p/*?_type=Observation"


def test_everything_is_found_without_a_type(stocked: Api) -> None:
    assert names(stocked.get("").json()) == ALL
    assert stocked.get("?_summary=count").json()["total"] == len(ALL)


def test_reads_stay_reads(stocked: Api) -> None:
    assert stocked.get("/Patient/p").json()["resourceType"] == "Patient"


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/Patient/p/Task", 400, "It holds: Account"),
        ("GET", "/Patient/p/Observaton", 404, "Did you mean 'Observation'?"),
        ("GET", "/Observation/a/Patient", 404, "these have: Device, Encounter, Patient"),
        ("GET", "/Patient/p/$nothing", 404, "no path"),
        ("POST", "/Patient/p/$nothing", 404, "no path"),
        ("GET", "/Patient/p/_search", 405, "allowed: OPTIONS, POST"),
        ("POST", "/Patient/p/Observation", 405, "allowed: GET, HEAD, OPTIONS"),
        ("GET", "?_type=Observaton", 400, "Did you mean 'Observation'?"),
        ("GET", "?birthdate=1980", 400, "not a search parameter of every type"),
        ("GET", "?_type=Patient&_elements=nonsense", 400, "no element"),
        ("GET", "?_type=Patient,Observation&_elements=nonsense", 400, "None of the searched types"),
    ],
)
def test_wrong_places_are_refused_with_what_there_is(
    stocked: Api, method: str, path: str, status: int, said: str
) -> None:
    refused = stocked.call(method, path)
    assert (refused.status_code, said in refused.text) == (status, True), refused.text
    assert issues(refused)


def test_elements_of_any_searched_type_can_be_named(stocked: Api) -> None:
    found = stocked.get("?_type=Patient,Observation&_id=p,a&_elements=birthDate,Observation.subject").json()
    cut = {entry["resource"]["resourceType"]: set(entry["resource"]) for entry in found["entry"]}
    assert cut["Patient"] == {"resourceType", "id", "meta", "birthDate"}
    assert cut["Observation"] == {"resourceType", "id", "meta", "status", "code", "subject"}


def test_a_batch_searches_wider_too(stocked: Api) -> None:
    asked = [{"request": {"method": "GET", "url": url}} for url in ("Patient/p/Observation", "?_type=Patient")]
    answers = stocked.post("/", {"resourceType": "Bundle", "type": "batch", "entry": asked}).json()["entry"]
    assert [names(answer["resource"]) for answer in answers] == [
        {"Observation/a", "Observation/b"},
        {"Patient/p", "Patient/q"},
    ]


def test_scopes_bound_wider_searches(stocked: Api) -> None:
    own = stocked.scoped("patient/*.rs", patient="p")
    assert names(own.get("").json()) == {"Patient/p", "Observation/a", "Observation/b"}
    assert names(own.get("/Patient/q/*").json()) == set()
    narrow = stocked.scoped("user/Observation.rs?_id=a")
    assert names(narrow.get("/Patient/p/*").json()) == {"Observation/a"}
    assert narrow.get("/Patient/p/Encounter").status_code == 403
    assert narrow.get("?_type=Observation,Patient").status_code == 403
    assert stocked.scoped("user/Observation.r").get("").status_code == 403


def test_sorting_by_what_not_every_type_has_names_the_types(stocked: Api) -> None:
    refused = stocked.get("/?_sort=-birthdate")
    assert refused.status_code == 400
    (issue,) = refused.json()["issue"]
    assert issue["expression"] == ["http._sort"]
    assert "'birthdate' is not a search parameter of every type" in issue["details"]["text"]
    lenient = stocked.get("/?_sort=-birthdate", Prefer="handling=lenient").json()
    assert "_sort" not in next(link["url"] for link in lenient["link"] if link["relation"] == "self")
