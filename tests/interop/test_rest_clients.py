"""What other clients send, byte by byte as they send it: kit-style REST clients, server SDKs, load tools, SMART JS.

They are written in other languages, so their requests are made here with a plain HTTP client.
"""

import gzip
import uuid
from itertools import count
from typing import Any

import httpx
import pytest

from tests.support.laboratory import Laboratory

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"
AMARA = "Patient/amara-okoye"


def ids(bundle: Json, kind: str = "") -> list[str]:
    found = [entry["resource"] for entry in bundle.get("entry", [])]
    return [each["id"] for each in found if not kind or each["resourceType"] == kind]


def next_of(bundle: Json) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def test_every_way_to_discover_authorization_says_the_same(laboratory: Laboratory) -> None:
    smart = httpx.get(f"{laboratory.base}/.well-known/smart-configuration")
    assert (smart.status_code, smart.headers["content-type"]) == (200, "application/json")
    [rest] = httpx.get(f"{laboratory.base}/metadata", headers={"Accept": FHIR_JSON}).json()["rest"]
    uris = {each["url"]: each["valueUri"] for each in rest["security"]["extension"][0]["extension"]}
    names = {"token": "token_endpoint", "authorize": "authorization_endpoint", "register": "registration_endpoint"}
    assert {name: uris.get(name) for name in names} == {name: smart.json().get(key) for name, key in names.items()}
    openid = httpx.get(f"{laboratory.base}/.well-known/openid-configuration")
    if openid.status_code == 200:
        assert openid.json()["token_endpoint"] == uris["token"]
    else:
        assert (openid.status_code, openid.headers["content-type"]) == (404, "application/problem+json")


def test_a_search_by_form_gives_what_one_by_url_does(laboratory: Laboratory) -> None:
    form = {"subject": AMARA, "category": "laboratory", "_sort": "-date,_id", "_count": "4"}
    by_url = laboratory.ask("GET", "Observation", params=form).json()
    by_form = laboratory.ask("POST", "Observation/_search", data=form).json()
    half, rest = dict(list(form.items())[:2]), dict(list(form.items())[2:])
    by_both = laboratory.ask("POST", "Observation/_search", params=half, data=rest).json()
    assert ids(by_url) == ids(by_form) == ids(by_both)
    assert by_url["total"] == by_form["total"] == by_both["total"] > 4
    following = [laboratory.ask("GET", str(next_of(each))).json() for each in (by_url, by_form, by_both)]
    assert ids(following[0]) == ids(following[1]) == ids(following[2]) != ids(by_url)


def test_history_at_every_level_and_the_compartment(laboratory: Laboratory) -> None:
    made = laboratory.ask("POST", "Patient", json={"resourceType": "Patient"}).json()
    path = f"Patient/{made['id']}"
    laboratory.ask("PUT", path, json={**made, "active": True})
    laboratory.ask("DELETE", path)
    for level in (path, "Patient", ""):
        history = laboratory.ask("GET", f"{level}/_history".lstrip("/"), params={"_count": "3"}).json()
        assert history["type"] == "history"
        assert [each["request"]["method"] for each in history["entry"]] == ["DELETE", "PUT", "POST"]
        assert {each["fullUrl"] for each in history["entry"]} == {f"{laboratory.base}/{path}"}
    in_compartment = laboratory.ask("GET", f"{AMARA}/Observation", params={"_count": "1000"}).json()
    by_patient = laboratory.ask("GET", "Observation", params={"patient": AMARA, "_count": "1000"}).json()
    assert sorted(ids(in_compartment)) == sorted(ids(by_patient))
    whole = laboratory.ask("GET", f"{AMARA}/*", params={"_count": "1000"}).json()
    assert {"Observation", "ServiceRequest", "Specimen"} <= {
        each["resource"]["resourceType"] for each in whole["entry"]
    }


def test_operations_by_get_and_by_post_give_the_same(laboratory: Laboratory) -> None:
    given = laboratory.ask("GET", f"{AMARA}/$everything", params={"_count": "1000"}).json()
    sent = {"resourceType": "Parameters", "parameter": [{"name": "_count", "valueInteger": 1000}]}
    posted = laboratory.ask("POST", f"{AMARA}/$everything", json=sent).json()
    assert ids(given) == ids(posted)
    assert "amara-okoye" in ids(given)
    newest = laboratory.ask("GET", "Observation/$lastn", params={"patient": AMARA, "category": "laboratory"}).json()
    sent["parameter"] = [{"name": "patient", "valueString": AMARA}, {"name": "category", "valueString": "laboratory"}]
    assert ids(laboratory.ask("POST", "Observation/$lastn", json=sent).json()) == ids(newest) != []


@pytest.mark.parametrize(
    "accept", [f"{FHIR_JSON}, */*; q=0.1", "application/json", "*/*", f"{FHIR_JSON};q=0.9,text/plain"]
)
def test_what_clients_accept_is_json(laboratory: Laboratory, accept: str) -> None:
    for path in (AMARA, "Patient?_count=1", "Patient/nobody"):
        answer = laboratory.ask("GET", path, headers={"Accept": accept})
        assert answer.headers["content-type"] == f"{FHIR_JSON}; charset=utf-8"
        assert answer.json()["resourceType"] in ("Patient", "Bundle", "OperationOutcome")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_query_of_a_next_link_works_at_the_address_of_the_type(laboratory: Laboratory, size: int) -> None:
    """Server SDKs keep only the query string of `next` and ask `[base]/[Type]?...` again."""
    seen: list[str] = []
    query = f"subject={AMARA}&_count={size}&_sort=_id"
    for page in count():
        assert page < 100
        bundle = laboratory.ask("GET", f"Observation?{query}").json()
        assert all(entry["search"]["mode"] == "match" for entry in bundle["entry"])
        seen += ids(bundle)
        link = next_of(bundle)
        if link is None:
            break
        url = httpx.URL(link)
        assert (url.is_absolute_url, str(url.copy_with(query=None))) == (True, f"{laboratory.base}/Observation")
        query = url.query.decode()
    whole = laboratory.ask("GET", "Observation", params={"subject": AMARA, "_summary": "count"}).json()["total"]
    assert seen == sorted(set(seen))
    assert len(seen) == whole


def test_the_query_of_a_next_link_works_for_a_compartment_and_a_history_too(laboratory: Laboratory) -> None:
    for path in (f"{AMARA}/Observation", "Patient/_history", "_history"):
        first = laboratory.ask("GET", path, params={"_count": "2"}).json()
        following = httpx.URL(str(next_of(first))).query.decode()
        second = laboratory.ask("GET", f"{path}?{following}").json()
        assert len(second["entry"]) == 2
        assert [each.get("fullUrl") for each in second["entry"]] != [each.get("fullUrl") for each in first["entry"]]


def test_a_load_tool_creates_reads_and_deletes_with_plain_json(laboratory: Laboratory) -> None:
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Accept-Encoding": "gzip"}
    name = f"Load{uuid.uuid4().hex}"
    created = laboratory.ask(
        "POST", "Patient", json={"resourceType": "Patient", "name": [{"family": name}]}, headers=headers
    )
    assert (created.status_code, created.json()["name"]) == (201, [{"family": name}])
    path = f"Patient/{created.json()['id']}"
    assert created.headers["location"] == f"{laboratory.base}/{path}/_history/1"
    updated = laboratory.ask("PUT", path, json={**created.json(), "gender": "male"}, headers=headers)
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
    found = laboratory.ask("GET", f"Patient?family={name}", headers=headers)
    assert ids(found.json()) == [created.json()["id"]]
    deleted = laboratory.ask("DELETE", path, headers=headers)
    assert (deleted.status_code, deleted.json()["resourceType"]) == (200, "OperationOutcome")
    assert laboratory.ask("GET", path, headers=headers).status_code == 410


def test_answers_are_compressed_for_who_can_read_them(laboratory: Laboratory) -> None:
    url, headers = f"{laboratory.base}/metadata", {"Authorization": laboratory.authorization}
    with httpx.stream("GET", url, headers={**headers, "Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["vary"]
    with httpx.stream("GET", url, headers={**headers, "Accept-Encoding": "identity"}) as answer:
        assert "content-encoding" not in answer.headers
        assert gzip.decompress(raw) == b"".join(answer.iter_raw())
    assert len(raw) * 3 < len(gzip.decompress(raw))


def test_a_smart_client_patches_with_the_media_type_it_writes(laboratory: Laboratory) -> None:
    made = laboratory.ask("POST", "Patient", json={"resourceType": "Patient"}).json()
    answer = laboratory.ask(
        "PATCH",
        f"Patient/{made['id']}",
        content=b'[{"op":"add","path":"/active","value":true}]',
        headers={"Content-Type": "application/json-patch+json; charset=UTF-8"},
    )
    assert (answer.status_code, answer.json()["active"]) == (200, True)


def test_a_smart_client_is_told_by_401_to_refresh_its_token(laboratory: Laboratory) -> None:
    answer = httpx.get(f"{laboratory.base}/Patient", headers={"Authorization": "Bearer expired"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.json()["resourceType"] == "OperationOutcome"
    browser = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}
    asked = {**browser, "Access-Control-Request-Headers": "authorization,content-type,if-match,prefer"}
    preflight = httpx.options(f"{laboratory.base}/Patient/1", headers=asked)
    assert preflight.status_code in (200, 204)
    assert preflight.headers["access-control-allow-origin"] in ("*", "https://app.example")
    answer = laboratory.ask("GET", AMARA, headers={"Origin": "https://app.example"})
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert all(name in exposed for name in ("etag", "location", "content-location", "last-modified"))
