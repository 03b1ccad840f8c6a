"""Bodies that no honest client sends: each is refused with a 4xx that names what is wrong, and nothing is stored."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_lab.services import Services
from tests.support.api import BASE, Api, Json, issues, patient
from tests.support.asgi import call

NUL, HALF = "\\u0000", "\\ud800"
PATIENT = '{"resourceType":"Patient",%s}'
UUID = "urn:uuid:11111111-1111-4111-8111-111111111111"


@pytest.fixture
def api(services: Services) -> Api:
    return Api(services)


def bundle(kind: str, *entries: Any, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)} | more


def creating(**more: Any) -> Json:
    return {"request": {"method": "POST", "url": "Patient"}, "resource": patient()} | more


def stored(api: Api) -> int:
    total: int = api.get("/Patient?_summary=count").json()["total"]
    return total


IMPOSSIBLE = (
    ('{"resourceType":"Patient","name":[{"family":"a%s"}]}', "Patient.name[0].family"),
    ('{"resourceType":"Patient","meta":{"tag":[{"system":"%s"}]}}', "Patient.meta.tag[0].system"),
    ('{"resourceType":"Pat%s"}', "http.body.resourceType"),
    ('{"resourceType":"Patient","x%s":1}', "Patient"),
    ('["%s"]', "http.body[0]"),
)


def test_what_is_no_character_is_refused_with_its_place(api: Api) -> None:
    for character in (NUL, HALF, "\\udc00\\ud800", "\\uDFFF"):
        for body, where in IMPOSSIBLE:
            refused = api.post("/Patient", (body % character).encode(), Content_Type="application/fhir+json")
            assert (refused.status_code, issues(refused)) == (400, [("value", [where])])
    assert stored(api) == 0


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_what_is_no_character_is_refused_in_the_request_of_an_entry_too(api: Api, kind: str) -> None:
    for name in ("method", "url", "ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"):
        for character in (NUL, HALF):
            entry = creating()
            entry["request"][name] = "identifier=a|@"
            text = json.dumps(bundle(kind, entry)).replace("@", character)
            refused = api.post("", text.encode(), Content_Type="application/fhir+json")
            assert (refused.status_code, issues(refused)) == (400, [("value", [f"Bundle.entry[0].request.{name}"])])


def test_a_written_backslash_before_u0000_and_a_whole_surrogate_pair_are_ordinary_text(api: Api) -> None:
    body = PATIENT % '"name":[{"family":"C:\\\\u0000 \\ud83d\\ude00"}]'
    created = api.post("/Patient", body.encode(), Content_Type="application/fhir+json")
    assert created.json()["name"] == [{"family": "C:\\u0000 \U0001f600"}]


def test_nul_in_a_condition_is_refused(api: Api) -> None:
    for query in ("identifier=a|%00", "identifier=a%7Cb%00c", "identifier=%00", "name=%00"):
        for refused in (
            api.post("/Patient", patient(), If_None_Exist=query),
            api.put(f"/Patient?{query}", patient()),
            api.delete(f"/Patient?{query}"),
            api.get(f"/Patient?{query}"),
            api.post("/Patient/_search", query.encode(), Content_Type="application/x-www-form-urlencoded"),
        ):
            assert refused.status_code == 400
            assert issues(refused)[0][0] == "value"
    assert stored(api) == 0


def test_a_bundle_with_an_element_that_bundles_do_not_have_is_refused(api: Api) -> None:
    wrong: list[Json] = [{"entries": []}, {"total": 1}, {"link": {}}, {"id": "a b"}]
    for kind in ("batch", "transaction"):
        for more in wrong:
            refused = api.post("", bundle(kind, creating(), **more))
            assert (refused.status_code, issues(refused)[0][1]) == (400, [f"Bundle.{next(iter(more))}"])
    assert stored(api) == 0


WRONG_ENTRIES: list[tuple[Any, str]] = [
    (creating(fullUrl=[]), "fullUrl"),
    (creating(fullUrl={}), "fullUrl"),
    (creating(fullUrl=""), "fullUrl"),
    (creating(fullUrl=None), "fullUrl"),
    (creating(resorce=patient()), "resorce"),
    (creating(request={"method": "POST", "url": "Patient", "ifNoneExist": ""}), "request.ifNoneExist"),
    (creating(request={"method": "POST", "url": "Patient", "ifNoneExist": None}), "request.ifNoneExist"),
    (creating(request={"method": "POST", "url": "Patient", "ifNoneExist": ["x"]}), "request.ifNoneExist"),
    (creating(request={"method": "POST", "url": "Patient", "ifNonExist": "x"}), "request.ifNonExist"),
    (creating(request={"method": "post", "url": "Patient"}), "request.method"),
    (creating(request={"method": "POST"}), "request"),
    (creating(request=None), "request"),
    (None, "request"),
    ({}, "request"),
    ([], "request"),
]


def test_a_malformed_entry_refuses_a_transaction_and_only_itself_in_a_batch(api: Api) -> None:
    for number, (entry, where) in enumerate(WRONG_ENTRIES):
        refused = api.post("", bundle("transaction", creating(), entry))
        assert (refused.status_code, issues(refused)[0][1]) == (400, [f"Bundle.entry[1].{where}"])
        assert stored(api) == 2 * number
        answered = api.post("", bundle("batch", creating(), entry, creating())).json()["entry"]
        assert [each["response"]["status"][:3] for each in answered] == ["201", "400", "201"]
        assert answered[1]["response"]["outcome"]["issue"][0]["expression"] == [f"Bundle.entry[1].{where}"]


def test_two_entries_of_a_transaction_with_one_full_url_are_refused(api: Api) -> None:
    refused = api.post("", bundle("transaction", creating(fullUrl=UUID), creating(fullUrl=UUID)))
    assert (refused.status_code, issues(refused)) == (400, [("invariant", ["Bundle.entry[1].fullUrl"])])
    assert stored(api) == 0


def test_an_entry_is_not_taken_for_one_below_the_base_because_its_url_begins_with_it(api: Api) -> None:
    url = f"{api.services.settings.fhir_base}Patient"
    refused = api.post("", bundle("transaction", creating(request={"method": "POST", "url": url})))
    assert refused.status_code == 404


def test_an_entry_that_asks_for_a_format_that_cannot_be_produced_is_refused(api: Api) -> None:
    answered = api.post("", bundle("batch", {"request": {"method": "GET", "url": "Patient?_format=xml"}})).json()
    assert answered["entry"][0]["response"]["status"] == "406 Not Acceptable"


def test_an_empty_if_none_exist_is_refused_rather_than_ignored(api: Api) -> None:
    refused = call(api.app, "POST", f"{BASE}/Patient", headers=api.headers | {"If-None-Exist": ""}, json=patient())
    assert refused.status_code == 400
    assert stored(api) == 0


class Endless:
    """A chunked body that never ends; `read` counts the bytes that were taken of it."""

    def __init__(self) -> None:
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read += 10_000
            yield b"x" * 10_000


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient", **{f"unknown{number}": 1 for number in range(100_000)}},
        {"resourceType": "Patient", "contact": [{"gender": "femal"}] * 50_000},
        {"resourceType": "Patient", "link": [{"type": "refer", "other": {"reference": "Patent/1"}}] * 30_000},
    ],
    ids=["unknown-elements", "unknown-codes", "unknown-types"],
)
def test_a_hundred_thousand_errors_are_told_soon_and_in_part(api: Api, body: Json) -> None:
    sent, started = json.dumps(body).encode(), time.process_time()
    refused = api.post("/Patient", sent, Content_Type="application/fhir+json")
    assert time.process_time() - started < 6
    assert (refused.status_code, len(issues(refused))) == (400, 201)
    assert "more errors are not listed" in refused.json()["issue"][-1]["details"]["text"]


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(services: Services) -> None:
    services.settings = services.settings.model_copy(update={"max_body_bytes": 100_000})
    api, body = Api(services), Endless()
    for method, path in (("POST", "/Patient"), ("PUT", "/Patient/a"), ("POST", ""), ("POST", "/Patient/_search")):
        refused = call(api.app, method, f"{BASE}{path}", headers=api.headers, content=body)
        assert (refused.status_code, issues(refused)) == (413, [("too-long", ["http.body"])])
        assert refused.headers["connection"] == "close"
    assert body.read <= 4 * 110_000


def test_no_body_is_read_without_a_token(api: Api) -> None:
    body = Endless()
    for headers in ({}, {"Authorization": "Bearer x.y.z"}):
        assert call(api.app, "POST", f"{BASE}/Patient", headers=headers, content=body).status_code == 401
    assert body.read == 0
