"""The OpenAPI documents tell what is routed, hold together, and their examples are accepted as they stand."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_lab.app import create_app
from fhir_lab.documents import parse
from fhir_lab.interactions.routes import INTERACTIONS
from fhir_lab.openapi.document import Documents
from fhir_lab.openapi.examples import WORKED, example
from fhir_lab.openapi.laboratory import _as_3_0
from fhir_lab.openapi.parameters import RESULT_PARAMETERS
from fhir_lab.security.roles import ROLES
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from fhir_lab.xml import from_xml
from tests.support.asgi import call
from tests.support.client import Client

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"


@pytest.fixture
def documents(sqlite_services: Services) -> Documents:
    return Documents(sqlite_services, INTERACTIONS)


def _client(services: Services, role: str = "technician") -> Client:
    return Client(create_app(services=services), issue(services, subject="tess", scopes=ROLES[role].scope))


def _parts(value: Any) -> Iterator[Json]:
    """Every object inside a document."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(item)


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _resolved(document: Json, value: Json) -> Json:
    reference = value.get("$ref")
    if reference is None:
        return value
    found = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def _send(
    client: Client, document: Json, method: str, path: str, operation: Json, *, media_type: str = FHIR_JSON
) -> tuple[int, Json]:
    """Send an operation as the page has filled it in; the answer is asked for in JSON."""
    parameters = [_resolved(document, parameter) for parameter in operation["parameters"]]
    filled_in = [parameter for parameter in parameters if "example" in parameter]
    for parameter in filled_in:
        path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    query = {parameter["name"]: parameter["example"] for parameter in filled_in if parameter["in"] == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get(media_type, {}).get("example")
    sent = {"content": body} if isinstance(body, str) else {"json": body}
    headers = {"Content-Type": media_type, "Accept": FHIR_JSON}
    response = client.send(method, path.lstrip("/"), headers, params=query, **sent)
    return response.status_code, response.json()


def test_every_document_holds_together(documents: Documents) -> None:
    general = [documents.of_first_steps(), documents.of_system()]
    for document in [*map(documents.of_type, documents.types), *general]:
        assert document["openapi"] == "3.0.3"
        for part in _parts(document):
            if "$ref" in part:
                assert _resolved(document, part)
        identifiers = [operation["operationId"] for _, _, operation in _operations(document)]
        assert len(set(identifiers)) == len(identifiers) > 1
        for _, path, operation in _operations(document):
            declared = [entry["name"] for entry in operation["parameters"] if entry.get("in") == "path"]
            assert [f"{{{name}}}" for name in declared] == [word for word in path.split("/") if word.startswith("{")]
            assert "200" in operation["responses"]


def test_a_document_is_small_enough_for_a_page(documents: Documents) -> None:
    sizes = {name: len(json.dumps(documents.of_type(name), separators=(",", ":"))) for name in documents.types}
    assert len(sizes) >= 146
    assert max(sizes.values()) < 60_000
    assert sum(sizes.values()) / len(sizes) < 32_000


def test_what_is_documented_is_what_is_routed(documents: Documents) -> None:
    shown = {(method, path) for method, path, _ in _operations(documents.of_type("Patient"))}
    shown |= {(method, path) for method, path, _ in _operations(documents.of_system())}
    assert shown == {(row.method, row.path.replace("{type}", "Patient")) for row in INTERACTIONS}


def test_what_is_read_or_answered_in_json_is_so_in_xml(documents: Documents) -> None:
    document = documents.of_type("Patient")
    found = [part["content"] for part in _parts(document) if FHIR_JSON in part.get("content", {})]
    assert len(found) > 10
    assert all(FHIR_XML in content for content in found)
    sent = document["paths"]["/Patient/{id}"]["put"]["requestBody"]["content"]
    assert from_xml(sent[FHIR_XML]["example"].encode()) == sent[FHIR_JSON]["example"]


def test_the_types_of_the_laboratory_come_first_and_none_is_missing(documents: Documents) -> None:
    registry = documents._registry
    assert documents.types[:5] == WORKED
    assert sorted(documents.types) == list(registry.types)


def test_every_search_parameter_is_explained(documents: Documents) -> None:
    for name in documents.types:
        document = documents.of_type(name)
        search = document["paths"][f"/{name}"]["get"]
        found = [_resolved(document, entry) for entry in search["parameters"]]
        queries = {entry["name"]: entry["description"] for entry in found if entry["in"] == "query"}
        assert set(queries) == {*documents._registry.of(name), *RESULT_PARAMETERS}
        assert all(len(text) > 15 for text in queries.values())
        form = document["paths"][f"/{name}/_search"]["post"]["requestBody"]["content"]
        assert set(form["application/x-www-form-urlencoded"]["schema"]["properties"]) == set(queries)


def test_every_parameter_for_the_answer_is_accepted(sqlite_services: Services) -> None:
    client = _client(sqlite_services)
    values = {"_count": "5", "_sort": "-date", "_include": "Observation:subject", "_revinclude": "Provenance:target"}
    values |= {"_summary": "count", "_elements": "status", "_total": "accurate"}
    assert set(values) == set(RESULT_PARAMETERS)
    for name, value in values.items():
        assert client.get("Observation", params={name: value}).status_code == 200, name


def test_the_example_of_every_type_is_valid(documents: Documents, sqlite_services: Services) -> None:
    issues = {
        name: found
        for name in documents.types
        if (found := sqlite_services.validator.check(parse(json.dumps(example(name))), name))
    }
    assert issues == {}


def test_the_first_steps_work_as_they_are_filled_in_from_top_to_bottom_and_again_in_xml(services: Services) -> None:
    client = _client(services)
    document = Documents(services, INTERACTIONS).of_first_steps()
    for written, media_type in ((201, FHIR_JSON), (200, FHIR_XML)):
        answers = [_send(client, document, *operation, media_type=media_type) for operation in _operations(document)]
        assert [status for status, _ in answers] == [written] * 5 + [200, 200], answers
        found = [[entry["resource"]["id"] for entry in bundle["entry"]] for _, bundle in answers[5:]]
        assert found == [["example-glucose"], ["example-report"]]
    first = next(operation for _, _, operation in _operations(document))
    assert (first["summary"], first["tags"]) == ("1. Register a patient", ["First steps"])


def test_the_pages_of_the_laboratory_types_work_as_they_are_filled_in(services: Services) -> None:
    client = _client(services)
    made = Documents(services, INTERACTIONS)
    for name in WORKED:
        document = made.of_type(name)
        sent = [
            *((path, method) for path, method in [(f"/{name}/{{id}}", "put"), (f"/{name}", "post")]),
            *((path, "get") for path in (f"/{name}/{{id}}", f"/{name}/{{id}}/_history/{{vid}}", f"/{name}")),
        ]
        statuses = [
            _send(client, document, method.upper(), path, document["paths"][path][method])[0] for path, method in sent
        ]
        assert statuses == [201, 201, 200, 200, 200]


def test_the_transaction_of_the_system_page_works_as_it_is_filled_in(services: Services) -> None:
    client = _client(services)
    document = Documents(services, INTERACTIONS).of_system()
    for patient in ("201", "200"):
        status, bundle = _send(client, document, "POST", "/", document["paths"]["/"]["post"])
        assert status == 200
        assert [entry["response"]["status"][:3] for entry in bundle["entry"]] == [patient, "201"]


@pytest.mark.parametrize(("allowed", "schemes"), [(False, ["token"]), (True, ["token", "login"])])
def test_login_by_password_is_offered_only_where_it_is_allowed(
    sqlite_services: Services, allowed: bool, schemes: list[str]
) -> None:
    sqlite_services.settings = sqlite_services.settings.model_copy(update={"password_grant": allowed})
    document = Documents(sqlite_services, INTERACTIONS).of_type("Patient")
    assert list(document["components"]["securitySchemes"]) == schemes
    assert document["security"] == [{name: []} for name in schemes]


def test_the_document_of_the_laboratory_tells_of_authorization_and_health(sqlite_services: Services) -> None:
    document = call(create_app(services=sqlite_services), "GET", "/openapi/laboratory.json").json()
    assert document["openapi"] == "3.0.3"
    assert {"/oauth2/token", "/oauth2/jwks", "/healthz", "/readyz", "/metrics"} <= set(document["paths"])
    assert not [path for path in document["paths"] if path.startswith(("/docs", "/openapi"))]
    assert all(operation["security"] == [] for _, path, operation in _operations(document) if "/api/" not in path)
    assert not [part for part in _parts(document) if part.get("type") == "null" or isinstance(part.get("type"), list)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        (
            {"anyOf": [{"$ref": "#/a"}, {"type": "null"}], "title": "A"},
            {"title": "A", "anyOf": [{"$ref": "#/a"}], "nullable": True},
        ),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"type": "string", "const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        ({"type": "string", "examples": ["a", "b"]}, {"type": "string", "example": "a"}),
    ],
)
def test_what_openapi_3_1_says_otherwise_is_said_as_3_0_does(written: Json, expected: Json) -> None:
    assert _as_3_0(written) == expected
