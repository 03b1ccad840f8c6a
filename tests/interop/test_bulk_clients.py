"""A bulk client's steps over real HTTP, once it has a token: kick off, poll as told, download, delete."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.support.laboratory import Laboratory

Json = dict[str, Any]
ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


def finished(laboratory: Laboratory, url: str) -> httpx.Response:
    """What polling ends with, asking again when it was told to."""
    deadline = time.monotonic() + 60
    while (answer := laboratory.ask("GET", url)).status_code == 202:
        assert time.monotonic() < deadline
        wait = float(answer.headers["retry-after"])
        assert 0 < wait <= 120
        time.sleep(min(wait, 1))
    return answer


def lines(laboratory: Laboratory, item: Json) -> list[Json]:
    answer = laboratory.ask("GET", item["url"], headers={"Accept": "application/fhir+ndjson"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "application/fhir+ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_export_from_kick_off_to_deletion(laboratory: Laboratory, method: str) -> None:
    query = {"_type": "Specimen,Organization", "_typeFilter": "Specimen?patient=Patient/amara-okoye"}
    body = {"resourceType": "Parameters"} if method == "POST" else None  # server SDKs post parameters in the URL
    kicked = laboratory.ask(method, "$export", params=query, json=body, headers=ASYNC)
    assert kicked.status_code == 202, kicked.text
    url = kicked.headers["content-location"]
    assert url.startswith(laboratory.url)
    answer = finished(laboratory, url)
    assert answer.status_code == 200, answer.text
    manifest = answer.json()
    assert {item["type"] for item in manifest["output"]} == {"Specimen", "Organization"}
    found = {item["type"]: lines(laboratory, item) for item in manifest["output"]}
    assert {each["subject"]["reference"] for each in found["Specimen"]} == {"Patient/amara-okoye"}
    assert len(found["Organization"]) == 3
    assert laboratory.ask("DELETE", url).status_code == 202
    assert laboratory.ask("GET", url).status_code == 404


def test_a_token_for_less_exports_less_or_is_refused(laboratory: Laboratory) -> None:
    headers = {**ASYNC, "Authorization": f"Bearer {laboratory.narrow}"}
    kicked = laboratory.ask("GET", "$export?_type=Patient", headers=headers)
    assert (kicked.status_code, kicked.json()["resourceType"]) == (403, "OperationOutcome")
