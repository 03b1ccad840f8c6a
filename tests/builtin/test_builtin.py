"""Resources that come with the server: read, found, sorted and paged like any other, stored in no database."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance import required_codes
from fhir_lab.builtin import Builtins
from fhir_lab.services import Services
from fhir_lab.storage.tables import resource
from tests.support.api import BASE, Api, issues, links

NAME = "http://hl7.org/fhir/SearchParameter/individual-given"


@pytest.fixture
def api(services: Services) -> Iterator[Api]:
    api = Api(services)
    yield api
    api.close()


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def shadow(api: Api, resource_id: str = "individual-given", **more: Any) -> dict[str, Any]:
    """A stored SearchParameter under the id of a built-in one."""
    body: dict[str, Any] = api.get(f"/SearchParameter/{resource_id}").json()
    body.pop("meta")
    return body | more


def test_each_definition_that_the_capability_statement_names_is_found_by_its_url(api: Api) -> None:
    statement = api.get("/metadata").json()
    named = {
        parameter["definition"]: (parameter["name"], parameter["type"])
        for row in statement["rest"][0]["resource"]
        for parameter in row["searchParam"]
    }
    found: dict[str, Any] = {}
    path = "/SearchParameter?_count=1000"
    while path:
        page = api.get(path).json()
        found |= {entry["resource"]["url"]: entry["resource"] for entry in page["entry"]}
        path = links(page).get("next", "")
    assert {url: (found[url]["code"], found[url]["type"]) for url in named} == named


def test_a_definition_says_what_the_server_does(api: Api) -> None:
    response = api.get("/SearchParameter/Observation-code-value-quantity")
    assert response.status_code == 200
    assert response.headers["etag"] == 'W/"0"'
    body = response.json()
    assert body["meta"] == {"versionId": "0", "lastUpdated": "2019-10-30T00:00:00.000Z"}
    assert body["url"] == "http://hl7.org/fhir/SearchParameter/Observation-code-value-quantity"
    assert body["base"] == ["Observation"]
    assert body["type"] == "composite"
    assert body["component"] == [
        {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"},
        {
            "definition": "http://hl7.org/fhir/SearchParameter/Observation-value-quantity",
            "expression": "value.as(Quantity)",
        },
    ]
    given = api.get("/SearchParameter/individual-given").json()
    assert (given["base"], given["modifier"]) == (["Patient", "Practitioner"], ["missing", "exact", "contains"])
    assert given["expression"] == "Patient.name.given | Practitioner.name.given"
    assert api.get("/SearchParameter/Resource-id").json()["base"] == ["Resource"]
    assert api.get("/SearchParameter/clinical-date").json()["comparator"] == [
        *("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
    ]


def test_each_parameter_says_which_modifiers_it_takes(sqlite_services: Services) -> None:
    documents = {document["url"]: document for _, document in sqlite_services.builtin.of("SearchParameter").values()}
    told = {url.rpartition("/")[2]: document.get("modifier", []) for url, document in documents.items()}
    assert told["clinical-code"] == ["missing", "not", "text", "in", "not-in", "above", "below"]
    assert "ofType" in told["clinical-identifier"]
    assert "ofType" not in told["Observation-status"]
    assert {"above", "below"} <= set(told["Observation-specimen"])
    assert "below" not in told["clinical-patient"]


@pytest.mark.parametrize("resource_type", ["SearchParameter", "CodeSystem", "ValueSet"])
def test_every_built_in_resource_is_valid(sqlite_services: Services, resource_type: str) -> None:
    found = sqlite_services.builtin.of(resource_type)
    assert found
    for version, document in found.values():
        assert (version.id, sqlite_services.validator.check(document, resource_type)) == (document["id"], [])


@pytest.mark.parametrize("resource_type", ["CodeSystem", "ValueSet"])
def test_no_two_built_in_resources_share_a_canonical_url(sqlite_services: Services, resource_type: str) -> None:
    documents = [document for _, document in sqlite_services.builtin.of(resource_type).values()]
    assert len({document["url"] for document in documents}) == len(documents)


def test_every_required_value_set_and_its_systems_are_built_in(sqlite_services: Services) -> None:
    builtin = sqlite_services.builtin
    urls = {name: {document["url"] for _, document in builtin.of(name).values()} for name in ("CodeSystem", "ValueSet")}
    assert urls["ValueSet"] >= required_codes().keys()
    assert urls["CodeSystem"] >= {system for pairs in required_codes().values() for system, _ in pairs}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"url={NAME}", ["individual-given"]),
        ("code=birthdate", ["individual-birthdate"]),
        ("base=Patient&code=organization", ["Patient-organization"]),
        ("base=Patient&type=date", ["Patient-death-date", "individual-birthdate"]),
        ("_id=Resource-id,nothing", ["Resource-id"]),
        ("_id:not=x&base=Endpoint&type:not=token&_sort=code", ["Endpoint-name", "Endpoint-organization"]),
        ("component:missing=false&base=Substance", []),
        ("_has:List:item:status=current", []),
        ("name=nothing-like-it", []),
    ],
)
def test_built_in_resources_are_searched_by_any_parameter(api: Api, query: str, expected: list[str]) -> None:
    page = api.get(f"/SearchParameter?{query}").json()
    assert (ids(page), page["total"]) == (expected, len(expected))
    if expected:
        assert page["entry"][0]["fullUrl"] == f"{BASE}/SearchParameter/{expected[0]}"


@pytest.mark.parametrize(
    "sort", ["code", "-code,_id", "_id", "-_id", "-date,type,code", "base,-_lastUpdated,-name", ""]
)
def test_pages_mix_stored_and_built_in_ones_in_order(api: Api, sort: str) -> None:
    for n in range(7):
        more = {
            "id": f"own-{n}",
            "url": f"http://lab/{n}",
            "name": f"Own{n}",
            "status": "retired",
            "base": ["Endpoint"],
        }
        code = ["aaa", "identifier-x", "zzz", "name-x", "connection", "p", "q"][n]
        assert api.put(f"/SearchParameter/own-{n}", shadow(api, **more, code=code)).status_code == 201
    query = f"base=Endpoint&_sort={sort}"
    everything = ids(api.get(f"/SearchParameter?{query}&_count=100").json())
    assert len(everything) == 13
    assert len(set(everything)) == 13
    walked: list[str] = []
    page = api.get(f"/SearchParameter?{query}&_count=3").json()
    while True:
        assert page["total"] == 13
        walked += ids(page)
        if "next" not in links(page):
            break
        page = api.get(links(page)["next"]).json()
    assert walked == everything
    back = ids(page)
    while "previous" in links(page):
        page = api.get(links(page)["previous"]).json()
        back = ids(page) + back
    assert back == everything


def test_what_is_stored_takes_the_place_of_the_built_in_one_until_it_is_deleted(api: Api) -> None:
    assert api.put("/SearchParameter/individual-given", shadow(api, description="Ours.")).status_code == 201
    read = api.get("/SearchParameter/individual-given")
    assert (read.json()["description"], read.headers["etag"]) == ("Ours.", 'W/"1"')
    found = api.get(f"/SearchParameter?url={NAME}").json()
    assert (found["total"], found["entry"][0]["resource"]["description"]) == (1, "Ours.")
    api.delete("/SearchParameter/individual-given")
    assert api.get("/SearchParameter/individual-given").headers["etag"] == 'W/"0"'
    assert api.get("/SearchParameter/individual-given/_history/0").status_code == 200
    assert api.get("/SearchParameter/individual-given/_history/2").status_code == 410
    assert ids(api.get(f"/SearchParameter?url={NAME}").json()) == ["individual-given"]


def test_a_built_in_resource_cannot_be_deleted(api: Api) -> None:
    refused = api.delete("/SearchParameter/individual-given")
    assert refused.status_code == 405
    assert issues(refused)[0][0] == "not-supported"
    assert api.get("/SearchParameter/individual-given").status_code == 200


def test_scopes_hold_for_built_in_resources_too(api: Api) -> None:
    nobody = api.scoped("user/Patient.rs")
    assert nobody.get("/SearchParameter/individual-given").status_code == 403
    assert nobody.get("/SearchParameter").status_code == 403
    narrow = api.scoped("user/SearchParameter.rs?code=given")
    assert narrow.get("/SearchParameter/individual-given").status_code == 200
    assert narrow.get("/SearchParameter/individual-family").status_code == 404
    assert ids(narrow.get("/SearchParameter?_count=5").json()) == ["individual-given"]
    of_a_patient = api.scoped("patient/*.rs", patient="p1")
    assert of_a_patient.get("/SearchParameter/individual-given").status_code == 200
    assert of_a_patient.get("/SearchParameter?base=Patient&code=given").json()["total"] == 1


def test_no_database_holds_them(services: Services) -> None:
    with services.database.read() as connection:
        assert connection.execute(resource.select()).all() == []


def test_a_type_may_have_several_providers() -> None:
    one = {"a": {"resourceType": "Basic", "code": {}}}
    two = {"b": {"resourceType": "Basic", "code": {}}, "a": {"resourceType": "Basic", "language": "de"}}
    found = Builtins([("Basic", lambda: one), ("Basic", lambda: two)]).of("Basic")
    assert {key: document.get("language") for key, (_, document) in found.items()} == {"a": "de", "b": None}
    assert Builtins([]).of("Basic") == {}
