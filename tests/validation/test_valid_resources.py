"""Valid resources pass: every element of every type, what only R4 or only Unicode allows, and Synthea's patients."""

import bz2
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import conformance
from fhir_lab.documents import ExactDecimal, parse
from fhir_lab.validation import Validator

SYNTHEA = Path(__file__).parents[2].parent / "shared" / "corpus" / "synthea"

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


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


@pytest.mark.parametrize("name", TYPES)
def test_every_element_of_every_type_is_accepted(name: str, validator: Validator) -> None:
    for seed in range(5):
        issues = validator.check(Maker(seed).resource(name), name)
        assert [issue for issue in issues if issue.code != "invariant"] == []


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceType":"Patient","extension":[{"url":"http://example.org","valueMeta":{"versionId":"1"}}]}',
        '{"resourceType":"Patient","name":[{"family":"山田\u3000太郎","text":"10\u00a0mg\\n\\t"}]}',
        '{"resourceType":"Patient","name":[{"given":["A",null],'
        '"_given":[null,{"extension":[{"url":"http://example.org","valueCode":"x"}]}]}]}',
        '{"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://example.org","extension":'
        '[{"url":"part","valueString":"x"}]}]}}',
        '{"resourceType":"Observation","_status":{"extension":[{"url":"http://example.org","valueCode":"unknown"}]},'
        '"code":{"text":"x"},"subject":{"reference":"#p"},"focus":[{"reference":"Organization/1"}],'
        '"contained":[{"resourceType":"Patient","id":"p"}]}',
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:1"},'
        '"specimen":{"reference":"https://example.org/1"},"encounter":{"reference":"Encounter?identifier=a|b"},'
        '"performer":[{"display":"Dr. X"}],"valueQuantity":{"value":-0.0e-5}}',
        '{"resourceType":"Provenance","target":[{"reference":"#"}],"recorded":"2026-11-20T08:30:00Z",'
        '"agent":[{"who":{"reference":"Patient/1/_history/2"}}]}'.replace('"#"', '"Observation/1"'),
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        '"effectivePeriod":{"start":"2026-11-20T08:30:00+14:00","end":"2026-11-19"}}',
    ],
)
def test_what_r4_allows_passes(text: str, validator: Validator) -> None:
    resource = parse(text)
    assert validator.check(resource, resource["resourceType"]) == []


def test_a_contained_resource_may_refer_to_its_container(validator: Validator) -> None:
    provenance = {
        "resourceType": "Provenance",
        "id": "p",
        "target": [{"reference": "#"}],
        "recorded": "2026-11-20T08:30:00Z",
        "agent": [{"who": {"display": "x"}}],
    }
    resource = {"resourceType": "Patient", "contained": [provenance]}
    assert validator.check(resource, "Patient") == []


def test_checking_changes_nothing(validator: Validator) -> None:
    text = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":6.30}}'
    resource = parse(text)
    validator.check(resource, "Observation")
    assert resource == parse(text)
    assert resource["valueQuantity"]["value"].literal == "6.30"


def test_the_patients_of_synthea_pass(validator: Validator) -> None:
    wrong = [
        (name, issue.details)
        for name, resource in _synthea()
        for issue in validator.check(resource, resource["resourceType"])
    ]
    assert wrong == []


def _synthea() -> Iterator[tuple[str, Any]]:
    for path in sorted(SYNTHEA.glob("*.json.bz2")) if SYNTHEA.is_dir() else []:
        for index, entry in enumerate(parse(bz2.decompress(path.read_bytes()))["entry"]):
            yield f"{path.name} {index}", entry["resource"]
