"""history of a resource, a type and the system."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api import BASE, Api, Json, issues, links, patient


def shown(bundle: Json) -> list[tuple[str, str, str]]:
    """(method, url, etag) of each entry."""
    return [(e["request"]["method"], e["request"]["url"], e["response"]["etag"]) for e in bundle.get("entry", [])]


def three_versions(api: Api) -> None:
    api.put("/Patient/a", patient("a", active=True))
    api.put("/Patient/a", patient("a", active=False))
    api.delete("/Patient/a")


def test_history_shows_every_version_newest_first_with_request_and_response(api: Api) -> None:
    three_versions(api)
    bundle = api.get("/Patient/a/_history").json()
    assert (bundle["type"], bundle["total"]) == ("history", 3)
    assert shown(bundle) == [
        ("DELETE", "Patient/a", 'W/"3"'),
        ("PUT", "Patient/a", 'W/"2"'),
        ("PUT", "Patient/a", 'W/"1"'),
    ]
    deleted, updated, created = bundle["entry"]
    assert "resource" not in deleted
    assert [each["response"]["status"] for each in bundle["entry"]] == ["204 No Content", "200 OK", "201 Created"]
    assert {each["fullUrl"] for each in bundle["entry"]} == {f"{BASE}/Patient/a"}
    assert (updated["resource"]["active"], created["resource"]["active"]) == (False, True)
    assert updated["response"]["lastModified"] == updated["resource"]["meta"]["lastUpdated"]
    assert links(bundle)["self"] == f"{BASE}/Patient/a/_history"


def test_a_created_resource_appears_as_a_post_to_its_type(api: Api) -> None:
    made = api.post("/Patient", patient()).json()["id"]
    assert shown(api.get(f"/Patient/{made}/_history").json()) == [("POST", "Patient", 'W/"1"')]


def test_history_of_a_type_and_of_the_system_hold_what_was_written(api: Api) -> None:
    three_versions(api)
    api.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "Lab"})
    assert api.get("/Patient/_history").json()["total"] == 3
    assert [url for _, url, _ in shown(api.get("/_history").json())] == ["Organization/o", *["Patient/a"] * 3]


def test_pages_of_history_follow_the_next_link_to_every_version_once(api: Api) -> None:
    for index in range(7):
        api.put("/Patient/a", patient("a", active=index % 2 == 0))
    seen: list[str] = []
    url: str | None = "/Patient/a/_history?_count=3"
    while url:
        bundle = api.get(url).json()
        assert bundle["total"] == 7
        seen += [etag for _, _, etag in shown(bundle)]
        url = links(bundle).get("next")
    assert seen == [f'W/"{version}"' for version in range(7, 0, -1)]


def test_since_keeps_what_was_written_at_or_after_it(api: Api) -> None:
    api.services.clock.set(datetime(2026, 1, 1, 12, tzinfo=UTC))
    api.put("/Patient/a", patient("a", active=True))
    api.services.clock.advance(timedelta(hours=1))
    api.put("/Patient/a", patient("a", active=False))
    for since, total in (
        ("2026-01-01T12:00:00Z", 2),
        ("2026-01-01T12:00:01Z", 1),
        ("2026-01-01T14:00:00%2B01:00", 1),
        ("2026-01-01T14:00:00+01:00", 1),
        ("2027", 0),
    ):
        bundle = api.get(f"/Patient/a/_history?_since={since}").json()
        assert (since, bundle["total"], len(bundle.get("entry", []))) == (since, total, total)


def test_at_keeps_what_was_current_then(api: Api) -> None:
    api.services.clock.set(datetime(2026, 1, 1, 12, tzinfo=UTC))
    api.put("/Patient/a", patient("a", active=True))
    api.services.clock.advance(timedelta(hours=1))
    api.put("/Patient/a", patient("a", active=False))
    found = api.get("/Patient/a/_history?_at=2026-01-01T12:30:00Z").json()
    assert shown(found) == [("PUT", "Patient/a", 'W/"1"')]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("_since=banana", "http._since"),
        ("_at=2026-13-01", "http._at"),
        ("_count=-1", "http._count"),
        ("_count=x", "http._count"),
        ("_foo=1", "http._foo"),
        ("_count=1&_count=2", "http._count"),
        ("_page=nonsense", "http._page"),
    ],
)
def test_a_malformed_parameter_is_refused_and_named(api: Api, query: str, where: str) -> None:
    api.put("/Patient/a", patient("a"))
    refused = api.get(f"/Patient/a/_history?{query}")
    assert (refused.status_code, issues(refused)[0][1]) == (400, [where])


def test_count_zero_gives_the_total_alone(api: Api) -> None:
    three_versions(api)
    bundle = api.get("/Patient/a/_history?_count=0").json()
    assert (bundle["total"], "entry" in bundle) == (3, False)


def test_history_of_what_never_was_is_404(api: Api) -> None:
    assert api.get("/Patient/none/_history").status_code == 404


def test_scopes_bound_each_history(api: Api) -> None:
    three_versions(api)
    reader, searcher = api.scoped("user/Patient.r"), api.scoped("user/Patient.s")
    assert reader.get("/Patient/a/_history").status_code == 200
    assert reader.get("/Patient/_history").status_code == 403
    assert reader.get("/_history").status_code == 403
    assert searcher.get("/Patient/a/_history").status_code == 403
    assert searcher.get("/Patient/_history").json()["total"] == 3
    assert searcher.get("/_history").json()["total"] == 3
    assert api.scoped("user/Observation.cruds").get("/Patient/_history").status_code == 403


def test_a_list_names_what_history_is_of(api: Api) -> None:
    for name in ("a", "b"):
        api.put(f"/Patient/{name}", patient(name, active=True))
        api.put(f"/Patient/{name}", patient(name, active=False))
    api.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "Lab"})
    items = [{"item": {"reference": reference}} for reference in ("Patient/a", "Organization/o")]
    api.put("/List/l", {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": items})
    found = api.get("/Patient/_history?_list=l&_count=1").json()
    assert (found["total"], shown(found)) == (2, [("PUT", "Patient/a", 'W/"2"')])
    assert shown(api.get(links(found)["next"]).json()) == [("PUT", "Patient/a", 'W/"1"')]
    assert [url for _, url, _ in shown(api.get("/_history?_list=List/l").json())] == [
        "Organization/o",
        *["Patient/a"] * 2,
    ]
    assert api.get("/Observation/_history?_list=l").json()["total"] == 0
    api.delete("/Patient/a")
    assert api.get("/Patient/_history?_list=l").status_code == 200


@pytest.mark.parametrize(
    ("query", "status"), [("_list=none", 400), ("_list=$current-problems", 400), ("_list=a&_list=b", 400)]
)
def test_a_list_that_is_not_there_is_told(api: Api, query: str, status: int) -> None:
    refused = api.get(f"/Patient/_history?{query}")
    assert (refused.status_code, issues(refused)[0][1]) == (status, ["http._list"])


def test_a_list_that_the_caller_may_not_read_tells_nothing(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    entries = [{"item": {"reference": "Patient/a"}}]
    api.put("/List/l", {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": entries})
    assert api.scoped("user/Patient.rs").get("/Patient/_history?_list=l").status_code == 403
    assert api.scoped("user/Patient.rs user/List.r").get("/Patient/_history?_list=l").json()["total"] == 1


@pytest.mark.parametrize("name", ["_sort=_lastUpdated", "_list=l", "_include=*", "active=true"])
def test_history_of_a_resource_takes_no_parameter_of_a_search(api: Api, name: str) -> None:
    api.put("/Patient/a", patient("a"))
    refused = api.get(f"/Patient/a/_history?{name}")
    assert (refused.status_code, issues(refused)[0][0]) == (400, "not-supported")


def test_every_listed_version_can_be_read_and_the_times_never_increase(api: Api) -> None:
    three_versions(api)
    api.put("/Patient/a", patient("a", gender="male"))
    api.put("/Patient/b", patient("b"))
    entries = api.get("/Patient/_history?_count=1000").json()["entry"]
    assert len({(entry["fullUrl"], entry["response"]["etag"]) for entry in entries}) == len(entries) == 5
    moments = [entry["response"]["lastModified"] for entry in entries]
    assert moments == sorted(moments, reverse=True)
    for entry in entries:
        version = entry["response"]["etag"][3:-1]
        read = api.get(f"{entry['fullUrl']}/_history/{version}")
        if entry["request"]["method"] == "DELETE":
            assert read.status_code == 410
        else:
            assert (read.status_code, read.json()) == (200, entry["resource"])


def test_pages_lead_back_as_they_led_forward(api: Api) -> None:
    for index in range(7):
        api.put("/Patient/a", patient("a", active=index % 2 == 0))
    page = api.get("/Patient/a/_history?_count=3").json()
    forward = [shown(page)]
    while "next" in links(page):
        page = api.get(links(page)["next"]).json()
        forward.append(shown(page))
    assert [len(each) for each in forward] == [3, 3, 1]
    back = [shown(page)]
    while "previous" in links(page):
        page = api.get(links(page)["previous"]).json()
        back.append(shown(page))
    assert back == forward[::-1]
    assert page["total"] == 7


def test_since_is_inclusive_to_the_millisecond_that_the_resource_tells(api: Api) -> None:
    for index in range(4):
        api.put("/Patient/a", patient("a", active=index % 2 == 0))
    versions = api.get("/Patient/a/_history").json()["entry"]
    for version in versions:
        moment = version["resource"]["meta"]["lastUpdated"]
        found = api.get(f"/Patient/a/_history?_since={moment}").json()
        expected = [entry for entry in versions if entry["resource"]["meta"]["lastUpdated"] >= moment]
        assert found["total"] == len(expected)
    assert api.get("/Patient/a/_history?_since=2999-01-01T00:00:00Z").json()["total"] == 0
