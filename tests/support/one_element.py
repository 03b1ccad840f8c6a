"""For every search parameter: documents that have nothing but the element it looks at, one per path and datatype.

The paths are read here anew, from the text of the expression, and share no code with the server's compiler.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import conformance
from fhir_lab.documents import ExactDecimal

Json = dict[str, Any]
UCUM = "http://unitsofmeasure.org"
FIVE: Json = {"value": ExactDecimal("5.0"), "system": UCUM, "code": "g"}
DAY = "2024-02-29"
DECIMAL = ExactDecimal("5.0")
# A value of each datatype.
SAMPLES: dict[str, Any] = {
    "boolean": True,
    **dict.fromkeys(("code", "string", "markdown", "id"), "Abc"),
    "Coding": {"system": "urn:s", "code": "Abc"},
    "CodeableConcept": {"coding": [{"system": "urn:other", "code": "x"}, {"system": "urn:s", "code": "Abc"}]},
    "Identifier": {"system": "urn:s", "value": "Abc"},
    "ContactPoint": {"system": "phone", "value": "Abc"},
    "HumanName": {"given": ["x", "Abc"]},
    "Address": {"line": ["x", "Abc"]},
    "date": DAY,
    "dateTime": DAY,
    "instant": f"{DAY}T10:00:00Z",
    "Period": {"start": DAY, "end": DAY},
    "Timing": {"event": [DAY]},
    "decimal": DECIMAL,
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), 5),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), FIVE),
    "Money": {"value": DECIMAL, "currency": "EUR"},
    "Range": {"low": FIVE, "high": FIVE},
    "SampledData": {"origin": FIVE, "period": 1, "dimensions": 1, "data": "0 0"},
    "Reference": {"reference": "Patient/1"},
    **dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), "http://example.org/abc"),
}
URIS = ("uri", "url", "canonical", "oid", "uuid")
# Kind -> datatype -> a search value that finds the sample.
HITS: dict[str, dict[str, str]] = {
    "token": {
        **dict.fromkeys(("code", "string", "id", "ContactPoint"), "Abc"),
        **dict.fromkeys(("Coding", "CodeableConcept", "Identifier"), "urn:s|Abc"),
        "boolean": "true",
        **dict.fromkeys(URIS, "http://example.org/abc"),
    },
    "string": dict.fromkeys(("string", "markdown", "HumanName", "Address"), "áB"),
    "date": dict.fromkeys(("date", "dateTime", "instant", "Period", "Timing"), DAY),
    "number": dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt", "Range"), "5"),
    "quantity": {
        **dict.fromkeys(
            ("Quantity", "Age", "Count", "Distance", "Duration", "Range", "SampledData"), f"5000|{UCUM}|mg"
        ),
        "Money": "5|urn:iso:std:iso:4217|EUR",
    },
    "reference": {"Reference": "Patient/1", **dict.fromkeys(URIS, "http://example.org/abc")},
    "uri": dict.fromkeys(URIS, "http://example.org/abc"),
}
_STEP = re.compile(r"(\w+)(?:\(([^()]*(?:\(\))?[^()]*)\)|\[(\d+)\])?")


@dataclass(frozen=True)
class Made:
    """A document made for a path, and a search value that finds it."""

    path: str
    hit: str
    document: Json


def documents(resource_type: str, kind: str, expression: str) -> Iterator[Made]:
    """A document for each path of an expression and each datatype that a parameter of this kind finds there."""
    for text in expression.split("|"):
        path = text.strip()
        steps = _steps(path, resource_type)
        for datatype, content in _values(resource_type, steps):
            if datatype in HITS[kind]:
                target = re.search(r"resolve\(\) is (\w+)", path)
                hit = f"{target[1]}/1" if target else HITS[kind][datatype]
                yield Made(path, hit, {"resourceType": resource_type} | content)


def _steps(path: str, resource_type: str) -> list[tuple[str, str, str]]:
    """(name, argument, index) of each step after the resource's own name, which may be left out."""
    cast = re.fullmatch(r"\(([\w.]+) as (\w+)\)(.*)", path)
    plain = f"{cast[1]}.as({cast[2]}){cast[3]}" if cast else path
    steps: list[tuple[str, str, str]] = _STEP.findall(plain)
    return steps[1:] if steps[0][0] == resource_type else steps


def _values(parent: str, steps: list[tuple[str, str, str]]) -> Iterator[tuple[str, Json]]:
    """(datatype at the end, content of `parent`) for each datatype that the last element may have."""
    name, rest = steps[0][0], steps[1:]
    wanted = ""
    if rest and rest[0][0] in ("as", "ofType"):
        wanted, rest = rest[0][1], rest[1:]
    condition = ""
    if rest and rest[0][0] == "where":
        condition, rest = rest[0][1], rest[1:]
    for label, path, datatype, repeats in _elements(parent, name):
        if wanted in ("", datatype):
            for found, value in _inside(path, datatype, rest, condition):
                yield found, {label: [value] if repeats else value}


def _elements(parent: str, name: str) -> Iterator[tuple[str, str, str, bool]]:
    """(property, path of its own content, datatype, whether it repeats) of an element: one per type of a choice."""
    table = conformance.elements()[parent.partition(".")[0]]["elements"]
    choice = table.get(f"{parent}.{name}[x]")
    entry = choice or table[f"{parent}.{name}"]
    repeats = not entry["card"].endswith("..1")
    for chosen in entry.get("types", [entry.get("sameAs")]):
        datatype = chosen if isinstance(chosen, str) else chosen[0]
        label = name + datatype[0].upper() + datatype[1:] if choice else name
        inline = datatype in ("BackboneElement", "Element")
        yield label, f"{parent}.{name}" if inline else datatype, datatype, repeats


def _inside(path: str, datatype: str, steps: list[tuple[str, str, str]], condition: str) -> Iterator[tuple[str, Any]]:
    field, _, wanted = condition.partition("=")
    if steps:
        for found, content in _values(path, steps):
            yield found, content | ({field.strip(): wanted.strip(" '")} if wanted else {})
    elif condition.startswith("resolve() is "):
        yield datatype, {"reference": f"{condition.removeprefix('resolve() is ')}/1"}
    elif datatype in SAMPLES:
        sample = SAMPLES[datatype]
        yield datatype, sample | {field.strip(): wanted.strip(" '")} if wanted else sample
