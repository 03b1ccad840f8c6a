"""Read by id, the lab mix, and transactions of two: the workloads that are one kind of request each, or a few."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.client import Answer
from benchmarks.data import CODES, LOINC, coded, encode, quantity
from benchmarks.load import User
from benchmarks.samples import Samples
from benchmarks.searches import BASE, is_bundle, query

Scenario = Callable[[User], Awaitable[None]]
Draw = Callable[[random.Random, Samples], str]


def read(paths: list[str]) -> Scenario:
    """GET one of these paths."""

    async def scenario(user: User) -> None:
        path = user.random.choice(paths)
        await user.ask("read", "GET", path, right=lambda answer: answer.status == 200 and len(answer.body) > 2)

    return scenario


def _subject(rng: random.Random, samples: Samples) -> str:
    reference: str = samples.one(rng, "ServiceRequest")["subject"]["reference"]
    return reference


def _trend(rng: random.Random, samples: Samples) -> str:
    found = samples.one(rng, "Observation", "valueQuantity")
    code = found["code"]["coding"][0]["code"]
    return f"{BASE}Observation?patient={found['subject']['reference']}&code=http://loinc.org%7C{code}&date=ge2015-01-01"


def _report(rng: random.Random, samples: Samples) -> str:
    name = samples.one(rng, "DiagnosticReport", "result")["id"]
    return f"{BASE}DiagnosticReport?_id={name}&_include=DiagnosticReport:result&_include=DiagnosticReport:specimen"


def _specimen(rng: random.Random, samples: Samples) -> str:
    value = samples.one(rng, "Specimen", "accessionIdentifier")["accessionIdentifier"]["value"]
    return query("Specimen", "accession", value)


def _changed(_rng: random.Random, samples: Samples) -> str:
    latest = max(each["meta"]["lastUpdated"] for each in samples.resources["DiagnosticReport"])
    return f"{BASE}DiagnosticReport?_lastUpdated=ge{latest}&_count=20"


LAB: dict[str, Draw] = {
    "latest results": lambda rng, samples: (
        f"{BASE}Observation?patient={_subject(rng, samples)}&category=laboratory&_sort=-date&_count=20"
    ),
    "one analyte's trend": _trend,
    "report with everything": _report,
    "worklist": lambda _rng, _samples: f"{BASE}ServiceRequest?status=active&_sort=-authored&_count=20",
    "specimen by accession": _specimen,
    "reports changed since": _changed,
}


def lab(samples: Samples) -> Scenario:
    """One question of a laboratory's day, each as often. `$lastn` is left out until the server has it."""

    async def scenario(user: User) -> None:
        kind = user.random.choice(list(LAB))
        url = LAB[kind](user.random, samples)
        await user.ask(kind, "GET", url, right=lambda answer: is_bundle(answer, found=True))

    return scenario


def pairs() -> Scenario:
    """A transaction that creates a Patient and an Observation of theirs."""
    patient = {"resourceType": "Patient", "name": [{"family": "Sweep"}], "gender": "other"}
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "category": [coded(f"{CODES}observation-category", "laboratory")],
        "code": coded(LOINC, "2345-7", "Glucose"),
        "subject": {"reference": "urn:uuid:6f9619ff-8b86-4011-b42d-00c04fc964ff"},
        "effectiveDateTime": "2026-11-20T08:30:00+01:00",
        "valueQuantity": quantity(94, "mg/dL"),
    }
    entries = [
        {
            "fullUrl": "urn:uuid:6f9619ff-8b86-4011-b42d-00c04fc964ff",
            "resource": patient,
            "request": {"method": "POST", "url": "Patient"},
        },
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]
    body = encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})

    async def scenario(user: User) -> None:
        await user.ask("transaction", "POST", BASE.rstrip("/"), body, right=_stored)

    return scenario


def _stored(answer: Answer) -> bool:
    return answer.status == 200 and b'"transaction-response"' in answer.body
