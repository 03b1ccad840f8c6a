"""Slices are told apart by value, pattern, type, existence and profile; what cannot be told apart is a warning."""

from typing import Any

import pytest

from fhir_lab.documents import parse
from fhir_lab.validation import Validator
from tests.support.profiles import BASE, HERE, Json, Stored, pattern_slices, profile

LOINC = "http://loinc.org"
PANEL = """{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
"category":[{"coding":[{"system":"http://example.org/c","code":"lab"}]},{"text":"other"}],
"valueQuantity":{"value":1,"unit":"mg"},
"performer":[{"reference":"Practitioner/1"},{"reference":"Organization/1"}],
"component":[{"code":{"coding":[{"system":"urn:x","code":"s"},{"system":"http://loinc.org","code":"8480-6"}]},
"valueQuantity":{"value":120,"unit":"mmHg"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"dataAbsentReason":{"text":"x"}}]}"""
COMPONENT = "Observation.component"


def coded(code: str) -> Json:
    return {"patternCodeableConcept": {"coding": [{"system": LOINC, "code": code}]}}


def component(name: str, code: str, **more: Any) -> list[Json]:
    return [
        {"path": COMPONENT, "sliceName": name, **more},
        {"id": f"{COMPONENT}:{name}.code", "path": f"{COMPONENT}.code", **coded(code)},
    ]


BY_CODE = pattern_slices(COMPONENT, "code")
SYSTOLIC = component("systolic", "8480-6", min=1, max="1")
DIASTOLIC = component("diastolic", "8462-4", min=1, max="1")
VALUE_SET: Json = {
    "resourceType": "ValueSet",
    "url": "http://example.org/vs",
    "compose": {"include": [{"system": LOINC, "concept": [{"code": "8480-6"}]}]},
}
MILLIMETRES = profile("mm", "Quantity", {"path": "Quantity.unit", "min": 1, "fixedString": "mmHg"}, kind="complex-type")
CASES: dict[str, tuple[list[Json], list[tuple[str, str]]]] = {
    "by pattern, satisfied": ([BY_CODE, *SYSTOLIC, *DIASTOLIC], []),
    "by pattern, with more asked of one slice": (
        [
            BY_CODE,
            *SYSTOLIC,
            *DIASTOLIC,
            {
                "id": f"{COMPONENT}:diastolic.value[x]",
                "path": f"{COMPONENT}.value[x]",
                "min": 1,
                "type": [{"code": "Quantity"}],
            },
        ],
        [(f"{COMPONENT}[1].value", "none found; Test requires 1.")],
    ),
    "by pattern, one missing": (
        [BY_CODE, *component("mean", "8478-0", min=1)],
        [(COMPONENT, 'none of the slice \'mean\' (code {"coding":[{"system":"http://loinc.org","code":"8478-0"}]})')],
    ),
    "by pattern, closed": (
        [pattern_slices(COMPONENT, "code", rules="closed"), *SYSTOLIC],
        [(f"{COMPONENT}[1]", "it belongs to no slice; Test allows only systolic.")],
    ),
    "open at the end": (
        [pattern_slices(COMPONENT, "code", rules="openAtEnd"), *component("diastolic", "8462-4")],
        [(f"{COMPONENT}[0]", "it belongs to no slice; Test has such items only at the end.")],
    ),
    "ordered": (
        [
            {
                "path": COMPONENT,
                "slicing": {"discriminator": [{"type": "value", "path": "code"}], "rules": "open", "ordered": True},
            },
            *DIASTOLIC,
            *SYSTOLIC,
        ],
        [(f"{COMPONENT}[0]", "out of order; Test has the slices in the order diastolic, systolic.")],
    ),
    "too many of a slice": (
        [BY_CODE, *component("any", "8480-6", max="0")],
        [(f"{COMPONENT}[0]", "1 of the slice 'any'")],
    ),
    "by a value below a pattern": (
        [
            pattern_slices(COMPONENT, "code.coding.code", "value"),
            *component("systolic", "8480-6", min=1),
            *component("none", "0", min=1),
        ],
        [(COMPONENT, "none of the slice 'none' (code.coding.code \"0\")")],
    ),
    "by the item itself": (
        [
            pattern_slices("Observation.category"),
            {
                "path": "Observation.category",
                "sliceName": "lab",
                "min": 1,
                "patternCodeableConcept": {"coding": [{"system": "http://example.org/c", "code": "lab"}]},
            },
            {
                "path": "Observation.category",
                "sliceName": "vital",
                "min": 1,
                "patternCodeableConcept": {"coding": [{"code": "vital"}]},
            },
        ],
        [("Observation.category", 'none of the slice \'vital\' ($this {"coding":[{"code":"vital"}]}) found')],
    ),
    "by the type of a choice": (
        [
            pattern_slices("Observation.value[x]", "$this", "type", rules="closed"),
            {"path": "Observation.value[x]", "sliceName": "valueString", "type": [{"code": "string"}]},
        ],
        [("Observation.valueQuantity", "it belongs to no slice; Test allows only valueString.")],
    ),
    "by the type of a choice, asking more": (
        [{"path": "Observation.valueQuantity.code", "min": 1}],
        [("Observation.valueQuantity.code", "none found; Test requires 1.")],
    ),
    "by the type of a deeper choice": (
        [
            pattern_slices(COMPONENT, "value", "type"),
            {"path": COMPONENT, "sliceName": "text", "min": 1},
            {"id": f"{COMPONENT}:text.value[x]", "path": f"{COMPONENT}.value[x]", "type": [{"code": "string"}]},
        ],
        [(COMPONENT, "none of the slice 'text' (string) found; Test requires 1.")],
    ),
    "by the type of a reference's target": (
        [
            pattern_slices("Observation.performer", "resolve()", "type"),
            {
                "path": "Observation.performer",
                "sliceName": "who",
                "max": "0",
                "type": [{"code": "Reference", "targetProfile": [f"{BASE}Organization"]}],
            },
        ],
        [("Observation.performer[1]", "1 of the slice 'who' found; Test allows none.")],
    ),
    "by existence": (
        [
            pattern_slices(COMPONENT, "dataAbsentReason", "exists"),
            {"path": COMPONENT, "sliceName": "absent", "max": "0"},
            {"id": f"{COMPONENT}:absent.dataAbsentReason", "path": f"{COMPONENT}.dataAbsentReason", "min": 1},
        ],
        [(f"{COMPONENT}[1]", "1 of the slice 'absent' found; Test allows none.")],
    ),
    "by profile": (
        [
            pattern_slices(COMPONENT, "value", "profile"),
            {"path": COMPONENT, "sliceName": "pressure", "max": "0"},
            {
                "id": f"{COMPONENT}:pressure.value[x]",
                "path": f"{COMPONENT}.value[x]",
                "type": [{"code": "Quantity", "profile": [MILLIMETRES["url"]]}],
            },
        ],
        [(f"{COMPONENT}[0]", "1 of the slice 'pressure' found; Test allows none.")],
    ),
    "by a required value set": (
        [
            pattern_slices(COMPONENT, "code", "value"),
            {"path": COMPONENT, "sliceName": "known", "min": 2},
            {
                "id": f"{COMPONENT}:known.code",
                "path": f"{COMPONENT}.code",
                "binding": {"strength": "required", "valueSet": VALUE_SET["url"]},
            },
        ],
        [(COMPONENT, "1 of the slice 'known' found; Test requires 2.")],
    ),
    "slices within slices": (
        [
            BY_CODE,
            *SYSTOLIC,
            {
                **pattern_slices(f"{COMPONENT}.code.coding", "system", "value"),
                "id": f"{COMPONENT}:systolic.code.coding",
            },
            {
                "id": f"{COMPONENT}:systolic.code.coding:local",
                "path": f"{COMPONENT}.code.coding",
                "sliceName": "local",
                "min": 1,
            },
            {
                "id": f"{COMPONENT}:systolic.code.coding:local.system",
                "path": f"{COMPONENT}.code.coding.system",
                "fixedUri": "urn:y",
            },
        ],
        [(f"{COMPONENT}[0].code.coding", "none of the slice 'local' (system \"urn:y\") found")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_slices_are_found_and_checked(name: str) -> None:
    elements, expected = CASES[name]
    validator = Validator()
    source = Stored(profile("Test", "Observation", *elements), MILLIMETRES, value_sets=(VALUE_SET,))
    claiming = parse(PANEL) | {"meta": {"profile": [f"{HERE}Test"]}}
    issues = validator.claims(claiming, validator.profiles(source))
    assert [issue.expression[0] for issue in issues] == [path for path, _ in expected]
    for issue, (path, message) in zip(issues, expected, strict=True):
        assert issue.details.startswith(f"{path}: ")
        assert message in issue.details


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ([{"path": COMPONENT, "sliceName": "a"}], "the slicing has no discriminator"),
        ([BY_CODE, {"path": COMPONENT, "sliceName": "a"}], "the slice fixes nothing at code"),
        (
            [
                pattern_slices("Observation.performer", "resolve().name", "value"),
                {"path": "Observation.performer", "sliceName": "a"},
            ],
            "what a reference names is not looked up",
        ),
        (
            [pattern_slices(COMPONENT, "code", "position"), {"path": COMPONENT, "sliceName": "a"}],
            "the discriminator type 'position' is not known",
        ),
        (
            [
                pattern_slices(COMPONENT, "code", "value"),
                {"path": COMPONENT, "sliceName": "a"},
                {
                    "id": f"{COMPONENT}:a.code",
                    "path": f"{COMPONENT}.code",
                    "binding": {"strength": "required", "valueSet": "http://example.org/unknown"},
                },
            ],
            "the value set http://example.org/unknown is not known here",
        ),
    ],
)
def test_slices_that_cannot_be_told_apart_are_a_warning(elements: list[Json], why: str) -> None:
    validator = Validator()
    known = validator.profiles(Stored(profile("Test", "Observation", *elements)))
    issues = validator.validate(parse(PANEL), "Observation", profiles=[f"{HERE}Test"], known=known)
    [warning] = [issue for issue in issues if issue.code == "not-supported"]
    assert warning.severity == "warning"
    assert why in warning.details
