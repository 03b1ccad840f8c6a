"""Import: NDJSON stored line by line through the one door, by a job that goes on where it was."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import text

from fhir_lab.bulk import load as load_module
from fhir_lab.bulk import run as run_module
from fhir_lab.bulk.load import Import
from fhir_lab.bulk.run import run
from fhir_lab.services import Services
from tests.support.api import Api, issues, observation, patient
from tests.support.bulk import downloaded, exported, ids, job_id, manifest, work

Json = dict[str, Any]
NDJSON = "application/fhir+ndjson"


def ndjson(*documents: Json) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def sent(api: Api, body: bytes, content_type: str = NDJSON) -> str:
    response = api.post("/$import", body, Content_Type=content_type, Prefer="respond-async")
    assert response.status_code == 202, response.text
    return response.headers["content-location"]


def done(api: Api, url: str) -> list[tuple[str, list[str]]]:
    """(text, expression) of what was refused or is missing."""
    work(api.services, url)
    found = downloaded(api, manifest(api, url), "error").get("OperationOutcome", [])
    return [(each["details"]["text"], each.get("expression", [])) for outcome in found for each in outcome["issue"]]


def stored(api: Api, kind: str) -> list[str]:
    return [entry["resource"]["id"] for entry in api.get(f"/{kind}?_sort=_id&_count=1000").json().get("entry", [])]


@pytest.mark.parametrize("content_type", [NDJSON, "application/ndjson", "application/fhir+ndjson; charset=utf-8"])
def test_lines_keep_their_ids_and_may_refer_to_later_ones(api: Api, content_type: str) -> None:
    body = ndjson(observation("Patient/p", id="o"), patient("p"), {"resourceType": "Patient", "active": True})
    url = sent(api, body, content_type)
    assert done(api, url) == []
    assert stored(api, "Observation") == ["o"]
    assert "p" in stored(api, "Patient")
    assert len(stored(api, "Patient")) == 2
    assert [entry["resource"]["id"] for entry in api.get("/Observation?patient=p").json()["entry"]] == ["o"]
    [told] = downloaded(api, manifest(api, url))["OperationOutcome"]
    assert told["issue"][0]["details"]["text"] == "3 resources are stored, 0 lines were refused."


def test_each_refused_line_is_named_and_the_others_are_stored(api: Api) -> None:
    body = b"\r\n".join(
        [
            ndjson(patient("a")).strip(),
            b"{",
            b"",
            b'"text"',
            ndjson({"resourceType": "Patient", "id": "b", "gender": "none"}).strip(),
            ndjson({"resourceType": "Patiant"}).strip(),
            ndjson(observation("Patient/nobody", id="o")).strip(),
            ndjson(patient("c", meta={"tag": [{"system": SUBSETTED, "code": "SUBSETTED"}]})).strip(),
            ndjson(patient("a", active=True)).strip(),
        ]
    )
    url = sent(api, body)
    refused = done(api, url)
    assert [expression[0].split(".")[0] for _, expression in refused[:-1]] == [
        "line 2",
        "line 4",
        "line 5",
        "line 6",
        "line 8",
    ]
    assert refused[-1][0] == "The import refers to Patient/nobody, which does not exist."
    assert stored(api, "Patient") == ["a"]
    assert api.get("/Patient/a").json()["active"] is True
    assert stored(api, "Observation") == ["o"]


SUBSETTED = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


def test_each_line_is_judged_by_the_scopes_of_the_sender(api: Api) -> None:
    weak = api.scoped("system/Patient.cu")
    url = sent(weak, ndjson(patient("a"), {"resourceType": "Practitioner", "id": "p"}))
    [(refused, where)] = done(weak, url)
    assert "Practitioner" in refused
    assert where == ["line 2"]
    assert stored(api, "Patient") == ["a"]
    assert stored(api, "Practitioner") == []
    assert api.scoped("system/*.rs").post("/$import", ndjson(patient("x")), Content_Type=NDJSON).status_code == 403


def test_what_was_deleted_comes_back_whole(api: Api) -> None:
    document = observation("Patient/p", id="o")
    assert done(api, sent(api, ndjson(patient("p"), document))) == []
    assert api.delete("/Observation/o").status_code == 200
    assert done(api, sent(api, ndjson(document))) == []
    assert [entry["resource"]["id"] for entry in api.get("/Observation?patient=p").json()["entry"]] == ["o"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", NDJSON, 400),
        (b"\n\n", NDJSON, 400),
        (b"a,b\n", "text/csv", 415),
        (json.dumps({"resourceType": "Parameters"}).encode(), "application/fhir+json", 400),
        (json.dumps({"resourceType": "Patient"}).encode(), "application/fhir+json", 400),
    ],
)
def test_what_is_no_import_is_refused(api: Api, body: bytes, content_type: str, status: int) -> None:
    response = api.post("/$import", body, Content_Type=content_type)
    assert response.status_code == status
    assert issues(response)


def parameters(*inputs: tuple[str, str]) -> Json:
    given = [
        {"name": "input", "part": [{"name": "type", "valueCode": kind}, {"name": "url", "valueUrl": url}]}
        for kind, url in inputs
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "inputFormat", "valueString": NDJSON}, *given]}


class Files:
    """A server of NDJSON files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = outer.files.get(self.path)
                self.send_response(404 if body is None else 302 if body == b"elsewhere" else 200)
                self.send_header("Location", "http://127.0.0.1:9/")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def files() -> Iterator[Files]:
    found = Files()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def allowed(services: Services) -> Iterator[Api]:
    """An installation that may fetch from this machine."""
    found = Services(services.settings.model_copy(update={"outbound_allow": ("127.0.0.1",)}))
    api = Api(found)
    yield api
    api.close()
    found.close()


def test_files_are_fetched_and_stored_in_any_order(allowed: Api, files: Files) -> None:
    files.files = {
        "/o": ndjson(*(observation(f"Patient/p{n}", id=f"o{n}") for n in range(450))),
        "/p": ndjson(*(patient(f"p{n}") for n in range(450))).rstrip(b"\n"),
    }
    inputs = parameters(("Observation", f"{files.url}/o"), ("Patient", f"{files.url}/p"))
    response = allowed.post("/$import", inputs, Prefer="respond-async")
    assert response.status_code == 202
    url = response.headers["content-location"]
    assert done(allowed, url) == []
    assert ids(exported(allowed)) == {
        "Observation": sorted(f"o{n}" for n in range(450)),
        "Patient": sorted(f"p{n}" for n in range(450)),
    }
    output = manifest(allowed, url)["output"]
    assert [item["inputUrl"] for item in output] == [f"{files.url}/o", f"{files.url}/p"]


def test_a_line_of_another_type_than_was_said_is_refused(allowed: Api, files: Files) -> None:
    files.files = {"/p": ndjson(patient("a"), observation("Patient/a", id="o"))}
    response = allowed.post("/$import", parameters(("Patient", f"{files.url}/p")))
    [(_, where)] = done(allowed, response.headers["content-location"])
    assert where == ["line 2"]
    assert stored(allowed, "Patient") == ["a"]


@pytest.mark.parametrize("path", ["/nothing", "/moved"])
def test_a_file_that_cannot_be_fetched_fails_the_job(allowed: Api, files: Files, path: str) -> None:
    files.files = {"/moved": b"elsewhere"}
    response = allowed.post("/$import", parameters(("Patient", files.url + path)))
    url = response.headers["content-location"]
    work(allowed.services, url)
    failed = allowed.get(url)
    assert failed.status_code == 500
    assert issues(failed)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "http://10.0.0.1/x", "file:///etc/passwd", "https://[::1]/x", "http://example.org/x"]
)
def test_an_address_inside_the_network_is_refused_at_once(api: Api, url: str) -> None:
    response = api.post("/$import", parameters(("Patient", url)))
    assert response.status_code == 400
    assert issues(response)[0][0] == "security"


class Killed(BaseException):
    """Ends a worker where it stands."""


def test_an_import_that_is_killed_stores_each_line_once(
    allowed: Api, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "LINES_AT_ONCE", 7)
    monkeypatch.setattr(run_module, "TURN_SECONDS", 0.0)
    lines = [patient(f"p{n}") for n in range(40)] + [{"resourceType": "Basic", "code": {"text": "x"}}] * 30
    files.files = {"/all": ndjson(*lines[:35]) + b"{\n" + ndjson(*lines[35:])}
    body = parameters(("Patient", f"{files.url}/all"))
    body["parameter"][1]["part"].pop(0)
    url = allowed.post("/$import", body).headers["content-location"]
    hold = Import._hold
    calls = iter(range(10_000))

    def dies(self: Import, *arguments: Any, **named: Any) -> None:
        hold(self, *arguments, **named)
        if next(calls) % 4 == 1:
            raise Killed

    monkeypatch.setattr(Import, "_hold", dies)
    services, more = allowed.services, True
    while more:
        try:
            more = run(services, job_id(url))
        except Killed:
            services.database.transact(lambda connection: connection.execute(text("UPDATE job SET due = 0")))
    [(_, where)] = done(allowed, url)
    assert where == ["line 36"]
    assert len(stored(allowed, "Patient")) == 40
    assert len(stored(allowed, "Basic")) == 30
    assert {entry["resource"]["meta"]["versionId"] for entry in allowed.get("/Patient?_count=99").json()["entry"]} == {
        "1"
    }
