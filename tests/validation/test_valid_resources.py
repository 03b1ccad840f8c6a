"""Valid resources pass: every element of every type, what only R4 or only Unicode allows, and Synthea's patients."""

import bz2
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_lab.documents import parse
from fhir_lab.validation import Validator
from tests.support.random_resources import TYPES, Maker

SYNTHEA = Path(__file__).parents[2].parent / "shared" / "corpus" / "synthea"


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
        '{"resourceType":"Patient","gender":"male","_gender":{"id":"g"}}',
        '{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"g"}]}]}',
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
