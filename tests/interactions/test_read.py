"""read and vread."""

import pytest

from tests.support.api import Api, issues, patient


def test_a_read_returns_the_stored_document_with_its_version_and_date(api: Api) -> None:
    written = api.put("/Patient/a", patient("a", active=True))
    read = api.get("/Patient/a")
    assert read.status_code == 200
    assert read.content == written.content
    assert read.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert read.headers["etag"] == 'W/"1"'
    assert read.headers["last-modified"] == written.headers["last-modified"]
    assert read.headers["vary"].split(", ")[0] == "Accept"
    assert read.headers["cache-control"] == "private, no-cache"


def test_every_digit_of_a_decimal_survives(api: Api) -> None:
    body = (
        b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"K"},"valueQuantity":{"value":6.30}}'
    )
    assert api.put("/Observation/o", body, Content_Type="application/fhir+json").status_code == 201
    assert b'"value":6.30}' in api.get("/Observation/o").content
    assert b'"value": 6.30' in api.get("/Observation/o?_pretty=true").content


def test_a_resource_that_never_was_is_404_and_a_deleted_one_410(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    api.delete("/Patient/a")
    assert (api.get("/Patient/none").status_code, issues(api.get("/Patient/none"))) == (404, [("not-found", [])])
    assert (api.get("/Patient/a").status_code, issues(api.get("/Patient/a"))) == (410, [("deleted", [])])


def test_each_version_can_be_read_except_the_one_that_deleted(api: Api) -> None:
    api.put("/Patient/a", patient("a", active=True))
    api.put("/Patient/a", patient("a", active=False))
    api.delete("/Patient/a")
    first, second = api.get("/Patient/a/_history/1"), api.get("/Patient/a/_history/2")
    assert (first.status_code, first.json()["active"], first.json()["meta"]["versionId"]) == (200, True, "1")
    assert (second.status_code, second.json()["active"], second.headers["etag"]) == (200, False, 'W/"2"')
    assert api.get("/Patient/a/_history/3").status_code == 410


@pytest.mark.parametrize("vid", ["2", "0", "x", "99999999999", "1.0"])
def test_a_version_that_never_was_is_404(api: Api, vid: str) -> None:
    api.put("/Patient/a", patient("a"))
    assert api.get(f"/Patient/a/_history/{vid}").status_code == 404


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1"])
def test_a_copy_that_is_current_is_answered_304_without_a_body(api: Api, tag: str) -> None:
    api.put("/Patient/a", patient("a"))
    read = api.get("/Patient/a", If_None_Match=tag)
    assert (read.status_code, read.content, read.headers["etag"]) == (304, b"", 'W/"1"')
    assert "content-type" not in read.headers


def test_if_modified_since_is_answered_304_until_the_resource_changes(api: Api) -> None:
    written = api.put("/Patient/a", patient("a"))
    assert api.get("/Patient/a", If_Modified_Since=written.headers["last-modified"]).status_code == 304
    assert api.get("/Patient/a", If_Modified_Since="Mon, 01 Jan 2024 00:00:00 GMT").status_code == 200


def test_head_is_a_get_without_the_body(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    read, head = api.get("/Patient/a"), api.call("HEAD", "/Patient/a")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "last-modified", "content-type"):
        assert head.headers[name] == read.headers[name]


def test_an_unknown_parameter_of_a_read_is_refused_unless_lenient(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    refused = api.get("/Patient/a?foo=bar")
    assert (refused.status_code, issues(refused)) == (400, [("not-supported", ["http.foo"])])
    assert api.get("/Patient/a?foo=bar", Prefer="handling=lenient").status_code == 200
