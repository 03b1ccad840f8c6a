"""Every error of the FHIR API is an OperationOutcome; those of other paths are problem documents."""

import logging
from pathlib import Path

import pytest

from fhir_lab.interactions.message import Interaction, Request, Response
from fhir_lab.interactions.router import Router
from fhir_lab.interactions.routes import INTERACTIONS
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from tests.support.api import Api, issues, patient

JSON = "application/fhir+json"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/Pateint/1", "Did you mean 'Patient'?"),
        ("/Patient/1/2/3/4", "no path"),
        ("/nonsense", "no resource type"),
        ("/Patient/1/$everythin", "Did you mean '$everything'?"),
        ("/Patient/1/$nonsense", "no path"),
        ("/Patient/_search/1", "no path"),
        ("/Patient//1", "no path"),
        ("/Patient/_histori", "Did you mean '_history'?"),
        ("/Patient/$validat", "Did you mean '$validate'?"),
        ("/$validat", "Did you mean '$validate'?"),
        ("/$validate", "$validate is on instances and on types."),
    ],
)
def test_a_path_or_type_that_does_not_exist_is_404(api: Api, path: str, text: str) -> None:
    refused = api.get(path)
    assert refused.status_code == 404
    assert issues(refused)[0][0] in ("not-found", "not-supported")
    assert text in refused.text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/Patient/$meta-add", "$meta-add is on instances."),
        ("/Patient/$nonsense", "no path"),
        ("/Patient/_nonsense", "no path"),
        ("/$validate", "$validate is on instances and on types."),
        ("/Patient/1/_history/1/$meta", "$meta is at the base and on instances and on types."),
    ],
)
def test_an_operation_that_is_not_there_is_404_by_post_too(api: Api, path: str, text: str) -> None:
    refused = api.post(path, {"resourceType": "Parameters"})
    assert refused.status_code == 404
    assert text in refused.text


@pytest.mark.parametrize("bad", ["a_b", "x" * 65, "a%20b", "ä"])
def test_an_id_that_breaks_the_syntax_is_400(api: Api, bad: str) -> None:
    assert (api.get(f"/Patient/{bad}").status_code, issues(api.get(f"/Patient/{bad}"))) == (400, [("value", [])])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/Patient/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("DELETE", "/metadata", "GET, HEAD, OPTIONS"),
        ("GET", "/Patient/_search", "OPTIONS, POST"),
        ("DELETE", "/", "GET, HEAD, OPTIONS, POST"),
        ("PROPFIND", "/Patient", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
    ],
)
def test_a_method_that_is_not_routed_is_405_and_told_which_are(api: Api, method: str, path: str, allowed: str) -> None:
    refused = api.call(method, path)
    assert (refused.status_code, refused.headers["allow"], issues(refused)[0][0]) == (405, allowed, "not-supported")


def test_options_tells_the_methods(api: Api) -> None:
    answered = api.call("OPTIONS", "/Patient/1", Authorization="")
    assert (answered.status_code, answered.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")
    assert [api.call("OPTIONS", path).status_code for path in ("/a/b/c/d", "/Patient//1")] == [404, 404]


def test_no_token_and_a_bad_token_are_401_with_a_challenge(api: Api) -> None:
    for header in ("", "Bearer", "Bearer nonsense", "Basic YTpi"):
        refused = api.call("GET", "/Patient/1", Authorization=header)
        assert (refused.status_code, issues(refused)[0][0]) == (401, "login")
        assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ("user/Patient.c", {"POST"}),
        ("user/Patient.r", {"GET", "HISTORY", "VREAD"}),
        ("user/Patient.u", {"PUT"}),
        ("user/Patient.d", {"DELETE"}),
        ("user/Patient.s", {"SEARCH", "_SEARCH"}),
        ("user/Observation.cruds", set()),
        ("patient/Patient.cruds", set()),
        ("openid profile", set()),
    ],
)
def test_each_interaction_needs_its_permission(api: Api, scopes: str, allowed: set[str]) -> None:
    api.put("/Patient/a", patient("a"))
    caller = api.scoped(scopes)
    answers = {
        "POST": caller.post("/Patient", patient()),
        "GET": caller.get("/Patient/a"),
        "VREAD": caller.get("/Patient/a/_history/1"),
        "HISTORY": caller.get("/Patient/a/_history"),
        "SEARCH": caller.get("/Patient"),
        "_SEARCH": caller.post("/Patient/_search", b"", Content_Type="application/x-www-form-urlencoded"),
        "PUT": caller.put("/Patient/a", patient("a")),
        "DELETE": caller.delete("/Patient/a"),
    }
    refused = {name for name, answer in answers.items() if answer.status_code == 403}
    assert {name for name, answer in answers.items() if answer.status_code < 400} == allowed
    assert refused == set(answers) - allowed
    assert all(issues(answers[name])[0][0] == "forbidden" for name in refused)


def test_a_format_that_cannot_be_produced_is_406(api: Api) -> None:
    for refused in (api.get("/Patient", Accept="text/turtle"), api.get("/Patient?_format=ttl")):
        assert (refused.status_code, issues(refused)[0][0]) == (406, "not-supported")
        assert "application/fhir+json" in refused.text
    assert api.get("/metadata?_format=application/fhir+json", Accept="text/html").status_code == 200


@pytest.mark.parametrize("content_type", ["text/turtle", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_in_another_format_is_415(api: Api, content_type: str) -> None:
    refused = api.post("/Patient", b"<Patient/>", Content_Type=content_type)
    assert (refused.status_code, issues(refused)) == (415, [("not-supported", ["http.Content-Type"])])


def test_a_compressed_body_is_415(api: Api) -> None:
    assert api.post("/Patient", b"\x1f\x8b", Content_Type=JSON, Content_Encoding="gzip").status_code == 415


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b'{"resourceType": "Patient",\n "active": tru}', "line 2, column 12"),
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "'id' occurs twice"),
        (b"null", "null"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 100"),
        (b'{"resourceType":"Patient","x":NaN}', "NaN"),
    ],
)
def test_a_body_that_cannot_be_read_is_400_and_told_where(api: Api, body: bytes, text: str) -> None:
    refused = api.post("/Patient", body, Content_Type=JSON)
    assert refused.status_code == 400
    assert issues(refused)
    assert text in refused.text


@pytest.mark.parametrize("path", ["/Patient/$match", "/Patient/1/$meta-add", "/Observation/$lastn", "/$export"])
def test_null_is_not_a_body_left_out(api: Api, path: str) -> None:
    assert issues(api.post(path, b"null", Content_Type=JSON, Prefer="respond-async")) == [("required", ["http.body"])]


def test_too_many_parameters_are_refused(api: Api) -> None:
    assert api.get("/Patient?" + "&".join(["_id=1"] * 3000)).status_code == 400


def test_paths_outside_fhir_answer_problem_documents(api: Api) -> None:
    refused = api.call("GET", "http://127.0.0.1:8000/api/v1/nonsense")
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
    assert refused.json()["status"] == 404
    refused = api.call("POST", "http://127.0.0.1:8000/healthz")
    assert (refused.status_code, refused.headers["content-type"]) == (405, "application/problem+json")
    assert api.call("GET", "http://127.0.0.1:8000/fhir/R4x").status_code == 404


def test_an_error_nobody_expected_is_500_and_tells_neither_client_nor_log_what_it_quotes(
    sqlite_services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Request) -> Response:
        raise RuntimeError("Anna Miller, born 1980")

    api = Api(sqlite_services)
    table = (*INTERACTIONS, Interaction("broken", "GET", "/$broken", broken))
    api.app.state.fhir.router = Router(table, sqlite_services.registry.types)
    with caplog.at_level(logging.ERROR, "fhir_lab"):
        refused = api.get("/$broken", X_Request_Id="r-1")
    assert (refused.status_code, issues(refused)) == (500, [("exception", [])])
    assert "Miller" not in refused.text
    assert "r-1" in refused.text
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (record.getMessage(), record.__dict__["request_id"]) == ("unexpected error", "r-1")
    api.close()


def test_a_database_that_is_away_is_503(sqlite_services: Services, tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        var=tmp_path,
        database_url="postgresql+psycopg://root@127.0.0.1:1/none",
        secret_key="test-secret-test-secret-test-secret",
    )
    services = Services(settings)
    api = Api(services)
    for answer in (api.get("/Patient/a"), api.post("/Patient", patient()), api.get("/Patient")):
        assert (answer.status_code, issues(answer)[0][0]) == (503, "transient")
    assert api.call("GET", "http://127.0.0.1:8000/healthz").status_code == 200
    assert api.call("GET", "http://127.0.0.1:8000/readyz").status_code == 503
    assert api.get("/metadata").status_code == 200
    api.close()
    services.close()
