"""One interaction with one resource type as an OpenAPI operation.

https://spec.openapis.org/oas/v3.0.3#operation-object
"""

from collections.abc import Iterable
from typing import Any

from fhir_lab.interactions.message import Interaction
from fhir_lab.openapi import parameters
from fhir_lab.openapi.examples import example, in_both_formats, transaction
from fhir_lab.openapi.texts import ERRORS, HTTP, TEXTS, Text
from fhir_lab.patching import FORMATS, JSON_PATCH, MERGE_PATCH
from fhir_lab.search.registry import Registry

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"


def operation(row: Interaction, resource_type: str, registry: Registry) -> Json:
    """What the page shows for one row of the table of interactions; the row must be in `TEXTS`."""
    text = TEXTS[row.name, row.path]
    needs = f" Needs a scope such as `user/{resource_type}.{row.permission}`." if row.permission else ""
    found: Json = {
        "tags": [text.tag],
        "operationId": _operation_id(row, resource_type),
        "summary": text.summary,
        "description": text.description + needs,
        "externalDocs": {"url": f"{HTTP}#{text.anchor}"},
        "parameters": _parameters(row, resource_type, text, registry),
        "responses": _responses(row, resource_type, text),
    }
    if row.content:
        found["requestBody"] = _body(row, resource_type, registry)
    if row.public:
        found["security"] = []
    return found


def _operation_id(row: Interaction, resource_type: str) -> str:
    first, *rest = row.name.split("-")
    name = first + "".join(word.capitalize() for word in rest if word != "type")
    if "{type}" not in row.path:
        return name + ("ByPost" if row.content == "form" else "")
    by_criteria = row.path == "/{type}" and row.method in ("PUT", "PATCH", "DELETE")
    by_post = "ByPost" if "{id}" not in row.path or "{member}" in row.path else "OfAllByPost"
    return name + resource_type + ("ByCriteria" if by_criteria else by_post if row.content == "form" else "")


def _parameters(row: Interaction, resource_type: str, text: Text, registry: Registry) -> list[Json]:
    found: list[Json] = []
    if "{id}" in row.path:
        found.append(parameters.path("id", example(resource_type)["id"], "The resource's id."))
    if "{vid}" in row.path:
        found.append(parameters.path("vid", "1", "The version, from `meta.versionId`."))
    if "{member}" in row.path:
        found.append(parameters.path("member", "Observation", "The type to search, or `*` for all."))
    if row.parameters is None and row.content != "form":
        found += [{"$ref": f"#/components/parameters/{name}"} for name in _names(row, resource_type, registry)]
    return [*found, *parameters.queries(row.parameters or ()), *parameters.headers(text.headers)]


def _names(row: Interaction, resource_type: str, registry: Registry) -> Iterable[str]:
    """The search parameters that an interaction takes."""
    if row.name == "search-type":
        return parameters.search_parameters(registry, resource_type)
    if row.name.startswith("search-"):
        return parameters.common_parameters(registry)
    return [name for name in parameters.CRITERIA if name in registry.of(resource_type)]


def _body(row: Interaction, resource_type: str, registry: Registry) -> Json:
    if row.content == "form":
        fields = {name: {"type": "string"} for name in _names(row, resource_type, registry)}
        return {"content": {FORM: {"schema": {"type": "object", "properties": fields}}}}
    if row.content == "patch":
        return {"required": True, "content": _patches(resource_type)}
    sent = example(resource_type) if "{type}" in row.path else transaction()
    if "{id}" not in row.path:
        sent.pop("id", None)
    schema = {"$ref": f"#/components/schemas/{resource_type}"}
    return {"required": True, "content": in_both_formats(schema, sent, in_xml=row.path in ("/{type}/{id}", "/"))}


def _patches(resource_type: str) -> Json:
    """One change, written in each format."""
    change = (("type", "valueCode", "add"), ("path", "valueString", resource_type), ("name", "valueString", "language"))
    parts = [{"name": name, kind: value} for name, kind, value in (*change, ("value", "valueCode", "en"))]
    paths = in_both_formats(
        {"type": "object"}, {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    )
    written: Json = {
        JSON_PATCH: {
            "schema": {"type": "array", "items": {"type": "object"}},
            "example": [{"op": "add", "path": "/language", "value": "en"}],
        },
        MERGE_PATCH: {"schema": {"type": "object"}, "example": {"language": "en"}},
        **paths,
    }
    return {name: written[name] for name in FORMATS}


def _responses(row: Interaction, resource_type: str, text: Text) -> Json:
    named = {"Resource": resource_type if "{type}" in row.path else "Resource"}
    told = {str(status): named.get(name, name) or ERRORS[status][0] for status, name in sorted(text.answers.items())}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in {**told, "4XX": "Refused"}.items()}
