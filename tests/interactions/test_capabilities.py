"""The CapabilityStatement says what is routed, no more and no less."""

import json
from typing import Any

import pytest

from fhir_lab.interactions.routes import INTERACTIONS
from tests.support.api import Api, Json, observation, patient


def metadata(api: Api) -> Json:
    response = api.call("GET", "/metadata", Authorization="")
    assert response.status_code == 200
    found: Json = response.json()
    return found


def test_it_is_a_valid_resource_and_needs_no_token(api: Api) -> None:
    statement = metadata(api)
    assert [i for i in api.services.validator.check(statement, "CapabilityStatement") if i.severity == "error"] == []
    assert (statement["fhirVersion"], statement["kind"], statement["status"]) == ("4.0.1", "instance", "active")
    assert statement["implementation"]["url"] == api.services.settings.fhir_base


def test_it_lists_every_resource_type_with_the_interactions_of_the_table(api: Api) -> None:
    [rest] = metadata(api)["rest"]
    assert [each["type"] for each in rest["resource"]] == list(api.services.registry.types)
    typed = list(dict.fromkeys(row.name for row in INTERACTIONS if row.path.startswith("/{type}") and not row.types))
    assert all([each["code"] for each in resource["interaction"]] == typed for resource in rest["resource"])
    assert {each["code"] for each in rest["interaction"]} == {"transaction", "batch", "search-system", "history-system"}


def test_it_lists_the_compartments_and_what_every_type_is_searched_by(api: Api) -> None:
    [rest] = metadata(api)["rest"]
    defined = "http://hl7.org/fhir/CompartmentDefinition/"
    assert [url.removeprefix(defined) for url in rest["compartment"]] == [
        *("device", "encounter", "patient", "practitioner", "relatedperson")
    ]
    assert {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"} <= {
        each["name"] for each in rest["searchParam"]
    }


def test_it_lists_the_search_parameters_that_are_answered(api: Api) -> None:
    [rest] = metadata(api)["rest"]
    for resource in rest["resource"]:
        names = [each["name"] for each in resource["searchParam"]]
        assert sorted(api.services.registry.of(resource["type"])) == names
    [found] = [each for each in rest["resource"] if each["type"] == "Observation"]
    assert {"name": "code", "type": "token"}.items() <= next(
        each for each in found["searchParam"] if each["name"] == "code"
    ).items()
    assert "Observation:subject" in found["searchInclude"]
    assert "DiagnosticReport:result" in found["searchRevInclude"]


CALLS: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "read": ("GET", "/Patient/a", None, (200,)),
    "vread": ("GET", "/Patient/a/_history/1", None, (200,)),
    "update": ("PUT", "/Patient/a", patient("a"), (200,)),
    "delete": ("DELETE", "/Patient/b", None, (200,)),
    "create": ("POST", "/Patient", patient(), (201,)),
    "search-type": ("GET", "/Patient", None, (200,)),
    "history-instance": ("GET", "/Patient/a/_history", None, (200,)),
    "history-type": ("GET", "/Patient/_history", None, (200,)),
    "history-system": ("GET", "/_history", None, (200,)),
    "batch": ("POST", "/", {"resourceType": "Bundle", "type": "batch"}, (200,)),
    "transaction": ("POST", "/", {"resourceType": "Bundle", "type": "transaction"}, (200,)),
    "patch": ("PATCH", "/Patient/a", {"active": True}, (200,)),
    "search-system": ("GET", "/?_type=Patient", None, (200,)),
    "search-compartment": ("GET", "/Patient/a/Observation", None, (200,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_listed_works_and_what_is_not_listed_does_not(api: Api, name: str) -> None:
    [rest] = metadata(api)["rest"]
    resource = next(each for each in rest["resource"] if each["type"] == "Patient")
    listed = {each["code"] for each in (*resource["interaction"], *rest["interaction"])}
    listed |= {"search-compartment"} if rest["compartment"] else set()
    api.put("/Patient/a", patient("a"))
    method, path, body, expected = CALLS[name]
    assert (name in listed) is (expected[0] < 400)
    assert api.call(method, path, body).status_code in expected


def test_every_listed_interaction_is_called_by_the_test_above(api: Api) -> None:
    assert {row.name for row in INTERACTIONS} - {"capabilities"} <= set(CALLS)


def test_conditional_interactions_are_told_truthfully(api: Api) -> None:
    [rest] = metadata(api)["rest"]
    told = {
        name: {each[name] for each in rest["resource"]}
        for name in ("conditionalCreate", "conditionalRead", "conditionalUpdate", "conditionalDelete", "updateCreate")
    }
    assert told == {
        "conditionalCreate": {True},
        "conditionalRead": {"full-support"},
        "conditionalUpdate": {True},
        "conditionalDelete": {"single"},
        "updateCreate": {True},
    }


def test_every_listed_search_parameter_of_the_lab_resources_is_understood(api: Api) -> None:
    values = {
        "date": "2026-01-01",
        "number": "1",
        "quantity": "1",
        "reference": "Patient/1",
        "uri": "http://x",
        "composite": "a$b",
        "special": "1|1",
    }
    api.put("/Patient/a", patient("a"))
    api.put("/Observation/o", observation("Patient/a", id="o"))
    [rest] = metadata(api)["rest"]
    for resource in rest["resource"]:
        if resource["type"] not in ("Patient", "ServiceRequest", "Specimen", "Observation", "DiagnosticReport"):
            continue
        for parameter in resource["searchParam"]:
            value = values.get(parameter["type"], "x")
            if parameter["type"] == "composite":
                value = {"quantity": "a$1", "date": "a$2026"}.get(parameter["name"].rsplit("-", 1)[1], "a$b")
            found = api.get(f"/{resource['type']}?{parameter['name']}={value}")
            assert found.status_code == 200, (parameter, found.text)


def test_the_oauth_endpoints_are_those_of_the_smart_configuration(api: Api) -> None:
    discovered = api.call("GET", "/.well-known/smart-configuration", Authorization="").json()
    [rest] = metadata(api)["rest"]
    [oauth] = rest["security"]["extension"]
    told = {each["url"]: each["valueUri"] for each in oauth["extension"]}
    assert told["token"] == discovered["token_endpoint"]
    assert ("authorize" in told) is ("authorization_endpoint" in discovered)


def test_other_modes_are_refused(api: Api) -> None:
    assert api.get("/metadata?mode=normative").status_code == 200
    assert api.get("/metadata?mode=everything").status_code == 400


def test_terminology_capabilities_tell_of_built_in_systems_and_of_what_is_routed(api: Api) -> None:
    response = api.get("/metadata?mode=terminology", Authorization="")
    assert response.status_code == 200
    body = response.json()
    assert api.services.validator.check(body, "TerminologyCapabilities") == []
    systems = {each["uri"]: each["subsumption"] for each in body["codeSystem"]}
    assert systems["http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"] is True
    assert systems["http://terminology.hl7.org/CodeSystem/v2-0074"] is False
    assert {"filter", "count", "offset"} <= {each["name"] for each in body["expansion"]["parameter"]}
    assert (body["validateCode"], body["translation"]) == ({"translations": False}, {"needsMap": False})


def test_it_stays_small_enough_for_clients_that_parse_it_first(api: Api) -> None:
    assert len(json.dumps(metadata(api))) < 1_000_000


def test_no_interaction_is_listed_twice(api: Api) -> None:
    rest = api.get("/metadata").json()["rest"][0]
    for listed in (rest, *rest["resource"]):
        codes = [each["code"] for each in listed["interaction"]]
        assert len(codes) == len(set(codes))
