"""The searches of the search mix and of the lab mix, shape by shape, for databases of different sizes.

A shape is selective when what it finds, or the page of it that it asks for, does not grow with the database. The others
count or look at a share of everything, and are shown beside them for comparison.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from benchmarks.samples import Samples

Json = dict[str, Any]
Draw = Callable[[random.Random, Samples], str]


@dataclass(frozen=True, slots=True)
class Shape:
    """A search with values to draw: the path below the base."""

    name: str
    selective: bool
    draw: Draw


def _path(resource_type: str, **criteria: str) -> str:
    return f"{resource_type}?" + "&".join(f"{name}={quote(value, safe=':,$')}" for name, value in criteria.items())


def _result(rng: random.Random, samples: Samples) -> Json:
    return samples.one(rng, "Observation", "valueQuantity", "interpretation")


def _patient_of(document: Json) -> str:
    reference: str = document["subject"]["reference"]
    return reference


def _code(document: Json) -> str:
    coding = document["code"]["coding"][0]
    return f"{coding['system']}|{coding['code']}"


def _amount(document: Json) -> str:
    value = document["valueQuantity"]
    return f"{value['value']}|{value['system']}|{value['code']}"


def _latest(rng: random.Random, samples: Samples) -> str:
    patient = _patient_of(samples.one(rng, "ServiceRequest"))
    return _path("Observation", patient=patient, category="laboratory", _sort="-date")


def _trend(rng: random.Random, samples: Samples) -> str:
    found = _result(rng, samples)
    return _path("Observation", patient=_patient_of(found), code=_code(found), date="ge2015-01-01")


def _lastn(rng: random.Random, samples: Samples) -> str:
    patient = _patient_of(samples.one(rng, "ServiceRequest"))
    return f"Observation/$lastn?patient={patient}&category=laboratory"


def _report(rng: random.Random, samples: Samples) -> str:
    name = samples.one(rng, "DiagnosticReport")["id"]
    return f"DiagnosticReport?_id={name}&_include=DiagnosticReport:result&_include=DiagnosticReport:specimen"


def _specimen(rng: random.Random, samples: Samples) -> str:
    found = samples.one(rng, "Specimen", "accessionIdentifier")["accessionIdentifier"]
    return _path("Specimen", accession=found["value"])


def _changed(_rng: random.Random, samples: Samples) -> str:
    return f"DiagnosticReport?_lastUpdated=ge{samples.resources['newest'][0]['meta']['lastUpdated']}"


def _worklist(**more: str) -> Draw:
    return lambda _rng, _samples: _path("ServiceRequest", status="active", _sort="-authored", **more)


def _minute(rng: random.Random, samples: Samples) -> str:
    return _path("Observation", date=_result(rng, samples)["effectiveDateTime"][:16] + "Z")


def _hour(rng: random.Random, samples: Samples) -> str:
    begin = datetime.fromisoformat(_result(rng, samples)["effectiveDateTime"])
    low, high = (quote(moment.isoformat()) for moment in (begin, begin + timedelta(hours=1)))
    return f"Observation?date=ge{low}&date=lt{high}"


def _name(rng: random.Random, samples: Samples) -> str:
    return _path("Patient", name=samples.one(rng, "Patient")["name"][0]["family"])


def _name_and_birth(rng: random.Random, samples: Samples) -> str:
    found = samples.one(rng, "Patient")
    return _path("Patient", name=found["name"][0]["family"], birthdate=found["birthDate"])


def _identifier(rng: random.Random, samples: Samples) -> str:
    found = samples.one(rng, "Patient")["identifier"][0]
    return _path("Patient", identifier=f"{found['system']}|{found['value']}")


def _by_code(**more: str) -> Draw:
    return lambda rng, samples: _path("Observation", code=_code(_result(rng, samples)), **more)


def _quantity(rng: random.Random, samples: Samples) -> str:
    return _path("Observation", **{"value-quantity": _amount(_result(rng, samples))})


def _quantity_of_patient(rng: random.Random, samples: Samples) -> str:
    found = _result(rng, samples)
    return _path("Observation", patient=_patient_of(found), **{"value-quantity": _amount(found)})


def _pressure(rng: random.Random, samples: Samples) -> str:
    return _path(
        "Observation", **{"component-code-value-quantity": f"http://loinc.org|8480-6$gt{rng.randrange(165, 175)}"}
    )


def _pressure_of_patient(rng: random.Random, samples: Samples) -> str:
    patient = _patient_of(samples.one(rng, "Observation", "component"))
    return _path("Observation", patient=patient, **{"component-code-value-quantity": "http://loinc.org|8480-6$gt100"})


def _encounter(rng: random.Random, samples: Samples) -> str:
    return _path("Observation", encounter=_result(rng, samples)["encounter"]["reference"])


def _chain(rng: random.Random, samples: Samples) -> str:
    found = samples.one(rng, "Patient")["identifier"][0]
    return _path("Observation", **{"patient.identifier": f"{found['system']}|{found['value']}"})


def _has(rng: random.Random, samples: Samples) -> str:
    found = samples.one(rng, "ServiceRequest", "identifier")["identifier"][0]
    return _path("Patient", **{"_has:ServiceRequest:patient:identifier": found["value"]})


def _everything_of(rng: random.Random, samples: Samples) -> str:
    return f"Patient?_id={samples.one(rng, 'Patient')['id']}&_revinclude=Observation:patient"


SHAPES = (
    Shape("latest results of a patient", True, _latest),
    Shape("one analyte's trend", True, _trend),
    Shape("newest of each kind, $lastn", True, _lastn),
    Shape("report with everything", True, _report),
    Shape("specimen by accession", True, _specimen),
    Shape("reports changed since", True, _changed),
    Shape("worklist, no total", True, _worklist(_total="none")),
    Shape("string: name and birth date", True, _name_and_birth),
    Shape("token: identifier", True, _identifier),
    Shape("token: newest of a code, no total", True, _by_code(_sort="-date", _total="none")),
    Shape("date: one minute", True, _minute),
    Shape("date: an hour by two bounds", True, _hour),
    Shape("quantity of a patient", True, _quantity_of_patient),
    Shape("composite of a patient", True, _pressure_of_patient),
    Shape("reference: encounter", True, _encounter),
    Shape("chain: patient.identifier", True, _chain),
    Shape("_has: order number", True, _has),
    Shape("patient with _revinclude", True, _everything_of),
    Shape("worklist, counted", False, _worklist()),
    Shape("string: name", False, _name),
    Shape("token: newest of a code, counted", False, _by_code(_sort="-date")),
    Shape("quantity: one value", False, _quantity),
    Shape("composite: high pressure", False, _pressure),
)
