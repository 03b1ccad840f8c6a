"""An example of every resource type: worked ones for what a laboratory uses first, else just what the type requires.

The worked ones refer to each other: sent in the order of `WORKED`, each finds what it refers to. What the others
need besides what their cardinalities require is in `completed.json`.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

import conformance
from fhir_lab.openapi.schemas import children, choice_name, is_primitive, type_name
from fhir_lab.openapi.texts import FHIR_JSON, FHIR_XML
from fhir_lab.xml import to_xml

Json = dict[str, Any]
WORKED = ("Patient", "ServiceRequest", "Specimen", "Observation", "DiagnosticReport")
_MOMENT = "2026-04-15T08:20:00Z"
_PRIMITIVES: Json = {
    "boolean": False,
    "canonical": "https://laboratory.example/definition",
    "code": "example",
    "date": "2026-04-15",
    "dateTime": _MOMENT,
    "decimal": 1,
    "id": "example",
    "instant": _MOMENT,
    "integer": 1,
    "positiveInt": 1,
    "unsignedInt": 0,
    "uri": "https://laboratory.example/definition",
    "url": "https://laboratory.example/definition",
}
_CODES = ("active", "final", "completed", "draft", "order", "collection", "4.0.1")
_DATATYPES: Json = {
    "CodeableConcept": {"text": "Example"},
    "Coding": {"system": "https://laboratory.example/codes", "code": "example"},
    "Period": {"start": "2026-04-15"},
    "Quantity": {"value": 1, "unit": "mL", "system": "http://unitsofmeasure.org", "code": "mL"},
    "Money": {"value": 10, "currency": "EUR"},
    "Attachment": {"title": "Example"},
}


def example(resource_type: str) -> Json:
    """A resource of the type, with the id that the page offers for reading it back."""
    worked = resources.files(__package__) / "worked" / f"{resource_type}.json"
    if worked.is_file():
        found: Json = json.loads(worked.read_text("utf-8"))
        return found
    required = _required(resource_type, resource_type) | _completed().get(resource_type, {})
    return {"resourceType": resource_type, "id": f"example-{resource_type.lower()}"[:64], **required}


def transaction() -> Json:
    """A transaction Bundle whose order refers to the patient created, or found, beside it."""
    patient, order = example("Patient"), example("ServiceRequest")
    del patient["id"], order["id"]
    identifier = patient["identifier"][0]
    criteria = f"identifier={identifier['system']}|{identifier['value']}"
    place = "urn:uuid:7d2f1a54-96cb-4a1c-9f0e-0f5f4f0a9c11"
    order["subject"] = {"reference": place}
    creation = {"method": "POST", "url": "Patient", "ifNoneExist": criteria}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": place, "resource": patient, "request": creation},
            {"resource": order, "request": {"method": "POST", "url": "ServiceRequest"}},
        ],
    }


def in_both_formats(schema: Json, sent: Json | None = None, *, in_xml: bool = False) -> Json:
    """The `content` of a body or an answer in JSON, with an example if there is one, and in XML.

    A schema of JSON says nothing about XML. Where a page has to show how that looks, it has the example as well:
    everywhere would make the documents a tenth larger.
    """
    content: Json = {FHIR_JSON: {"schema": schema}, FHIR_XML: {"schema": {"type": "string"}}}
    if sent is not None:
        content[FHIR_JSON]["example"] = sent
        if in_xml:
            content[FHIR_XML]["example"] = to_xml(sent).decode()
    return content


@cache
def _completed() -> dict[str, Json]:
    """By type, the elements that its rules ask for."""
    found: dict[str, Json] = json.loads((resources.files(__package__) / "completed.json").read_text("utf-8"))
    return found


def _required(table: str, path: str) -> Json:
    """The elements right below `path` without which it is not valid, each with a value."""
    found: Json = {}
    for name, element in children(table, path):
        if element["card"].startswith("1") and "types" in element:
            datatype = type_name(element["types"][0])
            value = _value(table, f"{path}.{name}", element, datatype)
            found[choice_name(name, datatype) if name.endswith("[x]") else name] = (
                value if element["card"].endswith("..1") else [value]
            )
    return found


def _value(table: str, path: str, element: Json, datatype: str) -> Any:
    codes = [code for _, code in conformance.required_codes().get(element.get("required", ""), ())]
    if datatype == "code" and codes:
        return next((code for code in _CODES if code in codes), codes[0])
    if datatype == "Reference":
        targets = element["types"][0][1]
        return {"reference": "Patient/example-patient"} if "Patient" in targets else {"display": f"Some {targets[0]}"}
    if datatype in ("BackboneElement", "Element"):
        return _required(table, path)
    if is_primitive(datatype):
        return _PRIMITIVES.get(datatype, "Example")
    return _DATATYPES.get(datatype) or _required(datatype, datatype)
