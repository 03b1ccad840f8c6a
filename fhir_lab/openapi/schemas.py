"""JSON schemas of resources, one level deep, from the element table: enough to see the shape, small enough to show.

https://spec.openapis.org/oas/v3.0.3#schema-object https://hl7.org/fhir/R4/json.html
"""

import re
from collections.abc import Iterator
from typing import Any

import conformance

Json = dict[str, Any]
_PRIMITIVES: dict[str, Json] = {
    "boolean": {"type": "boolean"},
    "decimal": {"type": "number"},
    "integer": {"type": "integer"},
    "positiveInt": {"type": "integer", "minimum": 1},
    "unsignedInt": {"type": "integer", "minimum": 0},
}
_LONGEST_ENUM = 16
_VALUE_SET = "http://hl7.org/fhir/ValueSet/"


def resource_schemas(resource_type: str) -> dict[str, Json]:
    """The schema of a resource type, and of each datatype it refers to, by name."""
    schemas: dict[str, Json] = {}
    required = ["resourceType"]
    properties: Json = {"resourceType": {"type": "string", "enum": [resource_type]}}
    for name, element in children(resource_type, resource_type):
        if name.endswith("[x]"):
            properties |= _choice(name, element, schemas)
        else:
            properties[name] = _property(f"{resource_type}.{name}", element, schemas)
            if element["card"].startswith("1"):
                required.append(name)
    schemas[resource_type] = {
        "type": "object",
        "externalDocs": {"url": f"https://hl7.org/fhir/R4/{resource_type.lower()}.html"},
        "required": required,
        "properties": properties,
    }
    return schemas


def children(table: str, path: str) -> Iterator[tuple[str, Json]]:
    """The elements right below a path of the element table entry `table`: (name, entry)."""
    depth = path.count(".") + 1
    for child, element in conformance.elements()[table]["elements"].items():
        if child.startswith(f"{path}.") and child.count(".") == depth:
            yield child[len(path) + 1 :], element


def type_name(entry: str | list[Any]) -> str:
    """The name in an entry of `types`."""
    return entry if isinstance(entry, str) else entry[0]


def is_primitive(name: str) -> bool:
    """True for `string`, `code` and the like."""
    return bool(conformance.elements()[name]["kind"] == "primitive-type")


def choice_name(name: str, datatype: str) -> str:
    """The property of a choice element: `value[x]` with Quantity is `valueQuantity`."""
    return name.removesuffix("[x]") + datatype[0].upper() + datatype[1:]


def _choice(name: str, element: Json, schemas: dict[str, Json]) -> Json:
    return {
        choice_name(name, type_name(entry)): _value(entry, {}, f"One of {name} ({element['card']})", schemas)
        for entry in element["types"]
    }


def _property(path: str, element: Json, schemas: dict[str, Json]) -> Json:
    entry = element["types"][0] if "types" in element else "BackboneElement"
    value = _value(entry, element, _shape(path, element, entry), schemas)
    return value if element["card"].endswith("..1") else {"type": "array", "items": value}


def _value(entry: str | list[Any], element: Json, description: str, schemas: dict[str, Json]) -> Json:
    name = type_name(entry)
    if is_primitive(name):
        return {**_PRIMITIVES.get(name, {"type": "string"}), **_codes(element), "description": description}
    if name in ("BackboneElement", "Resource"):
        return {"type": "object", "description": description}
    if name not in schemas:
        schemas[name] = _datatype(name)
    # OpenAPI 3.0 ignores what stands beside a $ref, so the description needs allOf.
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "description": description}


def _datatype(name: str) -> Json:
    members = ", ".join(child for child, _ in children(name, name) if child not in ("id", "extension"))
    return {"type": "object", "description": f"{name}: {members}. https://hl7.org/fhir/R4/datatypes.html#{name}"}


def _codes(element: Json) -> Json:
    codes = [code for _, code in conformance.required_codes().get(element.get("required", ""), ())]
    return {"enum": codes} if 0 < len(codes) <= _LONGEST_ENUM else {}


def _shape(path: str, element: Json, entry: str | list[Any]) -> str:
    name = type_name(entry)
    if "sameAs" in element:
        text = f"As {element['sameAs']}"
    elif name in ("BackboneElement", "Element"):
        inner = (child for child, _ in children(path.partition(".")[0], path))
        text = ", ".join(child for child in inner if not re.fullmatch("id|extension|modifierExtension", child))
    elif name in ("Reference", "canonical") and isinstance(entry, list):
        text = f"{name} to {' or '.join(entry[1])}"
    else:
        text = name
    bound = element.get("required") or element.get("extensible")
    binding = (
        f", {'one' if 'required' in element else 'preferably one'} of {bound.removeprefix(_VALUE_SET)}" if bound else ""
    )
    return f"{element['card']} {text}{binding}"
