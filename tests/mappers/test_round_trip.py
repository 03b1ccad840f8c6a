"""Properties of all mappers: what a table models survives the way to a row and back, digit by digit."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_lab.documents import ExactDecimal, dumps, parse
from fhir_lab.storage.tables import LAB_TABLES
from mappers import MAPPERS
from mappers.observation import ABSENT, CATEGORY, INTERPRETATION
from mappers.service_request import IDENTIFIER_TYPE

ZONE = ZoneInfo("Europe/Berlin")
REPORT_CATEGORY = "http://terminology.hl7.org/CodeSystem/v2-0074"

Json = dict[str, Any]


class Links:
    """Gives each literal reference a pk, and finds it again."""

    def __init__(self) -> None:
        self.pks: dict[str, int] = {}

    def resolve(self, literal: str) -> int:
        return self.pks.setdefault(literal, len(self.pks) + 1)

    def reference(self, _column: str, pk: int) -> str:
        return next(literal for literal, each in self.pks.items() if each == pk)


def there_and_back(document: Json) -> Json:
    mapper, links = MAPPERS[document["resourceType"]], Links()
    row = mapper.to_row(document, links.resolve, ZONE)
    return mapper.to_document(row, links.reference)


words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)
ids = st.from_regex(r"[A-Za-z0-9\-.]{1,20}", fullmatch=True)
days = st.dates().map(str)
dates = st.one_of(days, days.map(lambda day: day[:7]), days.map(lambda day: day[:4]))
zones = st.sampled_from(["Z", "+00:00", "-05:00", "+05:45", "+14:00"])
fractions = st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,6}", fullmatch=True))
clocks = st.times().map(lambda time: str(time)[:8])
instants = st.tuples(days, st.just("T"), clocks, fractions, zones).map("".join)
date_times = st.one_of(dates, instants)
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?", fullmatch=True).map(parse)


def elements(required: dict[str, st.SearchStrategy[Any]] | None = None, **optional: st.SearchStrategy[Any]) -> Any:
    """Objects with some of the optional elements, never empty."""
    return st.fixed_dictionaries(required or {}, optional=optional).filter(bool)


def one(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return strategy.map(lambda item: [item])


def reference(target: str) -> st.SearchStrategy[Json]:
    return ids.map(lambda each: {"reference": f"{target}/{each}"})


def coded(system: str) -> st.SearchStrategy[Json]:
    return words.map(lambda code: {"coding": [{"system": system, "code": code}]})


def merged(*parts: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.tuples(*parts).map(lambda each: {name: value for part in each for name, value in part.items()})


def choice(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.one_of(st.just({}), *(st.fixed_dictionaries({name: each}) for name, each in strategies.items()))


concepts = elements(coding=one(elements(system=texts, code=words, display=texts)), text=texts)
identifiers = elements(system=texts, value=texts)
periods = elements(start=date_times, end=date_times)
ranges = st.one_of(
    elements(low=elements(value=numbers), high=elements(value=numbers), text=texts),
    words.flatmap(
        lambda unit: elements(
            low=elements({"value": numbers, "unit": st.just(unit)}),
            high=elements({"value": numbers, "unit": st.just(unit)}),
            text=texts,
        )
    ),
)

PATIENTS = merged(
    st.just({"resourceType": "Patient"}),
    elements(
        identifier=one(identifiers),
        active=st.booleans(),
        name=one(elements(family=texts, given=st.lists(words, min_size=1, max_size=3))),
        gender=words,
        birthDate=dates,
        address=one(
            elements(
                line=st.lists(texts, min_size=1, max_size=3), city=texts, state=texts, postalCode=texts, country=texts
            )
        ),
        managingOrganization=reference("Organization"),
        telecom=st.builds(
            lambda phone, email: [{"system": "phone", "value": phone}, {"system": "email", "value": email}],
            texts,
            texts,
        ),
    ),
    choice(deceasedBoolean=st.booleans(), deceasedDateTime=date_times),
)
ORDERS = merged(
    st.just({"resourceType": "ServiceRequest"}),
    elements(
        identifier=st.builds(
            lambda placer, filler, other: [
                {"type": {"coding": [{"system": IDENTIFIER_TYPE, "code": "PLAC"}]}} | placer,
                {"type": {"coding": [{"system": IDENTIFIER_TYPE, "code": "FILL"}]}} | filler,
                other,
            ],
            identifiers,
            identifiers,
            identifiers,
        ),
        requisition=identifiers,
        status=words,
        intent=words,
        priority=words,
        code=concepts,
        subject=reference("Patient"),
        encounter=reference("Encounter"),
        occurrenceDateTime=date_times,
        authoredOn=date_times,
        requester=reference("Practitioner"),
    ),
)
SPECIMENS = merged(
    st.just({"resourceType": "Specimen"}),
    elements(
        identifier=one(identifiers),
        accessionIdentifier=identifiers,
        status=words,
        type=concepts,
        subject=reference("Patient"),
        receivedTime=date_times,
        parent=one(reference("Specimen")),
        request=one(reference("ServiceRequest")),
        collection=choice(collectedDateTime=date_times, collectedPeriod=periods).filter(bool),
    ),
)
OBSERVATIONS = merged(
    st.just({"resourceType": "Observation"}),
    elements(
        basedOn=one(reference("ServiceRequest")),
        status=words,
        category=one(coded(CATEGORY)),
        code=concepts,
        subject=reference("Patient"),
        encounter=reference("Encounter"),
        issued=instants,
        dataAbsentReason=coded(ABSENT),
        interpretation=one(coded(INTERPRETATION)),
        specimen=reference("Specimen"),
        device=reference("Device"),
        referenceRange=one(ranges),
    ),
    choice(effectiveDateTime=date_times, effectiveInstant=instants, effectivePeriod=periods),
    choice(
        valueQuantity=elements(value=numbers, comparator=words, unit=texts, system=texts, code=words),
        valueCodeableConcept=concepts,
        valueString=texts,
        valueBoolean=st.booleans(),
        valueInteger=st.integers(-(2**31), 2**31 - 1),
        valueDateTime=date_times,
        valueTime=clocks,
    ),
)
REPORTS = merged(
    st.just({"resourceType": "DiagnosticReport"}),
    elements(
        identifier=one(identifiers),
        basedOn=one(reference("ServiceRequest")),
        status=words,
        category=one(coded(REPORT_CATEGORY)),
        code=concepts,
        subject=reference("Patient"),
        encounter=reference("Encounter"),
        issued=instants,
        specimen=one(reference("Specimen")),
        conclusion=texts,
    ),
    choice(effectiveDateTime=date_times, effectivePeriod=periods),
)
BY_TYPE = {
    "Patient": PATIENTS,
    "ServiceRequest": ORDERS,
    "Specimen": SPECIMENS,
    "Observation": OBSERVATIONS,
    "DiagnosticReport": REPORTS,
}
DOCUMENTS = st.one_of(*BY_TYPE.values())

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts, dates, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def as_written(value: Any) -> Any:
    """The document with every decimal as its text."""
    if isinstance(value, dict):
        return {name: as_written(child) for name, child in value.items()}
    if isinstance(value, list):
        return [as_written(child) for child in value]
    return value.literal if isinstance(value, ExactDecimal) else value


def within(part: Any, whole: Any) -> bool:
    """True when everything that `part` says, `whole` says too; lists are compared as sets."""
    if isinstance(part, list):
        return all(within(item, whole) for item in part)
    if isinstance(whole, list):  # a mapper reads an object where a list belongs, and the first of a list for an object
        return any(within(part, each) for each in whole)
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and within(part[name], whole[name]) for name in part)
    return bool(dumps(part) == dumps(whole))


@given(DOCUMENTS)
def test_a_document_of_modelled_elements_survives_the_table_digit_by_digit(document: Json) -> None:
    assert as_written(there_and_back(document)) == as_written(document)


@given(DOCUMENTS, DOCUMENTS, st.dictionaries(words, json_values, max_size=3))
def test_what_the_table_does_not_model_is_left_out_and_nothing_is_made_up(
    first: Json, second: Json, more: Json
) -> None:
    document = more | {name: value for name, value in second.items() if name not in first} | first
    for name, value in document.items():
        if isinstance(value, list) and isinstance(second.get(name), list):
            document[name] = value + second[name]
    assert within(there_and_back(document), document)


@pytest.mark.parametrize("resource_type", MAPPERS)
@given(data=st.data())
def test_no_document_makes_a_mapper_raise(resource_type: str, data: st.DataObject) -> None:
    names = list(data.draw(BY_TYPE[resource_type]))
    document = {name: data.draw(json_values) for name in names} | {"resourceType": resource_type}
    row = MAPPERS[resource_type].to_row(document, lambda _: 1, ZONE)
    assert row.keys() == {column.name for column in LAB_TABLES[resource_type].columns} - {"pk"}


@given(DOCUMENTS)
def test_a_row_survives_the_document(document: Json) -> None:
    mapper, links = MAPPERS[document["resourceType"]], Links()
    row = mapper.to_row(document, links.resolve, ZONE)
    assert mapper.to_row(mapper.to_document(row, links.reference), links.resolve, ZONE) == row


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_number_without_its_text_is_written_out(value: Decimal) -> None:
    row = {"status": "final", "value_type": "Quantity", "value_number": float(value)}
    document = MAPPERS["Observation"].to_document(row, lambda _column, _pk: None)
    assert float(document["valueQuantity"]["value"]) == pytest.approx(float(value), rel=1e-14)
