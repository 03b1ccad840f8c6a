"""Rows that the laboratory's SQL inserted become documents; bad rows are told, and stay as they are."""

from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select, text

from fhir_lab.documents import parse
from fhir_lab.search.run import search
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage import repository
from fhir_lab.storage.adopt import Step, adopt
from fhir_lab.storage.history import history
from fhir_lab.storage.tables import (
    LAB_TABLES,
    change,
    diagnostic_report,
    idx_quantity,
    observation,
    observation_coding,
    outbox,
    patient,
    resource,
    service_request,
    specimen,
)
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


TAKE_PK = """INSERT INTO sequence (name, value) VALUES ('resource_pk', 1)
ON CONFLICT (name) DO UPDATE SET value = value + 1"""


def put(services: Services, table: Table, **columns: Any) -> int:
    """Insert a row as docs/mappers.md tells the laboratory to, and give its pk."""

    def work(connection: Connection) -> int:
        values = dict(columns)
        if connection.dialect.name == "sqlite":
            connection.execute(text(TAKE_PK))
            taken = connection.execute(text("SELECT value FROM sequence WHERE name = 'resource_pk'"))
            values["pk"] = taken.scalar_one()
        marks = ", ".join(f":{name}" for name in values)
        statement = f"INSERT INTO {table.name} ({', '.join(values)}) VALUES ({marks}) RETURNING pk"
        return int(connection.execute(text(statement), values).scalar_one())

    return services.database.transact(work)


def adopted(services: Services, resource_type: str, after: int = 0, limit: int = 200) -> Step:
    return services.database.transact(
        lambda connection: adopt(Unit(connection, system("adopt"), services), resource_type, after, limit)
    )


def document(services: Services, pk: int) -> Any:
    with services.database.read() as connection:
        name = connection.execute(select(resource.c.type, resource.c.id).where(resource.c.pk == pk)).one()
        return parse(repository.read(Unit(connection, system("test"), services), *name).content or "")


def glucose(subject: int | None, **more: Any) -> dict[str, Any]:
    return {
        "status": "final",
        "category": "laboratory",
        "code_system": LOINC,
        "code": "2339-0",
        "code_display": "Glucose",
        "patient_pk": subject,
        "effective": "2026-11-20T08:30:00+01:00",
        "value_type": "Quantity",
        "value_literal": "6.30",
        "value_unit": "mmol/L",
        "value_system": UCUM,
        "value_code": "mmol/L",
    } | more


def test_an_inserted_row_becomes_a_document_with_history_index_and_change(services: Services) -> None:
    subject = put(services, patient, family="Okafor", given="Ada Mary", birth_date="1985-07-02", gender="female")
    result = put(services, observation, **glucose(subject))
    assert adopted(services, "Patient") == Step(1, [], subject)
    assert adopted(services, "Observation") == Step(1, [], result)

    found = document(services, result)
    assert found["valueQuantity"]["value"].literal == "6.30"
    assert found["meta"]["versionId"] == "1"
    assert document(services, subject)["name"] == [{"family": "Okafor", "given": ["Ada", "Mary"]}]
    assert found["subject"] == {"reference": f"Patient/{document(services, subject)['id']}"}
    with services.database.read() as connection:
        unit = Unit(connection, system("test"), services)
        versions = history(unit, "Observation", found["id"]).versions
        assert [(each.version, each.interaction, each.pk) for each in versions] == [(1, "create", result)]
        codes = connection.execute(select(observation_coding.c.code, observation_coding.c.patient_pk)).all()
        assert sorted(codes) == [("2339-0", subject), ("laboratory", subject)]
        assert connection.execute(select(idx_quantity.c.value).distinct()).scalars().all() == [6.3]
        assert connection.execute(select(change.c.resource_pk).order_by(change.c.seq)).scalars().all() == [
            subject,
            result,
        ]
        assert len(connection.execute(select(outbox)).all()) == 2


def test_an_adopted_result_is_found_by_search(services: Services) -> None:
    subject = put(services, patient, family="Okafor", identifier_system="urn:mrn", identifier_value="1")
    result = put(services, observation, **glucose(subject))
    adopted(services, "Patient")
    adopted(services, "Observation")
    name = document(services, result)["id"]
    for criteria in (
        [("code", f"{LOINC}|2339-0")],
        [("patient.identifier", "urn:mrn|1"), ("category", "laboratory")],
        [("date", "2026-11-20"), ("status", "final")],
        [("value-quantity", f"6.30|{UCUM}|mmol/L")],
    ):
        with services.database.read() as connection:
            page = search(Unit(connection, system("test"), services), "Observation", criteria)
        assert [each.id for each in page.matches] == [name]


def test_the_columns_that_follow_from_others_are_filled_in(services: Services) -> None:
    result = put(services, observation, **glucose(None))
    adopted(services, "Observation")
    with services.database.read() as connection:
        row = connection.execute(select(observation).where(observation.c.pk == result)).one()
    assert (row.value_number, row.effective_type) == (6.3, "dateTime")
    assert row.sort_key == row.effective_low == row.effective_high - 1_000_000


def test_adopting_again_changes_nothing(services: Services) -> None:
    result = put(services, observation, **glucose(None))
    adopted(services, "Observation")
    before = document(services, result)
    assert adopted(services, "Observation") == Step(0, [], None)
    assert document(services, result) == before


def test_an_order_with_specimen_result_and_report_is_adopted_table_by_table(services: Services) -> None:
    subject = put(services, patient, family="Okafor")
    order = put(services, service_request, status="active", intent="order", placer_value="P-1", patient_pk=subject)
    tube = put(services, specimen, accession_value="A-1", patient_pk=subject, service_request_pk=order)
    put(services, observation, **glucose(subject, specimen_pk=tube, service_request_pk=order))
    report = put(
        services,
        diagnostic_report,
        **{"status": "final", "code": "24323-8", "code_system": LOINC, "patient_pk": subject, "specimen_pk": tube},
    )
    steps = [adopted(services, name) for name in LAB_TABLES]
    assert [(step.adopted, step.refused) for step in steps] == [(1, [])] * 5
    assert document(services, report)["specimen"] == [{"reference": f"Specimen/{document(services, tube)['id']}"}]
    assert document(services, order)["identifier"][0]["value"] == "P-1"


def test_a_bad_row_is_told_and_the_others_are_adopted(services: Services) -> None:
    bad = put(services, observation, **glucose(None, status="banana"))
    good = put(services, observation, **glucose(None))
    step = adopted(services, "Observation")
    assert (step.adopted, step.last) == (1, good)
    [refused] = step.refused
    assert (refused.table, refused.pk) == ("observation", bad)
    assert [issue.expression for issue in refused.issues] == [("Observation.status",)]
    assert document(services, good)["status"] == "final"

    with services.database.write() as connection:
        connection.execute(observation.update().where(observation.c.pk == bad).values(status="final"))
    assert adopted(services, "Observation") == Step(1, [], bad)


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        ({"value_type": None}, "observation.value_unit"),
        ({"value_literal": "6.30", "value_number": 6.4}, "observation.value_number"),
        ({"effective_type": "Timing"}, "observation.effective"),
    ],
)
def test_a_row_whose_document_would_lose_something_is_refused(
    services: Services, columns: dict[str, Any], column: str
) -> None:
    put(services, observation, **glucose(None, **columns))
    [refused] = adopted(services, "Observation").refused
    assert column in [issue.expression[0] for issue in refused.issues]


def test_a_row_that_refers_to_an_unadopted_row_waits_for_it(services: Services) -> None:
    subject = put(services, patient, family="Okafor")
    put(services, observation, **glucose(subject))
    [refused] = adopted(services, "Observation").refused
    assert [issue.expression for issue in refused.issues] == [("observation.patient_pk",)]
    adopted(services, "Patient")
    assert adopted(services, "Observation").adopted == 1


def test_a_row_that_refers_to_a_refused_row_of_its_table_is_refused_with_it(services: Services) -> None:
    parent = put(services, specimen, status="banana")
    child = put(services, specimen, parent_pk=parent)
    step = adopted(services, "Specimen")
    assert (step.adopted, [each.pk for each in step.refused]) == (0, [parent, child])


def test_a_pk_of_another_resource_is_refused_and_a_chosen_one_is_never_given_out_again(services: Services) -> None:
    def create(connection: Connection) -> int:
        document = {"resourceType": "Organization", "name": "Laboratory"}
        return apply(Unit(connection, system("test"), services), [Entry("POST", "Organization", resource=document)])[
            0
        ].pk

    taken = services.database.transact(create)
    with services.database.write() as connection:
        connection.execute(insert(patient).values([{"pk": taken, "family": "A"}, {"pk": 5000, "family": "B"}]))
    step = adopted(services, "Patient")
    assert (step.adopted, [each.pk for each in step.refused]) == (1, [taken])
    assert services.database.transact(create) > 5000


def test_many_rows_are_adopted_step_by_step(services: Services) -> None:
    pks = [put(services, patient, family=f"Family {number}") for number in range(5)]
    first = adopted(services, "Patient", limit=3)
    assert first == Step(3, [], pks[2])
    assert adopted(services, "Patient", after=first.last or 0, limit=3) == Step(2, [], pks[4])


@pytest.mark.parametrize("query", ["status=final", "patient=p", "date=2026", "_sort=-date", "status=final&_sort=-date"])
def test_no_search_knows_of_a_row_before_it_is_adopted(services: Services, query: str) -> None:
    document = {"resourceType": "Patient", "id": "p"}
    [owner] = services.database.transact(
        lambda c: apply(Unit(c, system("test"), services), [Entry("PUT", "Patient", "p", document)])
    )
    columns = {"status": "final", "code_text": "Glucose", "effective": "2026-03-04", "patient_pk": owner.pk}
    put(services, observation, **columns)

    def found() -> list[tuple[int | None, int]]:
        parameters = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
        with services.database.read() as connection:
            unit = Unit(connection, system("test"), services)
            pages = [
                search(unit, "Observation", [*parameters, *more])
                for more in ([], [("_summary", "count")], [("_count", "1"), ("_total", "accurate")])
            ]
        return [(page.total, len(page.matches)) for page in pages]

    assert found() == [(0, 0), (0, 0), (0, 0)]
    assert adopted(services, "Observation").adopted == 1
    assert found() == [(1, 1), (1, 0), (1, 1)]
