"""The rebuild of the index: resumable, shared, and beside writers, with nothing lost and nothing stale."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from fhir_lab.documents import parse
from fhir_lab.outcomes import NotFound
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.indexing import INDEX_TABLES, derive
from fhir_lab.storage.reindex import Scope, begin, step
from fhir_lab.storage.tables import idx_string, idx_token, reindex_run, resource
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit
from tests.support.parameters import RACE, URL, parameter, rebuild

Json = dict[str, Any]
Another = Callable[[], Services]
OWN = parameter("race", "token", f"Patient.extension.where(url = '{RACE}').value.as(Coding)")


def write(services: Services, *entries: Entry) -> None:
    who = system(uuid.uuid4().hex, "test")
    services.database.transact(lambda connection: apply(Unit(connection, who, services), list(entries)))


def put(services: Services, *resources: Json) -> None:
    write(services, *(Entry("PUT", found["resourceType"], id=found["id"], resource=found) for found in resources))


def raced(patient_id: str, code: str, **more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": patient_id,
        "extension": [{"url": RACE, "valueCoding": {"code": code}}],
    } | more


def check_index(services: Services) -> int:
    """Compare every index row with what the current documents say now; how many rows there are."""
    with services.database.read() as connection:
        services.parameters.refresh(connection)
        rows = connection.execute(select(resource.c.pk, resource.c.content).where(resource.c.deleted.is_(False))).all()
        pks = {(row.type, row.id): row.pk for row in connection.execute(select(resource))}
        wanted: Counter[tuple[Any, ...]] = Counter()
        for pk, content in rows:
            found = derive(services, services.registry, parse(content), pk, lambda *target: pks.get(target))
            wanted.update((table.name, *row) for table in INDEX_TABLES for row in found.rows[table])
        there = Counter((table.name, *row) for table in INDEX_TABLES for row in connection.execute(select(table)))
    assert there == wanted
    return sum(there.values())


def together(*work: Callable[[], None]) -> None:
    """Run these at once; an error in any of them fails the test."""
    errors: list[BaseException] = []

    def guarded(each: Callable[[], None]) -> None:
        try:
            each()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_stopped_run_goes_on_where_it_was(services: Services, another: Another) -> None:
    put(services, *(raced(f"p{n}", "1") for n in range(9)))
    put(services, OWN)
    with services.database.write() as connection:
        connection.execute(delete(idx_token))
    assert rebuild(services, steps=2, limit=2) == 4
    with services.database.write() as connection:
        connection.execute(delete(idx_token))  # what was done is not done again
    with services.database.read() as connection:
        assert connection.execute(select(reindex_run.c.after_pk, reindex_run.c.done)).one() == (4, 4)
    assert rebuild(another(), limit=3) == 10
    with services.database.read() as connection:
        pks = set(connection.execute(select(idx_token.c.pk)).scalars())
        assert connection.execute(select(reindex_run)).all() == []
    assert pks == {5, 6, 7, 8, 9, 10}


@pytest.mark.parametrize("change", ["zone", "parameter"])
def test_a_stopped_run_that_is_not_enough_any_more_begins_again(services: Services, change: str) -> None:
    put(services, *(raced(f"p{n}", "1") for n in range(5)))
    assert rebuild(services, steps=1) == 2
    if change == "zone":
        services.settings = Settings(**{**services.settings.model_dump(), "timezone": "Europe/Berlin"})
    else:
        put(services, OWN)
    who = system("r", "test")
    begun = services.database.transact(lambda connection: begin(Unit(connection, who, services), Scope()))
    assert (begun.done, begun.resumed) == (0, False)
    rebuild(services)
    check_index(services)


def test_a_run_rebuilds_what_its_scope_names_and_nothing_else(services: Services) -> None:
    put(services, OWN)
    put(services, raced("p", "1", language="de"), {"resourceType": "Person", "id": "q", "name": [{"text": "Z"}]})
    with services.database.write() as connection:
        connection.execute(update(idx_token).values(code="spoilt"))
        connection.execute(update(idx_string).values(norm="spoilt"))

    def spoilt() -> int:
        with services.database.read() as connection:
            tokens = connection.execute(select(idx_token.c.pk).where(idx_token.c.code == "spoilt")).all()
            return len(tokens) + len(connection.execute(select(idx_string).where(idx_string.c.norm == "spoilt")).all())

    before = spoilt()
    assert rebuild(services, URL + "race") == 1
    assert spoilt() == before - 1
    assert rebuild(services, resource_type="Person") == 1
    assert rebuild(services, "http://hl7.org/fhir/SearchParameter/Patient-language") == 1
    assert rebuild(services, resource_type="SearchParameter") == 1
    check_index(services)
    with pytest.raises(NotFound):
        rebuild(services, "http://nowhere")


def test_two_runs_of_one_scope_share_the_work(services: Services, another: Another) -> None:
    put(services, OWN, *(raced(f"p{n}", "1") for n in range(30)))
    others = [another() for _ in range(2)]
    together(*(lambda each=each: rebuild(each, limit=1) and None for each in others))
    check_index(services)
    with services.database.read() as connection:
        assert connection.execute(select(reindex_run)).all() == []


def test_writers_meanwhile_lose_no_row_and_leave_no_stale_one(services: Services, another: Another) -> None:
    put(services, *(raced(f"p{n}", "0") for n in range(40)))
    writers = [another() for _ in range(2)]
    for each in writers:
        put(each, raced("first", "0"))  # their registries are of before the parameter
    put(services, OWN)
    over = threading.Event()

    def writing(each: Services, own: int) -> Callable[[], None]:
        def work() -> None:
            n = 0
            while not over.is_set() or n < 40:
                n += 1
                name = f"p{(n * 7 + own) % 40}"
                if n % 5 == 0:
                    write(each, Entry("DELETE", "Patient", id=name))
                else:
                    put(each, raced(name, str(n), gender="male" if n % 2 else "female"))
                put(each, raced(f"new{own}-{n}", str(n)))

        return work

    def reindexing() -> None:
        try:
            rebuild(services, limit=3)
        finally:
            over.set()

    together(reindexing, writing(writers[0], 0), writing(writers[1], 3))
    check_index(services)
    with services.database.read() as connection:
        services.parameters.refresh(connection)
    assert services.registry.get("Patient", "race") is not None


def test_parameters_that_come_and_go_under_load_leave_a_true_index(services: Services, another: Another) -> None:
    writers = [another() for _ in range(2)]
    over = threading.Event()

    def writing(each: Services, own: int) -> Callable[[], None]:
        def work() -> None:
            n = 0
            while not over.is_set():
                n += 1
                put(each, raced(f"w{own}-{n % 10}", str(n)))

        return work

    def changing() -> None:
        try:
            for n in range(6):
                put(services, OWN | ({"expression": "Patient.extension.value.as(Coding)"} if n % 2 else {}))
                rebuild(services, URL + "race", limit=5)
                if n % 3 == 2:
                    write(services, Entry("DELETE", "SearchParameter", id="race"))
            rebuild(services, limit=5)
        finally:
            over.set()

    together(changing, writing(writers[0], 0), writing(writers[1], 1))
    check_index(services)


def test_a_step_with_nothing_to_do_ends_the_run(services: Services) -> None:
    who = system("r", "test")
    services.database.transact(lambda connection: begin(Unit(connection, who, services), Scope("Patient")))
    for _ in range(2):
        assert services.database.transact(lambda c: step(Unit(c, who, services), Scope("Patient"))) is None
