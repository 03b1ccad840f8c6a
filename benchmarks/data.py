"""Invented patients with visits, orders, specimens, results and reports as transaction Bundles, or a corpus of them."""

import bz2
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
CODES = "http://terminology.hl7.org/CodeSystem/"
START = datetime(2025, 1, 1, 8, tzinfo=UTC)
PRACTITIONERS, ORGANIZATIONS = 10, 5
VISITS = 4
FAMILIES = ["Okafor", "Lindqvist", "Marchetti", "Duarte", "Haddad", "Novak", "Sato", "Berger", "Quinn", "Petrov"]
GIVEN = ["Ada", "Tomas", "Ines", "Bruno", "Leila", "Marek", "Yuki", "Clara", "Niall", "Vera"]
CITIES = ["Rivermouth", "Millstreet", "Lindenhof", "Quayside", "Corvane"]
Analyte = tuple[str, str, str, float, float, int]
# LOINC code, display, unit, lowest and highest invented value, decimals.
ANALYTES: list[Analyte] = [
    ("2951-2", "Sodium", "mmol/L", 130, 150, 0),
    ("2823-3", "Potassium", "mmol/L", 3, 6, 2),
    ("2160-0", "Creatinine", "mg/dL", 0.4, 2, 2),
    ("2345-7", "Glucose", "mg/dL", 60, 250, 0),
    ("718-7", "Hemoglobin", "g/dL", 8, 17, 1),
    ("6690-2", "Leukocytes", "10*3/uL", 2, 15, 1),
    ("777-3", "Platelets", "10*3/uL", 90, 450, 0),
    ("4548-4", "Hemoglobin A1c", "%", 4, 11, 2),
]
PRESSURES = [("8480-6", "Systolic blood pressure", 95, 180), ("8462-4", "Diastolic blood pressure", 55, 110)]


def coded(system: str, code: str, display: str | None = None) -> Json:
    """A CodeableConcept with one coding."""
    coding: Json = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": display} if display else {})


def quantity(value: float, unit: str) -> Json:
    """A Quantity in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def directory() -> Json:
    """The transaction that creates the organizations and practitioners that the patients refer to."""
    organizations: list[Json] = [
        {"resourceType": "Organization", "id": f"bench-org-{n}", "name": f"{city} Clinic", "active": True}
        for n, city in enumerate(CITIES[:ORGANIZATIONS])
    ]
    practitioners: list[Json] = [
        {
            "resourceType": "Practitioner",
            "id": f"bench-prac-{n}",
            "identifier": [{"system": "urn:oid:2.999.4.2", "value": f"P-{n}"}],
            "name": [{"family": FAMILIES[n % len(FAMILIES)], "given": [GIVEN[-1 - n]]}],
        }
        for n in range(PRACTITIONERS)
    ]
    return _bundle(
        {"request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}, "resource": each}
        for each in (*organizations, *practitioners)
    )


def patients(count: int, seed: int = 1, first: int = 0, every: timedelta | None = None) -> Iterator[Json]:
    """One transaction Bundle for each invented patient, from the number `first` on.

    Their first visits lie anywhere within a year, or, with `every`, so far apart one after the other.
    """
    for number in range(first, first + count):
        rng = random.Random(f"{seed}/{number}")
        begin = timedelta(hours=rng.randrange(8000)) if every is None else number * every
        yield _Patient(number, rng, START + begin).bundle()


def corpus(folder: Path) -> list[bytes]:
    """The transaction Bundles of a folder (.json or .json.bz2) in the order of their names."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".json", ".json.bz2")))
    return [bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes() for path in files]


def encode(document: Json) -> bytes:
    """A document as a request body."""
    return orjson.dumps(document)


def _bundle(entries: Iterator[Json] | list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


class _Patient:
    """One invented patient: everything that happened to them refers to them by urn:uuid."""

    def __init__(self, number: int, rng: random.Random, begin: datetime) -> None:
        self._number = number
        self._rng = rng
        self._begin = begin
        self._entries: list[Json] = []

    def bundle(self) -> Json:
        subject = self._add(self._person())
        for visit in range(VISITS):
            self._visit(subject, self._begin + timedelta(days=30 * visit), ordered=visit % 2 == 0)
        return _bundle(self._entries)

    def _add(self, resource: Json) -> Json:
        url = f"urn:uuid:{self._rng.getrandbits(32):08x}-0000-4000-8000-{self._rng.getrandbits(48):012x}"
        request = {"method": "POST", "url": resource["resourceType"]}
        self._entries.append({"fullUrl": url, "resource": resource, "request": request})
        return {"reference": url}

    def _doctor(self) -> Json:
        return {"reference": f"Practitioner/bench-prac-{self._rng.randrange(PRACTITIONERS)}"}

    def _person(self) -> Json:
        rng, number = self._rng, self._number
        return {
            "resourceType": "Patient",
            "identifier": [{"system": "urn:oid:2.999.4.1", "value": f"BENCH-{number:06}"}],
            "active": True,
            "name": [
                {"use": "official", "family": f"{rng.choice(FAMILIES)}{number % 50}", "given": [rng.choice(GIVEN)]}
            ],
            "telecom": [{"system": "phone", "value": f"+1 555 {number:04}", "use": "home"}],
            "gender": rng.choice(["female", "male"]),
            "birthDate": f"{rng.randrange(1930, 2020)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
            "address": [{"line": [f"{number} Quay Lane"], "city": rng.choice(CITIES), "country": "XA"}],
            "managingOrganization": {"reference": f"Organization/bench-org-{rng.randrange(ORGANIZATIONS)}"},
        }

    def _visit(self, subject: Json, when: datetime, *, ordered: bool) -> None:
        doctor = self._doctor()
        encounter = self._add(
            {
                "resourceType": "Encounter",
                "status": self._rng.choice(["finished", "finished", "in-progress"]),
                "class": {"system": f"{CODES}v3-ActCode", "code": self._rng.choice(["AMB", "AMB", "EMER", "IMP"])},
                "type": [coded("http://snomed.info/sct", "162673000", "General examination of patient")],
                "subject": subject,
                "participant": [{"individual": doctor}],
                "period": {"start": when.isoformat(), "end": (when + timedelta(minutes=30)).isoformat()},
            }
        )
        self._vital_signs(subject, encounter, when)
        self._add(
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": coded(
                    "http://www.nlm.nih.gov/research/umls/rxnorm", "860975", "Metformin"
                ),
                "subject": subject,
                "encounter": encounter,
                "authoredOn": when.isoformat(),
                "requester": doctor,
            }
        )
        if ordered:
            self._order(subject, encounter, doctor, when)

    def _vital_signs(self, subject: Json, encounter: Json, when: datetime) -> None:
        base = {
            "resourceType": "Observation",
            "status": "final",
            "category": [coded(f"{CODES}observation-category", "vital-signs")],
            "subject": subject,
            "encounter": encounter,
            "effectiveDateTime": when.isoformat(),
        }
        components = [
            {
                "code": coded(LOINC, code, display),
                "valueQuantity": quantity(self._rng.randrange(low, high), "mm[Hg]"),
            }
            for code, display, low, high in PRESSURES
        ]
        self._add(base | {"code": coded(LOINC, "85354-9", "Blood pressure panel"), "component": components})
        weight = quantity(round(self._rng.uniform(40, 120), 1), "kg")
        self._add(base | {"code": coded(LOINC, "29463-7", "Body weight"), "valueQuantity": weight})

    def _order(self, subject: Json, encounter: Json, doctor: Json, when: datetime) -> None:
        name = f"{self._number:06}-{len(self._entries):03}"
        panel = coded(LOINC, "24323-8", "Comprehensive metabolic panel")
        order = self._add(
            {
                "resourceType": "ServiceRequest",
                "identifier": [{"type": coded(f"{CODES}v2-0203", "PLAC"), "value": f"ORD-{name}"}],
                "status": self._rng.choice(["active", "completed"]),
                "intent": "order",
                "category": [coded("http://snomed.info/sct", "108252007", "Laboratory procedure")],
                "code": panel,
                "subject": subject,
                "encounter": encounter,
                "authoredOn": when.isoformat(),
                "requester": doctor,
            }
        )
        tube = self._add(
            {
                "resourceType": "Specimen",
                "accessionIdentifier": {"system": "urn:oid:2.999.4.12", "value": f"S-{name}"},
                "status": "available",
                "type": coded(f"{CODES}v2-0487", "SER", "Serum"),
                "subject": subject,
                "receivedTime": when.isoformat(),
                "request": [order],
                "collection": {"collectedDateTime": when.isoformat()},
            }
        )
        common = {"status": "final", "basedOn": [order], "subject": subject, "encounter": encounter}
        common |= {"effectiveDateTime": when.isoformat(), "issued": when.isoformat(), "performer": [doctor]}
        results = [self._result(common | {"specimen": tube}, analyte) for analyte in ANALYTES]
        self._add(
            common
            | {
                "resourceType": "DiagnosticReport",
                "identifier": [{"system": "urn:oid:2.999.4.11", "value": f"LAB-{name}"}],
                "category": [coded(f"{CODES}v2-0074", "CH")],
                "code": panel,
                "specimen": [tube],
                "result": results,
            }
        )

    def _result(self, common: Json, analyte: Analyte) -> Json:
        code, display, unit, low, high, decimals = analyte
        value = round(self._rng.uniform(low, high), decimals or None)
        lower, upper = round(low + (high - low) / 4, 2), round(high - (high - low) / 4, 2)
        flag = "L" if value < lower else "H" if value > upper else "N"
        return self._add(
            common
            | {
                "resourceType": "Observation",
                "category": [coded(f"{CODES}observation-category", "laboratory")],
                "code": coded(LOINC, code, display),
                "valueQuantity": quantity(value, unit),
                "interpretation": [coded(f"{CODES}v3-ObservationInterpretation", flag)],
                "referenceRange": [{"low": quantity(lower, unit), "high": quantity(upper, unit)}],
            }
        )
