"""Each operation of the table is routed, told of, readable as a definition and documented; nothing else is."""

from typing import Any

import pytest

from fhir_lab.interactions.operation import ANY, Operation
from fhir_lab.openapi.document import Documents
from fhir_lab.operations.routes import ROUTED
from fhir_lab.operations.table import OPERATIONS
from fhir_lab.services import Services
from tests.support.api import Api

Json = dict[str, Any]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_its_definition_is_a_valid_resource(operation: Operation, sqlite_services: Services) -> None:
    definition = operation.definition()
    assert sqlite_services.validator.check(definition, "OperationDefinition") == []
    assert definition["url"].endswith(f"/OperationDefinition/{operation.id}")


def test_no_two_operations_share_an_id_or_url() -> None:
    assert len({each.id for each in OPERATIONS}) == len({each.url for each in OPERATIONS}) == len(OPERATIONS)


def test_the_capability_statement_lists_each_operation_where_it_is_routed(sqlite_services: Services) -> None:
    api = Api(sqlite_services)
    [rest] = api.get("/metadata").json()["rest"]
    types = sqlite_services.registry.types
    told = {
        (resource["type"], each["definition"])
        for resource in rest["resource"]
        for each in resource.get("operation", [])
    }
    told |= {("", each["definition"]) for each in rest.get("operation", [])}
    routed = {("", each.url) for each in OPERATIONS if each.system}
    for each in OPERATIONS:
        for levels in (each.on_type, each.on_instance):
            routed |= {(name, each.url) for name in (types if levels == ANY else levels)}
    assert told == routed
    api.close()


def test_every_operation_is_documented_for_its_types(sqlite_services: Services) -> None:
    documents = Documents(sqlite_services, ROUTED)
    for name in ("Patient", "Observation", "ValueSet"):
        shown = {
            (method.upper(), path) for path, methods in documents.of_type(name)["paths"].items() for method in methods
        }
        rows = [row for row in ROUTED if row.operation and "{type}" in row.path]
        expected = {
            (row.method, row.path.replace("{type}", name)) for row in rows if not row.types or name in row.types
        }
        assert expected <= shown


def test_every_definition_that_the_capability_statement_names_can_be_read_and_found(sqlite_services: Services) -> None:
    api = Api(sqlite_services)
    for operation in OPERATIONS:
        assert api.get(f"/OperationDefinition/{operation.id}").json()["url"] == operation.url
        [entry] = api.get(f"/OperationDefinition?url={operation.url}").json()["entry"]
        assert entry["resource"]["id"] == operation.id
    api.close()


def test_what_a_url_cannot_carry_is_not_routed_for_get_and_head_starts_no_job(sqlite_services: Services) -> None:
    api = Api(sqlite_services)
    get = api.get("/Patient/$match")
    assert (get.status_code, get.headers["allow"]) == (405, "OPTIONS, POST")
    head = api.call("HEAD", "/$export")
    assert (head.status_code, head.headers["allow"]) == (405, "GET, OPTIONS, POST")
    assert api.call("HEAD", "/$meta").status_code == 200
    api.close()
