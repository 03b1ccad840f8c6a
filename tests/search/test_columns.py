"""Lab columns answer what the index would: the parameters are real, and their rows are left out of the index."""

import pytest
from sqlalchemy import Table, select

from fhir_lab.search.columns import ANSWERED, CODINGS, ReferenceColumn, coding_parameters, held_by_column, skipped
from fhir_lab.search.registry import Registry
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.tables import CODING_TABLES, idx_date, idx_reference, idx_token, observation_coding
from tests.support.finding import Finder, observation, patient

REGISTRY = Registry.load()


def test_every_answered_parameter_exists_and_is_either_skipped_or_held() -> None:
    ids = {key: REGISTRY.of(key[0])[key[1]].id for key in ANSWERED}
    references = {key for key, column in ANSWERED.items() if isinstance(column, ReferenceColumn)}
    assert held_by_column(REGISTRY).keys() == {ids[key] for key in references}
    assert skipped(REGISTRY) == {ids[key] for key in ANSWERED.keys() - references}


def test_a_reference_column_holds_a_type_that_the_parameter_may_refer_to() -> None:
    for (resource_type, code), column in ANSWERED.items():
        if isinstance(column, ReferenceColumn):
            assert column.target in REGISTRY.of(resource_type)[code].targets


@pytest.mark.parametrize("resource_type", sorted(CODING_TABLES))
def test_codings_of_code_and_category_are_in_the_coding_table(resource_type: str) -> None:
    assert sorted(coding_parameters(REGISTRY, resource_type).values()) == ["category", "code"]
    assert coding_parameters(REGISTRY, "Patient") == {}
    assert (resource_type, "code") in CODINGS


def test_what_a_column_answers_has_no_index_rows(sqlite_services: Services) -> None:
    finder = Finder(sqlite_services)
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    finder.put(patient("p", gender="male", birthDate="1980", active=True), group)
    finder.put(
        observation("o", "p", effectiveDateTime="2020"),
        observation("of-group", subject={"reference": "Group/g"}),
    )
    names = {parameter.id: parameter.code for name in REGISTRY.types for parameter in REGISTRY.of(name).values()}
    with sqlite_services.database.read() as connection:

        def codes(table: Table) -> set[str]:
            return {names[param] for param in connection.execute(select(table.c.param)).scalars()}

        assert codes(idx_token).isdisjoint({"gender", "active", "status", "code", "category"})
        assert codes(idx_date) == set()
        assert codes(idx_reference) == {"subject"}
        assert codes(observation_coding) == {"code", "category"}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("9999", {"last", "last-year"}),
        ("9999-12", {"last"}),
        ("9999-12-31", {"last"}),
        ("ap9999-12-31", {"last", "last-year"}),
        ("ge9999-12-31", {"last"}),
        ("gt9999-12-31", set()),
        ("sa9999-12-30", {"last"}),
        ("le9999-12-31", {"first", "last", "last-year"}),
        ("ne9999-12-31", {"first", "last-year"}),
        ("ne9999", {"first"}),
        ("0001", {"first"}),
        ("0001-01-01", {"first"}),
        ("lt0001-01-01", set()),
        ("eb0001-01-02", {"first"}),
    ],
)
def test_the_ends_of_the_calendar_are_days_like_others(
    services: Services, zone: str, query: str, expected: set[str]
) -> None:
    found = Services(Settings(**{**services.settings.model_dump(), "timezone": zone}))
    finder = Finder(found)
    finder.put(
        patient("first", birthDate="0001-01-01"),
        patient("last", birthDate="9999-12-31"),
        patient("last-year", birthDate="9999"),
        patient("none"),
    )
    assert finder.found("Patient", f"birthdate={query}") == expected
    found.close()
