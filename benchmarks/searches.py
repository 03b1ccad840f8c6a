"""The search mix: string, date, token, quantity, composite and reference searches in equal parts, 20 to a page.

Values come from the loaded data; some never match. Before it runs, every parameter must prove that it filters.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from benchmarks.client import Answer, Client, Target
from benchmarks.load import User
from benchmarks.samples import Samples

BASE = "/fhir/R4/"
COUNT = 20
NEVER_SHARE = 0.1
NEVER = {
    "string": "zzzz-nobody",
    "date": "eq1801-01-01",
    "token": "urn:x-none|none",
    "quantity": "eq-987654321",
    "composite": "http://loinc.org|none$eq-987654321",
    "reference": "00000000-0000-7000-8000-000000000000",
}
DATE_PREFIXES = ("eq", "lt", "gt", "ge", "le", "sa", "eb")
QUANTITY_PREFIXES = ("eq", "lt", "gt", "ge", "le")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One searched parameter: how to draw a value, and whether a drawn value must find something."""

    family: str
    resource_type: str
    code: str
    draw: Callable[[random.Random, Samples], tuple[str, bool]]


def query(resource_type: str, code: str, value: str) -> str:
    """A search URL."""
    return f"{BASE}{resource_type}?{code}={quote(value, safe=':,$')}&_count={COUNT}"


def is_bundle(answer: Answer, *, found: bool | None = None) -> bool:
    """True for a searchset; `found` says whether it must have matches, None when either is right."""
    if answer.status != 200 or b'"searchset"' not in answer.body:
        return False
    return found is None or (b'"match"' in answer.body) == found


def _prefix_of(text: str) -> str:
    return text[: max(3, len(text) // 2)]


def _family(rng: random.Random, samples: Samples) -> tuple[str, bool]:
    return _prefix_of(samples.one(rng, "Patient", "name")["name"][0]["family"]), True


def _city(rng: random.Random, samples: Samples) -> tuple[str, bool]:
    return samples.one(rng, "Patient", "address")["address"][0]["city"], True


def _organization(rng: random.Random, samples: Samples) -> tuple[str, bool]:
    return _prefix_of(samples.one(rng, "Organization", "name")["name"].split(" ")[0]), True


def _date(resource_type: str, element: Callable[[Json], str], *needed: str) -> Callable[..., tuple[str, bool]]:
    def draw(rng: random.Random, samples: Samples) -> tuple[str, bool]:
        prefix = rng.choice(DATE_PREFIXES)
        return prefix + element(samples.one(rng, resource_type, *needed))[:10], prefix in ("eq", "ge", "le")

    return draw


def _coding(coding: Json) -> str:
    return f"{coding.get('system', '')}|{coding['code']}"


def _observation_code(rng: random.Random, samples: Samples) -> tuple[str, bool]:
    codes = [_coding(samples.one(rng, "Observation")["code"]["coding"][0]) for _ in range(rng.choice((1, 1, 2, 3)))]
    return ",".join(codes), True


def _measured(rng: random.Random, samples: Samples, *, component: bool) -> tuple[Json, Json]:
    """(code, quantity) of an Observation or of one of its components."""
    found = samples.one(rng, "Observation", "component" if component else "valueQuantity")
    part = rng.choice(found["component"]) if component else found
    return (
        (part["code"], part["valueQuantity"])
        if "valueQuantity" in part
        else _measured(rng, samples, component=component)
    )


def _amount(rng: random.Random, measured: Json) -> tuple[str, bool]:
    prefix = rng.choice(QUANTITY_PREFIXES)
    unit = f"|{measured['system']}|{measured['code']}" if measured.get("code") else ""
    return f"{prefix}{measured['value']}{unit}", prefix in ("eq", "ge", "le")


def _quantity(*, component: bool) -> Callable[..., tuple[str, bool]]:
    def draw(rng: random.Random, samples: Samples) -> tuple[str, bool]:
        return _amount(rng, _measured(rng, samples, component=component)[1])

    return draw


def _composite(*, component: bool) -> Callable[..., tuple[str, bool]]:
    def draw(rng: random.Random, samples: Samples) -> tuple[str, bool]:
        code, measured = _measured(rng, samples, component=component)
        amount, sure = _amount(rng, measured)
        return f"{_coding(code['coding'][0])}${amount}", sure

    return draw


def _reference(resource_type: str, element: Callable[[Json], Json], *needed: str) -> Callable[..., tuple[str, bool]]:
    def draw(rng: random.Random, samples: Samples) -> tuple[str, bool]:
        chosen = [element(samples.one(rng, resource_type, *needed)) for _ in range(rng.choice((1, 1, 2, 3)))]
        return ",".join(each["reference"] for each in chosen), True

    return draw


PARAMETERS = (
    *(Parameter("string", "Patient", f"name{modifier}", _family) for modifier in ("", ":contains")),
    *(Parameter("string", "Patient", f"address{modifier}", _city) for modifier in ("", ":contains")),
    *(Parameter("string", "Organization", f"name{modifier}", _organization) for modifier in ("", ":contains")),
    Parameter("date", "Patient", "birthdate", _date("Patient", lambda each: each["birthDate"], "birthDate")),
    Parameter(
        "date", "Observation", "date", _date("Observation", lambda each: each["effectiveDateTime"], "effectiveDateTime")
    ),
    Parameter("date", "Encounter", "date", _date("Encounter", lambda each: each["period"]["start"], "period")),
    Parameter("token", "Observation", "category", lambda rng, _: (rng.choice(("laboratory", "vital-signs")), True)),
    Parameter("token", "Observation", "code", _observation_code),
    Parameter("token", "Encounter", "status", lambda rng, samples: (samples.one(rng, "Encounter")["status"], True)),
    Parameter(
        "token", "Encounter", "class", lambda rng, samples: (samples.one(rng, "Encounter")["class"]["code"], True)
    ),
    Parameter("quantity", "Observation", "value-quantity", _quantity(component=False)),
    Parameter("quantity", "Observation", "component-value-quantity", _quantity(component=True)),
    Parameter("quantity", "Observation", "combo-value-quantity", _quantity(component=True)),
    Parameter("composite", "Observation", "code-value-quantity", _composite(component=False)),
    Parameter("composite", "Observation", "component-code-value-quantity", _composite(component=True)),
    Parameter("composite", "Observation", "combo-code-value-quantity", _composite(component=True)),
    Parameter("reference", "Observation", "subject", _reference("Observation", lambda each: each["subject"])),
    Parameter(
        "reference", "Observation", "encounter", _reference("Observation", lambda each: each["encounter"], "encounter")
    ),
    Parameter(
        "reference",
        "Observation",
        "performer",
        _reference("Observation", lambda each: each["performer"][0], "performer"),
    ),
    Parameter("reference", "Encounter", "subject", _reference("Encounter", lambda each: each["subject"])),
    Parameter(
        "reference",
        "Encounter",
        "participant",
        _reference("Encounter", lambda each: each["participant"][0]["individual"], "participant"),
    ),
    Parameter(
        "reference", "MedicationRequest", "subject", _reference("MedicationRequest", lambda each: each["subject"])
    ),
    Parameter(
        "reference",
        "MedicationRequest",
        "encounter",
        _reference("MedicationRequest", lambda each: each["encounter"], "encounter"),
    ),
    Parameter(
        "reference",
        "MedicationRequest",
        "requester",
        _reference("MedicationRequest", lambda each: each["requester"], "requester"),
    ),
)
BY_FAMILY = {name: [each for each in PARAMETERS if each.family == name] for name in NEVER}


def scenario(samples: Samples) -> Callable[[User], Any]:
    """One search of a family chosen at random."""

    async def search(user: User) -> None:
        rng = user.random
        found: bool | None
        parameter = rng.choice(BY_FAMILY[rng.choice(list(BY_FAMILY))])
        if rng.random() < NEVER_SHARE:
            value, found = NEVER[parameter.family], False
        else:
            value, sure = parameter.draw(rng, samples)
            found = sure or None
        url = query(parameter.resource_type, parameter.code, value)
        await user.ask(parameter.family, "GET", url, right=lambda answer: is_bundle(answer, found=found))

    return search


async def pre_flight(target: Target) -> list[str]:
    """The parameters that do not filter: an impossible value must have no match where the type has resources."""
    client = Client(target)
    wrong = []
    for parameter in PARAMETERS:
        whole = await _total(client, f"{BASE}{parameter.resource_type}?_summary=count")
        url = query(parameter.resource_type, parameter.code, NEVER[parameter.family])
        none = await _total(client, f"{url}&_summary=count")
        if none != 0 or not whole:
            wrong.append(f"{parameter.resource_type}?{parameter.code}: {none} of {whole}")
    client.close()
    return wrong


async def _total(client: Client, url: str) -> int | None:
    answer = await client.ask("GET", url)
    total: int | None = orjson.loads(answer.body).get("total") if answer.status == 200 else None
    return total
