"""Resources of every type, made from the 4.0.1 definitions: all of an element's rules hold but its invariants."""

import random
from typing import Any

import conformance
from fhir_lab.documents import ExactDecimal

PRIMITIVES: dict[str, Any] = {
    "base64Binary": "aGVs bG8=",
    "boolean": True,
    "canonical": "http://example.org/x|1",
    "code": "a b",
    "date": "2024-02-29",
    "dateTime": "2024-02-29T10:00:60.5+01:00",
    "decimal": ExactDecimal("6.30"),
    "id": "a-1.B",
    "instant": "2024-02-29T10:00:00.123Z",
    "integer": -5,
    "markdown": "a\nb",
    "oid": "urn:oid:1.2.3",
    "positiveInt": 1,
    "string": "text",
    "time": "10:00:00",
    "unsignedInt": 0,
    "uri": "urn:x",
    "url": "http://example.org",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml"><p style="color: red">a &amp; b</p></div>',
}
OPEN = ("contained", "extension", "modifierExtension")
TYPES = [name for name, each in conformance.elements().items() if each["kind"] == "resource" and not each["abstract"]]


class Maker:
    """Makes valid instances from the definitions: at the top every element, deeper down ever fewer."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def resource(self, name: str) -> dict[str, Any]:
        return {"resourceType": name} | self.content(name, 0) | {"id": "a"}

    def content(self, path: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        children = _children(path)
        for label, element in children.items():
            optional = element["card"].startswith("0")
            if optional and (depth > 3 or self.random.random() < 0.2 * depth):
                continue
            made |= self.element(path, label, element, depth)
        if not made or made.keys() == {"id"}:
            label = next(label for label in children if label != "id")
            made |= self.element(path, label, children[label], depth)
        return made

    def element(self, path: str, label: str, element: dict[str, Any], depth: int) -> dict[str, Any]:
        chosen = self.random.choice(element.get("types", ["sameAs"]))
        fhir_type, targets = (chosen, []) if isinstance(chosen, str) else chosen
        name = label[:-3] + fhir_type[0].upper() + fhir_type[1:] if label.endswith("[x]") else label
        value = self.value(f"{path}.{label}", element, fhir_type, targets, depth)
        return {name: value if element["card"].endswith("..1") else [value]}

    def value(self, path: str, element: dict[str, Any], fhir_type: str, targets: list[str], depth: int) -> Any:
        codes = conformance.required_codes().get(element.get("required", ""))
        if codes and fhir_type in ("code", "CodeableConcept"):
            system, code = self.random.choice(codes)
            return code if fhir_type == "code" else {"coding": [{"system": system, "code": code}]}
        if fhir_type in PRIMITIVES:
            return PRIMITIVES[fhir_type]
        if fhir_type == "Resource":
            return {"resourceType": "Patient", "id": "p"}
        if fhir_type == "Reference":
            target = "Patient" if "Resource" in targets else self.random.choice(targets or ["Patient"])
            return {"reference": f"{target}/1"}
        inline = fhir_type in ("BackboneElement", "Element")
        return self.content(element.get("sameAs", path if inline else fhir_type), depth + 1)


def _children(path: str) -> dict[str, Any]:
    elements = conformance.elements()[path.partition(".")[0]]["elements"]
    below = {name.removeprefix(f"{path}."): each for name, each in elements.items() if name.startswith(f"{path}.")}
    return {label: each for label, each in below.items() if "." not in label and label not in OPEN}
