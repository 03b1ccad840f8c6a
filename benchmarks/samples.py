"""What the searches ask for: values drawn from the data that is loaded, plus those that never match."""

import random
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.client import Client, Target

Json = dict[str, Any]


@dataclass(slots=True)
class Samples:
    """Some loaded resources by type."""

    resources: dict[str, list[Json]]

    def one(self, rng: random.Random, resource_type: str, *needed: str) -> Json:
        """A loaded resource that has these elements. Raises `LookupError` when none has."""
        found = [each for each in self.resources[resource_type] if all(name in each for name in needed)]
        return rng.choice(found)


TYPES = (
    "Patient",
    "Organization",
    "Encounter",
    "MedicationRequest",
    "ServiceRequest",
    "Specimen",
    "DiagnosticReport",
)
# Observations with a value, with components and of the laboratory, whatever is loaded most.
OBSERVATIONS = ("category=laboratory", "code=http://loinc.org|85354-9", "category=vital-signs")


async def collect(target: Target, each: int = 200) -> Samples:
    """Draw resources from the server."""
    client = Client(target)
    found = {name: await _page(client, f"{name}?_count={each}") for name in TYPES}
    pages = [await _page(client, f"Observation?{criteria}&_count={each}") for criteria in OBSERVATIONS]
    found["Observation"] = [resource for page in pages for resource in page]
    client.close()
    return Samples(found)


async def _page(client: Client, query: str) -> list[Json]:
    answer = await client.ask("GET", f"/fhir/R4/{query.replace('|', '%7C')}")
    bundle = orjson.loads(answer.body)
    if answer.status != 200:
        raise SystemExit(f"{query}: {answer.status} {answer.body[:400]!r}")
    return [entry["resource"] for entry in bundle.get("entry", [])]
