"""The CRUD mix: create nine linked resources, read all, change one field of each, delete in reverse."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.client import Answer
from benchmarks.data import CODES, LOINC, coded, encode, quantity
from benchmarks.load import User

BASE = "/fhir/R4/"
WHEN = "2026-11-20T08:30:00+01:00"
SNOMED = "http://snomed.info/sct"
MONEY = {"value": 127.50, "currency": "EUR"}
# About what generated narratives take, so that resources have a real size.
NARRATIVE = {
    "status": "generated",
    "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>' + "Seen in the outpatient clinic. " * 12 + "</p></div>",
}

Json = dict[str, Any]
References = dict[str, Json]


def _claim_items(count: int) -> list[Json]:
    return [
        {
            "sequence": number,
            "productOrService": coded(SNOMED, "162673000", "General examination of patient"),
            "servicedPeriod": {"start": WHEN, "end": WHEN},
            "net": MONEY,
        }
        for number in range(1, count + 1)
    ]


def _claim_base(made: References) -> Json:
    return {
        "status": "active",
        "type": coded(f"{CODES}claim-type", "institutional"),
        "use": "claim",
        "patient": made["Patient"],
        "created": WHEN,
        "provider": made["Organization"],
    }


# In the order of their references; each is made from the references to those before it.
SEEDS: dict[str, Callable[[References], Json]] = {
    "Patient": lambda _: {
        "text": NARRATIVE,
        "identifier": [{"system": "urn:oid:2.999.4.1", "value": "CRUD-1"}],
        "name": [{"family": "Okafor", "given": ["Ada", "Mary"]}],
        "telecom": [{"system": "phone", "value": "+1 555 0231"}],
        "gender": "female",
        "birthDate": "1985-07-02",
        "address": [{"line": ["12 Quay Lane"], "city": "Rivermouth", "postalCode": "40110", "country": "XA"}],
    },
    "Location": lambda _: {"text": NARRATIVE, "name": "Phlebotomy 1", "status": "active", "mode": "instance"},
    "Organization": lambda _: {"text": NARRATIVE, "name": "Lindenhof Laboratory", "active": True},
    "Practitioner": lambda _: {
        "text": NARRATIVE,
        "identifier": [{"system": "urn:oid:2.999.4.2", "value": "CRUD-P"}],
        "name": [{"family": "Abara", "given": ["Tomas"], "prefix": ["Dr."]}],
        "active": True,
    },
    "Encounter": lambda made: {
        "text": NARRATIVE,
        "status": "in-progress",
        "class": {"system": f"{CODES}v3-ActCode", "code": "AMB"},
        "subject": made["Patient"],
        "participant": [{"individual": made["Practitioner"]}],
        "location": [{"location": made["Location"]}],
        "serviceProvider": made["Organization"],
        "period": {"start": WHEN},
    },
    "Observation": lambda made: {
        "text": NARRATIVE,
        "status": "preliminary",
        "category": [coded(f"{CODES}observation-category", "laboratory")],
        "code": coded(LOINC, "2345-7", "Glucose"),
        "subject": made["Patient"],
        "encounter": made["Encounter"],
        "effectiveDateTime": WHEN,
        "performer": [made["Practitioner"]],
        "valueQuantity": quantity(94, "mg/dL"),
    },
    "MedicationRequest": lambda made: {
        "text": NARRATIVE,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": coded("http://www.nlm.nih.gov/research/umls/rxnorm", "860975", "Metformin"),
        "subject": made["Patient"],
        "encounter": made["Encounter"],
        "requester": made["Practitioner"],
        "authoredOn": WHEN,
    },
    "Claim": lambda made: (
        _claim_base(made)
        | {
            "text": NARRATIVE,
            "priority": coded(f"{CODES}processpriority", "normal"),
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "Corvane Mutual"}}],
            "item": _claim_items(5),
            "total": MONEY,
        }
    ),
    "ExplanationOfBenefit": lambda made: (
        _claim_base(made)
        | {
            "text": NARRATIVE,
            "outcome": "complete",
            "insurer": {"display": "Corvane Mutual"},
            "claim": made["Claim"],
            "insurance": [{"focal": True, "coverage": {"display": "Corvane Mutual"}}],
            "item": _claim_items(20),
        }
    ),
}
CHANGES: dict[str, Json] = {
    "Patient": {"birthDate": "1985-07-03"},
    "Location": {"name": "Phlebotomy 2"},
    "Organization": {"name": "Lindenhof Laboratories"},
    "Practitioner": {"active": False},
    "Encounter": {"status": "finished"},
    "Observation": {"status": "final"},
    "MedicationRequest": {"status": "completed"},
    "Claim": {"status": "cancelled"},
    "ExplanationOfBenefit": {"status": "cancelled"},
}


def _with(status: int) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == status and len(answer.body) > 2


def scenario() -> Callable[[User], Awaitable[None]]:
    """36 requests: nine each of create, read, update and delete."""

    async def iterate(user: User) -> None:
        made: References = {}
        documents: dict[str, Json] = {}
        for name, seed in SEEDS.items():
            body = encode({"resourceType": name} | seed(made))
            answer = await user.ask("create", "POST", BASE + name, body, right=_with(201))
            if answer.status != 201:
                return
            documents[name] = orjson.loads(answer.body)
            made[name] = {"reference": f"{name}/{documents[name]['id']}"}
        for reference in made.values():
            await user.ask("read", "GET", BASE + reference["reference"], right=_with(200))
        for name, reference in made.items():
            body = encode(documents[name] | CHANGES[name])
            await user.ask("update", "PUT", BASE + reference["reference"], body, right=_with(200))
        for reference in reversed(made.values()):
            await user.ask("delete", "DELETE", BASE + reference["reference"])

    return iterate
