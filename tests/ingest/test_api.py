"""The journal over HTTP: who may see it, pages, filters, files brought in, and replay."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fhir_lab.ingest import flow
from fhir_lab.security.roles import role
from fhir_lab.services import Services
from fhir_lab.storage import journal
from tests.support.api import Api
from tests.support.oru import entries, journaled, oru, processed

URL = "http://127.0.0.1:8000/api/v1/messages"


@pytest.fixture
def api(services: Services) -> Iterator[Api]:
    made = Api(services)
    yield made
    made.close()


def upload(api: Api, *files: tuple[str, bytes], part: str = "files") -> httpx.Response:
    request = httpx.Request("POST", URL, files=[(part, file) for file in files])
    return api.call("POST", URL, request.read(), content_type=request.headers["content-type"])


def test_entries_are_listed_newest_first_and_a_page_at_a_time(api: Api, services: Services) -> None:
    made = [processed(services, oru("5", control=str(number), order=f"L{number}"))[0]["id"] for number in range(5)]
    found: list[str] = []
    link: str | None = f"{URL}?limit=2&state=processed"
    pages = 0
    while link:
        page = api.get(link).json()
        found += [entry["id"] for entry in page["messages"]]
        link = page["next"]
        pages += 1
    assert (found, pages) == (made[::-1], 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["2", "1"]),
        ("?state=duplicate", []),
        ("?control_id=1", ["1"]),
        ("?file=test.hl7", ["2", "1"]),
        ("?sender=LIS%7CLAB&order=L2", ["2"]),
        ("?patient=P1", ["2", "1"]),
        ("?patient=P2", []),
    ],
)
def test_entries_are_found_by_what_they_are_about(
    api: Api, services: Services, query: str, expected: list[str]
) -> None:
    processed(services, oru("5", control="1", order="L1"), oru("6", control="2", order="L2"))
    assert [entry["control_id"] for entry in api.get(URL + query).json()["messages"]] == expected


def test_an_entry_says_everything_that_the_journal_knows(api: Api, services: Services) -> None:
    (made,) = processed(services, oru("5", "6"))
    answer = api.get(f"{URL}/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, made)


def test_the_original_bytes_can_be_read(api: Api, services: Services) -> None:
    (made,) = processed(services, oru("5"))
    answer = api.get(f"{URL}/{made['id']}/raw")
    assert answer.content == oru("5")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/nothing/raw", 404),
        ("POST", "/nothing/replay", 404),
        ("GET", "?state=lost", 422),
        ("GET", "?limit=0", 422),
        ("GET", "?nonsense=1", 422),
    ],
)
def test_what_cannot_be_answered_is_refused(api: Api, method: str, path: str, status: int) -> None:
    answer = api.call(method, URL + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_files_are_brought_in_and_processed(api: Api, services: Services) -> None:
    two = oru("5", control="1") + oru("6", control="2", order="L2")
    answer = upload(api, ("a.hl7", two), ("../../b.hl7", oru("7", control="3", order="L3")), ("c.txt", b"hello"))
    assert answer.status_code == 202
    found = [(entry["file"].split("/")[-1], entry["state"]) for entry in answer.json()["messages"]]
    assert found == [("a.hl7", "received"), ("a.hl7", "received"), ("b.hl7", "received"), ("c.txt", "quarantined")]
    for entry in answer.json()["messages"]:
        flow.process(services, entry["id"])
    assert [entry["state"] for entry in entries(services)] == ["processed"] * 3 + ["quarantined"]


def test_an_upload_without_a_file_is_refused(api: Api) -> None:
    assert upload(api, ("a.hl7", oru("5")), part="other").status_code == 400
    assert api.call("POST", URL, b"MSH|", content_type="text/plain").status_code == 400


def test_an_upload_over_the_limit_is_refused(sqlite_services: Services) -> None:
    small = Services(sqlite_services.settings.model_copy(update={"max_body_bytes": 2000}))
    api = Api(small)
    assert upload(api, ("a.hl7", oru("5") * 10)).status_code == 413
    assert entries(small) == []
    api.close()
    small.close()


def test_a_message_is_replayed(api: Api, services: Services) -> None:
    (made,) = processed(services, oru("5").replace(b"ORU^R01^ORU_R01", b"ADT^A01"))
    answer = api.post(f"{URL}/{made['id']}/replay")
    assert (answer.status_code, answer.json()["state"], answer.json()["reasons"]) == (202, "received", [])
    assert flow.process(services, made["id"]) == "quarantined"


def test_a_message_at_work_cannot_be_replayed(api: Api, services: Services) -> None:
    (one,) = journaled(services, oru("5"))
    now = services.clock.now()
    services.database.transact(lambda connection: journal.take(connection, one, now=now, lease=60_000_000))
    assert api.post(f"{URL}/{one}/replay").status_code == 409


WRITER = "user/Patient.cu user/ServiceRequest.cu user/Specimen.cu user/Observation.crus user/DiagnosticReport.crus"


@pytest.mark.parametrize(
    ("scopes", "sees", "writes"),
    [
        ("system/*.cruds", 200, 202),
        (WRITER, 200, 202),
        ("user/Observation.cr user/DiagnosticReport.cr", 200, 403),
        ("user/*.rs", 403, 403),
        ("user/Observation.cr?status=final user/DiagnosticReport.cr", 403, 403),
        ("patient/*.cruds", 403, 403),
        ("openid", 403, 403),
        (role("technician").scope, 200, 202),
        (role("administrator").scope, 200, 202),
        (role("pathologist").scope, 200, 403),
        (role("clinician").scope, 403, 403),
        (role("auditor").scope, 403, 403),
        (role("patient").scope, 403, 403),
    ],
)
def test_only_those_who_work_on_every_result_see_messages(
    api: Api, services: Services, scopes: str, sees: int, writes: int
) -> None:
    (made,) = processed(services, oru("5"))
    other = api.scoped(scopes, patient="1")
    for path in ("", f"/{made['id']}", f"/{made['id']}/raw"):
        assert other.get(URL + path).status_code == sees
    assert other.post(f"{URL}/{made['id']}/replay").status_code == writes
    assert upload(other, ("a.hl7", oru("6", control="2"))).status_code == writes


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic eA=="])
def test_without_a_token_nothing_is_told(api: Api, authorization: str) -> None:
    for method, path in (("GET", ""), ("GET", "/x"), ("POST", "/x/replay"), ("POST", "")):
        answer = api.call(method, URL + path, authorization=authorization, Authorization="")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_api_is_documented_with_an_example(api: Api) -> None:
    document: dict[str, Any] = api.get("http://127.0.0.1:8000/openapi/laboratory.json").json()
    assert {path for path in document["paths"] if path.startswith("/api/v1/messages")} == {
        "/api/v1/messages",
        "/api/v1/messages/{message_id}",
        "/api/v1/messages/{message_id}/raw",
        "/api/v1/messages/{message_id}/replay",
    }
    example = document["components"]["schemas"]["Entry"]["example"]
    assert example["obx_in"] == example["obx_stored"] + example["obx_quarantined"]
