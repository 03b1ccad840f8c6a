"""`load`: Bundles and NDJSON, plain or compressed, in order, each as a whole or not at all, errors named per file."""

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_lab.outcomes import FhirError
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import repository
from fhir_lab.storage.unit import Unit
from tests.support.commands import call

Json = dict[str, Any]


def patient(name: str, **more: object) -> Json:
    return {"resourceType": "Patient", "id": name, **more}


def observation(name: str, subject: str, value: str = "1") -> str:
    code = {"text": "Potassium"}
    head: Json = {"resourceType": "Observation", "id": name, "status": "final", "code": code}
    text = json.dumps({**head, "subject": {"reference": subject}})
    return text[:-1] + f', "valueQuantity": {{"value": {value}}}}}'


def bundle(*resources: Json, kind: str = "transaction") -> Json:
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def stored(*references: str) -> dict[str, str | None]:
    """The document of each reference; None for one that is not there."""
    services = Services(Settings())
    found: dict[str, str | None] = {}
    try:
        with services.database.read() as connection:
            for reference in references:
                try:
                    unit = Unit(connection, system("test"), services)
                    found[reference] = repository.read(unit, *reference.split("/")).content
                except FhirError:
                    found[reference] = None
    finally:
        services.close()
    return found


def test_a_folder_is_loaded_in_the_order_of_its_names(installation: Path) -> None:
    folder = installation / "data"
    folder.mkdir()
    (folder / "000-first.json.bz2").write_bytes(bz2.compress(json.dumps(bundle(patient("a"))).encode()))
    (folder / "100-then.ndjson.gz").write_bytes(gzip.compress(observation("o1", "Patient/a", "6.30").encode()))
    (folder / "200-last.ndjson").write_text(f"{observation('o2', 'Patient/a')}\n\n{observation('o3', 'Patient/a')}\n")
    (folder / "readme.txt").write_text("not data")
    done = call("load", "data")
    assert (done.code, done.err) == (0, "\n")
    assert done.out.startswith("Loaded 4 resources from 3 of 3 files in ")
    found = stored("Patient/a", "Observation/o1", "Observation/o2", "Observation/o3")
    assert None not in found.values()
    assert '"value":6.30' in str(found["Observation/o1"])


def test_a_refused_bundle_leaves_nothing_and_the_others_are_loaded(installation: Path) -> None:
    wrong = bundle(patient("b"), patient("c", gender="banana"), patient("d", birthDate="yesterday"))
    (installation / "1.json").write_text(json.dumps(wrong))
    (installation / "2.json").write_text(json.dumps(bundle(patient("e"))))
    done = call("load", "1.json", "2.json")
    assert done.code == 1
    assert done.out.startswith("Loaded 1 resources from 1 of 2 files")
    lines = [line for line in done.err.splitlines() if line]
    assert [line.partition(": ")[0] for line in lines] == ["1.json", "1.json"]
    assert "Bundle.entry[1].resource.gender" in lines[0]
    assert "Bundle.entry[2].resource.birthDate" in lines[1]
    found = stored("Patient/b", "Patient/c", "Patient/e")
    assert [content is not None for content in found.values()] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"{", "a.json: The body is not JSON"),
        ("a.json", b"[]", "a.json: This is not a FHIR resource"),
        ("a.json", b'{"resourceType": "Bundle", "type": "history"}', "a.json: Bundle.type: A Bundle of type 'history'"),
        ("a.ndjson", b'{"resourceType": "Patient"}\n{"resourceType": }', "a.ndjson: line 2: The body is not JSON"),
        ("a.ndjson", b'{"resourceType": "Patient"}\n7', "a.ndjson: line 2: This is not a FHIR resource"),
        ("a.json.gz", b"not compressed", "a.json.gz: The file cannot be read"),
        ("a.json.bz2", b"not compressed", "a.json.bz2: The file cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    sqlite_installation: Path, name: str, content: bytes, reason: str
) -> None:
    (sqlite_installation / name).write_bytes(content)
    done = call("load", name)
    assert done.code == 1
    assert reason in done.err


def test_a_reference_to_nothing_is_refused_unless_the_loading_is_relaxed(installation: Path) -> None:
    (installation / "a.ndjson").write_text(observation("o1", "Patient/later"))
    refused = call("load", "a.ndjson")
    assert refused.code == 1
    assert "Patient/later" in refused.err
    assert call("load", "--relaxed", "a.ndjson").code == 0
    assert stored("Observation/o1")["Observation/o1"] is not None


def test_loading_the_same_file_again_makes_no_new_version(installation: Path) -> None:
    (installation / "a.json").write_text(json.dumps(bundle(patient("a", gender="female"))))
    call("load", "a.json")
    first = stored("Patient/a")
    assert call("load", "a.json").code == 0
    assert stored("Patient/a") == first


def test_without_a_file_to_load_the_command_says_so(sqlite_installation: Path) -> None:
    assert call("load", ".").err == "No .json or .ndjson file there.\n"
    assert call("load", "missing").code == 2
