"""The steps of Inferno's bulk data kit, one test per assert, by a client that takes nothing for granted.

https://github.com/inferno-framework/bulk-data-test-kit
"""

import json
from typing import Any

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, observation, patient
from tests.support.bulk import kick_off, lines, manifest, work

Json = dict[str, Any]
LEVELS = ["/$export", "/Patient/$export", "/Group/g/$export"]


@pytest.fixture
def api(api: Api) -> Api:
    """Three patients, two of them in a Group."""
    for name in "abc":
        assert api.put(f"/Patient/{name}", patient(name)).status_code == 201
        assert api.put(f"/Observation/{name}", observation(f"Patient/{name}", id=name)).status_code == 201
    members = [{"entity": {"reference": f"Patient/{name}"}} for name in "ab"]
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": members}
    assert api.put("/Group/g", group).status_code == 201
    return api


def finished(api: Api, path: str) -> Json:
    url = kick_off(api, path)
    work(api.services, url)
    return manifest(api, url)


def test_1_the_capability_statement_declares_the_operations(api: Api) -> None:
    statement = api.get("/metadata").json()
    assert "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data" in statement["instantiates"]
    [rest] = statement["rest"]
    declared = {(None, each["name"], each["definition"]) for each in rest["operation"]}
    for resource in rest["resource"]:
        declared |= {(resource["type"], each["name"], each["definition"]) for each in resource.get("operation", [])}
    canonical = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
    assert {each for each in declared if each[1] == "export"} == {
        (None, "export", canonical + "export"),
        ("Patient", "export", canonical + "patient-export"),
        ("Group", "export", canonical + "group-export"),
    }


@pytest.mark.parametrize("path", LEVELS)
def test_2_a_kick_off_without_a_valid_token_is_refused(api: Api, path: str) -> None:
    for header in ("", "Bearer nonsense"):
        assert api.get(path, Prefer="respond-async", Authorization=header).status_code == 401


@pytest.mark.parametrize("path", LEVELS)
def test_3_a_kick_off_is_accepted_with_an_absolute_url_to_poll(api: Api, path: str) -> None:
    response = api.get(path, Prefer="respond-async", Accept="application/fhir+json")
    assert response.status_code == 202
    assert response.headers["content-location"].startswith("http://127.0.0.1:8000/")
    assert api.get(path).status_code == 202  # without the preference, which the server may assume


def test_4_polling_answers_202_until_it_is_done_and_then_200(api: Api) -> None:
    url = kick_off(api)
    going_on = api.get(url)
    assert going_on.status_code == 202
    assert 0 < len(going_on.headers["x-progress"]) < 100
    assert int(going_on.headers["retry-after"]) > 0
    work(api.services, url)
    done = api.get(url)
    assert (done.status_code, done.headers["content-type"]) == (200, "application/json")
    assert done.headers["expires"].endswith("GMT")


@pytest.mark.parametrize("path", LEVELS)
def test_5_the_manifest_has_every_required_key(api: Api, path: str) -> None:
    found = finished(api, path + "?_type=Patient")
    assert found.keys() == {"transactionTime", "request", "requiresAccessToken", "output", "error"}
    assert found["request"] == f"http://127.0.0.1:8000/fhir/R4{path}?_type=Patient"
    assert found["requiresAccessToken"] is True
    assert found["error"] == []
    assert found["transactionTime"].endswith("Z")


def test_6_each_output_has_a_type_and_an_absolute_url(api: Api) -> None:
    output = finished(api, "/Patient/$export")["output"]
    assert {item["type"] for item in output} == {"Patient", "Observation", "Group"}
    assert all(item["url"].startswith("http://") and item["count"] > 0 for item in output)


def test_7_a_file_without_a_valid_token_is_refused(api: Api) -> None:
    [item] = finished(api, "/$export?_type=Patient")["output"]
    for header in ("", "Bearer nonsense"):
        response = api.get(item["url"], Authorization=header)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["resourceType"] == "OperationOutcome"


def test_8_the_files_hold_valid_resources_of_the_declared_type_one_per_line(api: Api, services: Services) -> None:
    for item in finished(api, "/$export")["output"]:
        response = api.get(item["url"], Accept="application/fhir+ndjson", Accept_Encoding="identity")
        assert response.headers["content-type"].startswith("application/fhir+ndjson")
        for resource in lines(response):
            assert resource["resourceType"] == item["type"]
            assert services.validator.check(resource, item["type"]) == []


def test_9_the_patients_of_a_group_are_its_members(api: Api) -> None:
    [item] = finished(api, "/Group/g/$export?_type=Patient")["output"]
    assert sorted(resource["id"] for resource in lines(api.get(item["url"]))) == ["a", "b"]


@pytest.mark.parametrize(
    "name", ["application/fhir%2Bndjson", "application/fhir+ndjson", "application/ndjson", "ndjson"]
)
def test_10_every_name_of_the_format_is_accepted(api: Api, name: str) -> None:
    assert api.get(f"/$export?_outputFormat={name}", Prefer="respond-async").status_code == 202


def test_10_since_is_accepted(api: Api) -> None:
    for since in ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123%2B02:00", "2020-01-01T00:00:00+02:00"):
        assert api.get(f"/$export?_since={since}", Prefer="respond-async").status_code == 202


@pytest.mark.parametrize("ended", [False, True])
def test_11_a_deleted_job_is_not_found(api: Api, ended: bool) -> None:
    url = kick_off(api)
    if ended:
        work(api.services, url)
    files = [item["url"] for item in manifest(api, url)["output"]] if ended else []
    assert api.delete(url).status_code == 202
    work(api.services, url)
    for gone in (url, *files):
        response = api.get(gone)
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("application/fhir+json")
        assert api.services.validator.check(response.json(), "OperationOutcome") == []
    assert api.delete(url).status_code == 404


def test_13_no_answer_redirects_so_that_the_token_is_sent_to_this_server_alone(api: Api) -> None:
    found = finished(api, "/$export")
    assert all(api.get(item["url"]).status_code == 200 for item in found["output"])
    assert json.dumps(found).count("http://127.0.0.1:8000/") == 1 + len(found["output"])
