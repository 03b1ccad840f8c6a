"""FHIR operations as OpenAPI operations, from the same entries that route them.

https://spec.openapis.org/oas/v3.0.3#operation-object
"""

from typing import Any

from fhir_lab.interactions.message import Interaction
from fhir_lab.interactions.operation import Operation, Parameter
from fhir_lab.openapi import parameters
from fhir_lab.openapi.examples import example, in_both_formats
from fhir_lab.openapi.texts import REFUSED

Json = dict[str, Any]


def fhir_operation(row: Interaction, resource_type: str) -> Json:
    """What the page shows for one routed row of an operation."""
    operation = row.operation
    assert operation is not None
    needs = f" Needs a scope such as `user/{resource_type}.{row.permission}`." if row.permission else ""
    found: Json = {
        "tags": ["Operations"],
        "operationId": _operation_id(row, operation, resource_type),
        "summary": f"${operation.code}",
        "description": operation.description + needs,
        "externalDocs": {"url": operation.url},
        "parameters": _parameters(row, operation, resource_type),
        "responses": _responses(operation),
    }
    if row.content:
        found["requestBody"] = {"content": in_both_formats({"type": "object"})}
    return found


def _operation_id(row: Interaction, operation: Operation, resource_type: str) -> str:
    words = operation.code.replace("-", " ").split()
    name = words[0] + "".join(word.capitalize() for word in words[1:])
    level = f"{resource_type}Instance" if "{id}" in row.path else resource_type if "{type}" in row.path else "System"
    return f"{name}{level}" + ("ByPost" if row.method == "POST" else "")


def _parameters(row: Interaction, operation: Operation, resource_type: str) -> list[Json]:
    found = [parameters.path("id", example(resource_type)["id"], "The resource's id.")] if "{id}" in row.path else []
    if row.method == "GET":
        found += [_query(parameter) for parameter in operation.inputs.values() if parameter.primitive]
    return found


def _query(parameter: Parameter) -> Json:
    return {**parameters.query(parameter.name, parameter.documentation), "required": parameter.min > 0}


def _responses(operation: Operation) -> Json:
    schema: Json = {"type": "object"}
    content = {operation.media_type: {"schema": schema}} if operation.media_type else in_both_formats(schema)
    found: Json = {"200": {"description": "The answer.", "content": content}}
    if operation.asynchronous:
        found["202"] = {"description": "Begun; `Content-Location` is where to ask for it."}
    if operation.media_type:
        told = in_both_formats({"$ref": "#/components/schemas/Outcome"})
        return {**found, "4XX": {"description": REFUSED, "content": {**content, **told}}}
    return {**found, "4XX": {"$ref": "#/components/responses/Refused"}}
