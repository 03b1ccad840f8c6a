"""A small laboratory of valid but awkward documents, the same for the same seed.

Repeated codings, text without codes, open periods, other zones and precisions, comparators, sampled data, references by
URL, version and identifier, letters that fold oddly, and characters that mean something to SQL or to a search.
"""

from random import Random
from typing import Any

from fhir_lab.documents import ExactDecimal

Json = dict[str, Any]
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
SYSTEMS = (LOINC, "urn:oid:1.2.3", "http://example.org/a|b", "")
CODES = ("718-7", "2345-7", "a,b", "x$y", "back\\slash", "A", "a", "per%cent", "under_score")
WORDS = (
    *("Müller", "Mueller", "MÜLLER", "Straße", "STRASSE", "O'Hara", "Ångström", "Angstrom", "İstanbul", "istanbul"),
    *(
        "ΣΊΣΥΦΟΣ",
        "σίσυφος",
        "ﬁne",
        "50%",
        "a_b",
        "a%b",
        "back\\slash",
        "Smith, Jr",
        "$100",
        "van  der   Berg",
        "李小龍",
    ),
    *("e\u0301clair", "éclair", "ECLAIR", "x|y", "\U0001f600 smile", "Zoë", "zoe"),
)
DATES = (
    *("2019", "2020", "2020-02", "2020-02-29", "2020-02-29T23:59:59Z", "2020-02-29T23:59:59.999Z", "2020-03-01"),
    *("2020-03-01T00:00:00+14:00", "2020-02-29T10:00:00-05:00", "2020-12-31", "2021-01-01T00:00:00Z", "1900", "9999"),
    *("2020-02-29T15:00:00Z", "2020-02-29T15:00:00.000001Z", "2020-02-29T15:00:00.1234567+00:00", "0001-01-01"),
)
INSTANTS = tuple(date for date in DATES if "T" in date)
DAYS = tuple(date for date in DATES if "T" not in date)
NUMBERS = ("5", "5.0", "5.00", "4.95", "5.4", "0", "0.0", "-3.5", "100", "1e2", "99.5", "120", "0.001", "1E-3")
UNITS = ("mg/dL", "g/L", "mg/L", "mmol/L", "%", "{score}", "kg", "g")


class Documents:
    """Makes documents that refer to one another; `all` holds them in an order that can be written."""

    def __init__(self, seed: int, base: str) -> None:
        self.random = Random(seed)
        self.base = base
        self.all: list[Json] = []

    def some(self, *choices: Any, most: int = 3) -> list[Any]:
        """One to `most` different ones."""
        return self.random.sample(choices, self.random.randint(1, min(most, len(choices))))

    def maybe(self, make: Any, share: float = 0.6) -> Any:
        """What `make` gives, or None."""
        return make() if self.random.random() < share else None

    def add(self, resource_type: str, number: int, **elements: Any) -> None:
        """A document without the elements that are None or empty."""
        kept = {name: value for name, value in elements.items() if value not in (None, [], {})}
        self.all.append({"resourceType": resource_type, "id": f"{resource_type[:3]}-{number}", **kept})

    def ids(self, resource_type: str) -> list[str]:
        """The ids there are."""
        return [found["id"] for found in self.all if found["resourceType"] == resource_type]

    def coding(self) -> Json:
        system, code = self.random.choice(SYSTEMS), self.random.choice(CODES)
        return ({"system": system} if system else {}) | {"code": code}

    def concept(self) -> Json:
        roll = self.random.random()
        if roll < 0.1:
            return {"text": self.random.choice(WORDS)}
        found: Json = {"coding": [self.coding() for _ in range(self.random.randint(1, 3))]}
        return found | ({"text": self.random.choice(WORDS)} if roll < 0.4 else {})

    def identifier(self) -> Json:
        found = {"system": self.random.choice(SYSTEMS), "value": self.random.choice((*CODES, "1", "2", "3"))}
        return {name: value for name, value in found.items() if value}

    def period(self) -> Json:
        start, end = sorted(self.random.sample(("2019", "2020", "2021", "2022-05", "2023-01-01", "2024"), 2))
        return self.random.choice(({"start": start}, {"end": end}, {"start": start, "end": end}))

    def number(self, most: int = 1000) -> Any:
        return ExactDecimal(self.random.choice([text for text in NUMBERS if float(text) <= most]))

    def quantity(self) -> Json:
        unit = self.random.choice(UNITS)
        found: Json = {"value": self.number()}
        return found | self.random.choice(({"unit": unit}, {"unit": unit, "system": UCUM, "code": unit}, {}))

    def reference(self, *types: str) -> Json:
        resource_type = self.random.choice(types)
        roll = self.random.random()
        if roll < 0.08:
            return {"display": "somebody"}
        if roll < 0.16:
            return {"identifier": self.identifier(), "type": resource_type}
        if roll < 0.24:
            return {"reference": f"http://elsewhere.example/fhir/{resource_type}/{self.random.randint(1, 3)}"}
        target = f"{resource_type}/{self.random.choice(self.ids(resource_type))}"
        if roll < 0.32:
            return {"reference": f"{self.base}/{target}"}
        return {"reference": f"{target}/_history/1" if roll < 0.4 else target}

    def meta(self) -> Json:
        if self.random.random() < 0.6:
            return {}
        return {
            "tag": [self.coding() for _ in range(self.random.randint(1, 2))],
            "profile": self.some("http://example.org/p", "http://example.org/p/q", "http://other.example/p"),
            "source": self.random.choice(("http://example.org/src", "urn:uuid:1")),
        }

    def name(self) -> Json:
        return {"family": self.random.choice(WORDS), "given": self.some(*WORDS)}

    def address(self) -> Json:
        return {"city": self.random.choice(WORDS), "line": self.some(*WORDS), "country": "NL", "use": "home"}

    def contact(self) -> Json:
        return {
            "system": self.random.choice(("phone", "email")),
            "value": self.random.choice(("555", "a@b.c", "+31 6")),
        }


def laboratory(seed: int, base: str, size: int = 40) -> list[Json]:
    """Documents of a dozen types; `size` is the number of Observations."""
    made = Documents(seed, base)
    pick, maybe = made.random.choice, made.maybe
    for number in range(5):
        made.add("Organization", number, name=pick(WORDS), active=pick((True, False, None)), type=[made.concept()])
    for number in range(5):
        made.add("Practitioner", number, name=[made.name()], active=maybe(lambda: True), meta=made.meta())
    for number in range(size // 4):
        _patient(made, number)
    for number in range(size // 4):
        _order(made, number)
    for number in range(size):
        _observation(made, number)
    for number in range(size // 4):
        made.add(
            "DiagnosticReport",
            number,
            status=pick(("final", "preliminary", "amended")),
            code=made.concept(),
            category=[made.concept() for _ in range(2)],
            subject=maybe(lambda: made.reference("Patient")),
            effectiveDateTime=maybe(lambda: pick(DATES)),
            issued=maybe(lambda: pick(INSTANTS)),
            result=[made.reference("Observation") for _ in range(pick((0, 1, 3)))],
            performer=[made.reference("Practitioner", "Organization")],
        )
    for number in range(size // 4):
        made.add(
            "RiskAssessment",
            number,
            status="final",
            subject=made.reference("Patient"),
            prediction=[{"probabilityDecimal": made.number(100)} for _ in range(pick((1, 2)))],
        )
        url = f"http://example.org/{pick(('vs', 'vs/a', 'vs/a/b', 'VS'))}"
        made.add("ValueSet", number, url=url, status="draft", name=pick(WORDS), title=pick(WORDS), date=pick(DAYS))
    return made.all


def _patient(made: Documents, number: int) -> None:
    pick, maybe = made.random.choice, made.maybe
    made.add(
        "Patient",
        number,
        meta=made.meta(),
        active=pick((True, False, None)),
        name=[made.name() for _ in range(pick((0, 1, 2)))],
        identifier=[made.identifier() for _ in range(pick((0, 1, 2)))],
        telecom=[made.contact() for _ in range(pick((0, 1, 2)))],
        address=[made.address() for _ in range(pick((0, 1)))],
        gender=pick(("male", "female", "unknown", None)),
        birthDate=maybe(lambda: pick(DAYS)),
        deceasedDateTime=maybe(lambda: pick(DATES), 0.2),
        managingOrganization=maybe(lambda: made.reference("Organization")),
        generalPractitioner=[made.reference("Practitioner", "Organization") for _ in range(pick((0, 1, 2)))],
    )


def _order(made: Documents, number: int) -> None:
    pick, maybe = made.random.choice, made.maybe
    made.add(
        "Specimen",
        number,
        type=maybe(made.concept),
        subject=maybe(lambda: made.reference("Patient")),
        accessionIdentifier=maybe(made.identifier),
        collection=pick(({"collectedDateTime": pick(DATES)}, {"collectedPeriod": made.period()}, None)),
    )
    made.add(
        "ServiceRequest",
        number,
        status=pick(("active", "completed")),
        intent="order",
        priority=pick(("routine", "stat", None)),
        code=maybe(made.concept),
        category=[made.concept()],
        subject=made.reference("Patient"),
        requester=maybe(lambda: made.reference("Practitioner", "Organization")),
        authoredOn=maybe(lambda: pick(DATES)),
        occurrencePeriod=maybe(made.period),
        specimen=[made.reference("Specimen")],
        requisition=maybe(made.identifier),
    )


def _observation(made: Documents, number: int) -> None:
    pick, maybe = made.random.choice, made.maybe
    values: list[Json] = [
        {"valueQuantity": made.quantity()},
        {"valueCodeableConcept": made.concept()},
        {"valueString": pick(WORDS)},
        {"valueDateTime": pick(DATES)},
        {"valuePeriod": made.period()},
        {},
    ]
    times: list[Json] = [
        {"effectiveDateTime": pick(DATES)},
        {"effectivePeriod": made.period()},
        {"effectiveInstant": pick(INSTANTS)},
        {"effectiveTiming": {"event": [pick(DATES)], "repeat": {"boundsPeriod": made.period()}}},
        {},
    ]
    made.add(
        "Observation",
        number,
        meta=made.meta(),
        status=pick(("final", "preliminary", "amended")),
        category=[made.concept() for _ in range(pick((0, 1, 2)))],
        code=made.concept(),
        subject=maybe(lambda: made.reference("Patient")),
        specimen=maybe(lambda: made.reference("Specimen")),
        basedOn=[made.reference("ServiceRequest") for _ in range(pick((0, 1)))],
        performer=[made.reference("Practitioner", "Organization", "Patient") for _ in range(pick((0, 1, 2)))],
        hasMember=[made.reference("Observation")] if number % 5 == 4 else [],
        component=[{"code": _part(made), "valueQuantity": made.quantity()} for _ in range(pick((0, 0, 1, 3)))],
        **pick(values),
        **pick(times),
    )


def _part(made: Documents) -> Json:
    """A component's code is never that of its Observation (obs-7)."""
    return {"coding": [{"system": LOINC, "code": code} for code in made.some("8480-6", "8462-4", "8867-4", most=2)]}
