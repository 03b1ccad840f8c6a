"""Large transactions as clients send them: patients, results that refer to them, and conditions of each kind."""

from typing import Any

Json = dict[str, Any]
SYSTEM = "urn:example:mrn"


def large_transaction(entries: int, *, offset: int = 0) -> Json:
    """A transaction of `entries` entries, a fifth of them Patients.

    Every other Patient is created only if none has its identifier; of the results two thirds refer to a Patient by its
    URN, the others by its identifier. Numbers start at `offset`, so that two transactions have nothing in common.
    """
    found: list[Json] = []
    for number in range(offset, offset + entries // 5):
        identifier = f"{SYSTEM}|{number}"
        urn = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
        found.append(_patient(number, urn, identifier if number % 2 else None))
        for result in range(4):
            reference = f"Patient?identifier={identifier}" if result == 3 else urn
            found.append(_result(number * 4 + result, reference))
    return {"resourceType": "Bundle", "type": "transaction", "entry": found}


def _patient(number: int, urn: str, if_none_exist: str | None) -> Json:
    request = {"method": "POST", "url": "Patient"}
    if if_none_exist:
        request["ifNoneExist"] = f"identifier={if_none_exist}"
    resource = {
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": str(number)}],
        "name": [{"family": f"Family{number}", "given": ["Ada"]}],
        "birthDate": "1970-03-30",
    }
    return {"fullUrl": urn, "resource": resource, "request": request}


def _result(number: int, subject: str) -> Json:
    resource = {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:example:result", "value": str(number)}],
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-04-15T08:30:00Z",
        "valueQuantity": {"value": 13.5, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
    }
    return {"resource": resource, "request": {"method": "POST", "url": "Observation"}}
