"""Request ids, timing, the access log, metrics and probes."""

import logging
import re
from collections.abc import Iterator

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, patient

SERVER = "http://127.0.0.1:8000"


@pytest.fixture
def api(sqlite_services: Services) -> Iterator[Api]:
    """The app on SQLite: none of this depends on the database."""
    api = Api(sqlite_services)
    yield api
    api.close()


def test_a_well_formed_request_id_comes_back_and_any_other_is_replaced(api: Api) -> None:
    assert api.get("/metadata", X_Request_Id="abc-1.2_3").headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>"):
        made = api.get("/metadata", X_Request_Id=bad).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", made)
    assert api.call("GET", f"{SERVER}/healthz", X_Request_Id="h1").headers["x-request-id"] == "h1"


def test_every_answer_tells_how_long_it_took(api: Api) -> None:
    for url in ("/metadata", "/Patient/none", f"{SERVER}/nothing"):
        assert re.fullmatch(r"total;dur=\d+\.\d\d", api.get(url).headers["server-timing"])


def test_one_log_line_per_request_without_ids_queries_or_bodies(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fhir_lab.access"):
        api.put("/Patient/secret-id", patient("secret-id", name=[{"family": "Miller"}]), X_Request_Id="r1")
        api.get("/Patient?family=Miller", X_Request_Id="r2")
        api.get("/Pateint/secret-id", X_Request_Id="r3")
        api.call("GET", "/Patient/secret-id", Authorization="", X_Request_Id="r4")
        api.call("GET", f"{SERVER}/healthz")
    lines = [vars(record) for record in caplog.records if record.name == "fhir_lab.access"]
    assert [(each["method"], each["route"], each["status"], each["request_id"], each["subject"]) for each in lines] == [
        ("PUT", "/fhir/R4/{type}/{id}", 201, "r1", "tester"),
        ("GET", "/fhir/R4/{type}", 200, "r2", "tester"),
        ("GET", "/fhir/R4", 404, "r3", ""),
        ("GET", "/fhir/R4/{type}/{id}", 401, "r4", ""),
    ]
    assert all(each["ms"] > 0 for each in lines)
    assert not any("secret-id" in str(each) or "Miller" in str(each) for each in lines)


def test_metrics_count_requests_by_interaction_type_and_status(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    api.get("/Patient/a")
    api.get("/Patient/a")
    api.get("/Pateint/a")
    shown = api.call("GET", f"{SERVER}/metrics", Authorization="")
    assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = shown.text.splitlines()
    for line in (
        'fhir_lab_http_requests_total{interaction="update",status="201",type="Patient"} 1.0',
        'fhir_lab_http_requests_total{interaction="read",status="200",type="Patient"} 2.0',
        'fhir_lab_http_requests_total{interaction="other",status="404",type=""} 1.0',
        'fhir_lab_http_request_seconds_count{interaction="read"} 2.0',
        'fhir_lab_database_connections{state="busy"} 0.0',
    ):
        assert line in lines


def test_two_apps_in_one_process_count_apart(api: Api, sqlite_services: Services) -> None:
    api.get("/metadata")
    other = Api(sqlite_services)
    assert 'interaction="capabilities"' not in other.call("GET", f"{SERVER}/metrics").text
    other.close()
