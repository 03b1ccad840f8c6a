"""What the benchmarks send is valid, so that they measure work and not refusals."""

from zoneinfo import ZoneInfo

from benchmarks import crud, data, oru
from fhir_lab.documents import parse
from fhir_lab.ingest.hl7v2.message import read_message
from fhir_lab.validation import Validator
from mappers.hl7v2.oru import convert


def test_the_invented_patients_are_valid_and_always_the_same() -> None:
    validator = Validator()
    bundles = [data.directory(), *data.patients(2)]
    assert [data.encode(bundle) for bundle in bundles[1:]] == [data.encode(bundle) for bundle in data.patients(2)]
    resources = [parse(data.encode(entry["resource"])) for bundle in bundles for entry in bundle["entry"]]
    assert len(resources) == data.PRACTITIONERS + data.ORGANIZATIONS + 2 * 39
    assert [issue for each in resources for issue in validator.check(each, each["resourceType"])] == []


def test_the_crud_mix_makes_nine_valid_resources_and_changes_each() -> None:
    validator = Validator()
    made = {name: {"reference": f"{name}/1"} for name in crud.SEEDS}
    assert crud.CHANGES.keys() == crud.SEEDS.keys()
    for name, seed in crud.SEEDS.items():
        document = parse(data.encode({"resourceType": name} | seed(made)))
        assert validator.check(document, name) == []
        assert validator.check(document | crud.CHANGES[name], name) == []
        assert document | crud.CHANGES[name] != document


def test_every_observation_of_a_message_is_stored() -> None:
    for observations in (1, 20, 200):
        _, raw = oru.message(observations)
        found = convert(read_message(raw), zone=ZoneInfo("UTC"), current=lambda _keys: {})
        assert (found.obx_in, found.obx_stored, found.reasons) == (observations, observations, [])
