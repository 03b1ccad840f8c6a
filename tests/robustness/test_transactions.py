"""Transactions that twist themselves: overlaps, cycles, conditions without a single answer, great length, races."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json, issues, observation, patient

Call = Callable[[], Any]
IDENTIFIER = "identifier=urn:mrn|1"


@pytest.fixture
def api(services: Services) -> Api:
    return Api(services)


def entry(method: str, url: str, resource: Json | None = None, full_url: str = "", **request: str) -> Json:
    found: Json = {"request": {"method": method, "url": url} | request}
    return found | ({"resource": resource} if resource else {}) | ({"fullUrl": full_url} if full_url else {})


def urn(number: int) -> str:
    return f"urn:uuid:{number:08d}-1111-4111-8111-111111111111"


def post(api: Api, *entries: Json, kind: str = "transaction") -> Any:
    return api.post("", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def statuses(answered: Any) -> list[str]:
    assert answered.status_code == 200, answered.text
    return [each["response"]["status"][:3] for each in answered.json()["entry"]]


def known(value: str = "1", **more: Any) -> Json:
    return patient(identifier=[{"system": "urn:mrn", "value": value}], **more)


def test_a_conditional_create_does_not_find_what_its_transaction_deletes(api: Api) -> None:
    api.put("/Patient/old", known() | {"id": "old"})
    for first in (entry("DELETE", "Patient/old"), entry("DELETE", f"Patient?{IDENTIFIER}")):
        answered = post(api, entry("POST", "Patient", known(), ifNoneExist=IDENTIFIER), first)
        assert statuses(answered) == ["201", "204"]
        assert api.get(f"/Patient?{IDENTIFIER}").json()["total"] == 1
        if "old" in first["request"]["url"]:
            assert api.get("/Patient/old").status_code == 410


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (entry("PUT", "Patient/a", patient("a")), entry("DELETE", "Patient/a")),
        (entry("DELETE", "Patient/a"), entry("DELETE", "Patient/a")),
        (entry("PUT", "Patient/a", patient("a")), entry("PUT", "Patient?_id=a", patient(active=True))),
        (entry("PUT", f"Patient?{IDENTIFIER}", known()), entry("DELETE", f"Patient?{IDENTIFIER}")),
    ],
)
def test_two_entries_that_write_one_resource_are_refused(api: Api, first: Json, second: Json) -> None:
    api.put("/Patient/a", known() | {"id": "a"})
    refused = post(api, first, second)
    assert (refused.status_code, issues(refused)) == (400, [("duplicate", ["Bundle.entry[1]"])])
    assert api.get("/Patient/a").headers["etag"] == 'W/"1"'


def test_entries_may_refer_to_each_other_in_a_circle_and_go_together(api: Api) -> None:
    results = [
        observation("Patient/a", id=name, hasMember=[{"reference": f"Observation/{of}"}]) for name, of in ("xy", "yx")
    ]
    made = post(
        api, entry("PUT", "Patient/a", patient("a")), *(entry("PUT", f"Observation/{r['id']}", r) for r in results)
    )
    assert statuses(made) == ["201", "201", "201"]
    assert api.delete("/Observation/x").status_code == 409
    assert statuses(post(api, entry("DELETE", "Observation/x"), entry("DELETE", "Observation/y"))) == ["204", "204"]
    themselves = observation("Patient/a", id="z", hasMember=[{"reference": "Observation/z"}])
    assert api.put("/Observation/z", themselves).status_code == 201
    assert api.delete("/Observation/z").status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("identifier=urn:mrn|none", 422, "not-found"),
        ("identifier=urn:mrn|many", 412, "multiple-matches"),
        ("foo=1", 400, "not-supported"),
        ("identifier=", 400, "invalid"),
        ("identifier=urn:mrn|%00", 400, "value"),
        ("name:foo=1", 400, "not-supported"),
    ],
)
def test_a_conditional_reference_without_one_answer_is_refused_with_its_place(
    api: Api, query: str, status: int, code: str
) -> None:
    for _ in range(2):
        api.post("/Patient", known("many"))
    refused = post(
        api, entry("POST", "Patient", patient()), entry("POST", "Observation", observation(f"Patient?{query}"))
    )
    assert refused.status_code == status
    assert issues(refused)[0][0] == code
    assert issues(refused)[0][1][0] == "Bundle.entry[1].resource.subject.reference"
    assert api.get("/Patient?_summary=count").json()["total"] == 2


@pytest.mark.parametrize("query", ["foo=1", "identifier=", "name:foo=1", "_count=1"])
def test_a_condition_that_is_none_is_refused_with_its_place(api: Api, query: str) -> None:
    refused = post(api, entry("POST", "Patient", known(), ifNoneExist=query))
    assert (refused.status_code, issues(refused)[0][1][0]) == (400, "Bundle.entry[0].request.ifNoneExist")
    for method, body in (("PUT", known()), ("DELETE", None)):
        refused = post(api, entry(method, f"Patient?{query}", body))
        assert (refused.status_code, issues(refused)[0][1][0]) == (400, "Bundle.entry[0].request.url")


def test_a_temporary_id_leads_to_what_its_condition_matched_everywhere(api: Api) -> None:
    existing = api.post("/Patient", known()).json()["id"]
    result = observation(urn(1), note=[{"text": urn(1)}])
    result["text"] = {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{urn(1)}">p</a></div>',
    }
    asked = (entry("POST", "Observation", result), entry("POST", "Patient", known(), urn(1), ifNoneExist=IDENTIFIER))
    assert statuses(post(api, *asked)) == ["201", "200"]
    stored = api.get("/Observation").json()["entry"][0]["resource"]
    assert stored["subject"]["reference"] == f"Patient/{existing}"
    assert f'href="Patient/{existing}"' in stored["text"]["div"]
    assert stored["note"][0]["text"] == urn(1)


def test_two_thousand_entries_are_one_transaction(api: Api) -> None:
    patients = [
        entry("POST", "Patient", known(str(n)), urn(n), ifNoneExist=f"identifier=urn:mrn|{n}") for n in range(1000)
    ]
    results = [entry("POST", "Observation", observation(urn(n))) for n in range(1000)]
    assert Counter(statuses(post(api, *patients, *results))) == {"201": 2000}
    assert Counter(statuses(post(api, *patients))) == {"200": 1000}
    bad = entry("POST", "Observation", observation("Patient/none"))
    refused = post(api, *patients[:10], bad)
    assert (refused.status_code, issues(refused)[0][1]) == (422, ["Bundle.entry[10].resource.subject.reference"])
    assert api.get("/Observation?_summary=count").json()["total"] == 1000


def at_once(calls: Sequence[Call]) -> Counter[int]:
    with ThreadPoolExecutor(8) as threads:
        return Counter(answered.status_code for answered in threads.map(lambda call: call(), calls))


def test_writers_that_meet_leave_one_history_and_no_dangling_reference(api: Api) -> None:
    named = [patient("a", name=[{"family": str(n)}]) for n in range(16)]
    assert at_once([partial(api.put, "/Patient/a", body) for body in named]) == {201: 1, 200: 15}
    assert api.get("/Patient/a").headers["etag"] == 'W/"16"'
    guarded = [partial(api.put, "/Patient/a", body | {"active": True}, If_Match='W/"16"') for body in named]
    assert at_once(guarded) == {200: 1, 412: 15}
    created = [partial(api.post, "/Patient", known(), If_None_Exist=IDENTIFIER) for _ in range(16)]
    assert at_once(created) == {201: 1, 200: 15}
    mixed: list[Call] = []
    for number in range(8):
        api.put(f"/Patient/p{number}", patient(f"p{number}"))
        mixed.append(partial(api.delete, f"/Patient/p{number}"))
        mixed.append(partial(api.post, "/Observation", observation(f"Patient/p{number}")))
    assert set(at_once(mixed)) <= {200, 201, 409, 422}
    for number in range(8):
        gone = api.get(f"/Patient/p{number}").status_code == 410
        assert api.get(f"/Observation?patient=p{number}").json()["total"] == (0 if gone else 1)


def test_transactions_that_take_the_same_resources_in_any_order_all_succeed(api: Api) -> None:
    def writing(number: int) -> Any:
        ids = [str((number * step) % 13) for step in range(13)] if number % 13 else [str(n) for n in range(13)]
        url = "Patient?identifier=urn:mrn|"
        return post(api, *(entry("PUT", url + each, known(each, name=[{"family": str(number)}])) for each in ids))

    assert at_once([partial(writing, number) for number in range(16)]) == {200: 16}
    assert api.get("/Patient?_summary=count").json()["total"] == 13
