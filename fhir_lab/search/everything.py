"""What `$everything` asks beyond a compartment: the dates of care, and the compartments of all patients at once.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from collections.abc import Sequence
from dataclasses import replace

from fhir_lab.search.parse import parse
from fhir_lab.search.registry import Registry
from fhir_lab.search.tree import Chain, Criterion, Missing, Or, Query
from fhir_lab.services import Services

# Which parameter tells when something was done for the patient: the first of these that a type has.
CARE_DATES = (
    *("date", "authored", "authored-on", "authoredon", "collected", "occurrence", "period", "onset-date", "started"),
    *("recorded", "recorded-date", "issued", "created", "whenhandedover", "effective-time", "sent"),
)


def during(services: Services, query: Query, start: str | None, end: str | None) -> Query:
    """The query, for care from `start` to `end` (dates, either may be open). What says no date of care stays in.

    Raises `BadRequest` for what is no date.
    """
    parameters = services.registry.of(query.type)
    date = next((parameters[code] for code in CARE_DATES if code in parameters), None)
    if date is None or query.type == "Patient":
        return query
    bounds = [(date.code, f"{prefix}{text}") for prefix, text in (("ge", start), ("le", end)) if text]
    undated = Missing(date, True)
    asked = [Or((criterion, undated)) for criterion in parse(services, query.type, bounds).criteria]
    return replace(query, criteria=(*query.criteria, *asked))


def of_any_patient(registry: Registry, query: Query) -> Query:
    """The query, for what is in the compartment of whichever patient."""
    anybody = Missing(registry.of("Patient")["_id"], False)
    if query.type == "Patient":
        return query
    codes: Sequence[str] = registry.compartment("Patient").get(query.type, ())
    links: list[Criterion] = [
        Chain(registry.of(query.type)[code], (("Patient", anybody),))
        for code in codes
        if code in registry.of(query.type)
    ]
    return replace(query, criteria=(*query.criteria, Or(tuple(links))))
