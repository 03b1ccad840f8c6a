"""Every resource that the HL7v2 mapping makes is valid: of the shipped samples, and of the corpus where it is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.ingest.hl7v2.message import MessageError, read_message, split_messages
from fhir_lab.validation import Validator
from mappers.hl7v2.oru import convert

SAMPLES = resources.files("fhir_lab.sandbox").joinpath("messages")
CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus" / "hl7v2"


def _converted(data: bytes) -> Iterator[Any]:
    for raw in split_messages(data):
        try:
            message = read_message(raw)
        except MessageError:
            continue
        found = convert(
            message, zone=ZoneInfo("UTC"), current=lambda _keys: {}, received=datetime(2026, 11, 20, tzinfo=UTC)
        )
        yield from (entry["resource"] for entry in found.bundle["entry"])


def _wrong(files: Iterator[tuple[str, bytes]]) -> tuple[int, list[tuple[str, str]]]:
    validator = Validator()
    checked, wrong = 0, []
    for name, data in files:
        for resource in _converted(data):
            checked += 1
            wrong += [(name, issue.details) for issue in validator.check(resource, resource["resourceType"])]
    return checked, wrong


def test_the_shipped_samples_become_valid_resources() -> None:
    checked, wrong = _wrong((each.name, each.read_bytes()) for each in SAMPLES.iterdir() if each.name.endswith(".hl7"))
    assert wrong == []
    assert checked > 50


def test_the_messages_of_many_senders_become_valid_resources() -> None:
    files = sorted(path for path in CORPUS.iterdir() if path.suffix != ".tsv") if CORPUS.is_dir() else []
    _, wrong = _wrong((path.name, path.read_bytes()) for path in files)
    assert wrong == []
