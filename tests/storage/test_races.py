"""Writers that meet: whoever comes second waits, tries again, and never gets a server error."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, select

from fhir_lab.outcomes import Conflict, FhirError, PreconditionFailed, Unprocessable
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage.tables import change, resource, resource_history
from fhir_lab.storage.transaction import Entry, Written, apply
from fhir_lab.storage.unit import Unit

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "7"}]}


def write(services: Services, *entries: Entry) -> list[Written]:
    return services.database.transact(lambda connection: apply(Unit(connection, system("test"), services), entries))


def together(work: Callable[[int], Any], times: int) -> list[Any]:
    """Run `work(0..times-1)` in as many threads; results, and FhirErrors as values."""

    def attempt(number: int) -> Any:
        try:
            return work(number)
        except FhirError as error:
            return error

    with ThreadPoolExecutor(min(times, 16)) as pool:
        return list(pool.map(attempt, range(times)))


def count(services: Services, table: Any, *where: Any) -> int:
    with services.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def test_fifty_conditional_creates_with_one_identifier_make_one_patient(services: Services) -> None:
    entry = Entry("POST", "Patient", resource=PATIENT, if_none_exist="identifier=urn:mrn|7")
    outcomes = together(lambda _: write(services, entry)[0], 50)
    assert sorted(written.status for written in outcomes) == [200] * 49 + [201]
    assert len({written.id for written in outcomes}) == 1
    assert count(services, resource) == 1


def test_conditional_updates_with_one_identifier_make_one_patient(services: Services) -> None:
    def update(number: int) -> Written:
        named = PATIENT | {"name": [{"family": f"Name{number}"}]}
        return write(services, Entry("PUT", "Patient", resource=named, query="identifier=urn:mrn|7"))[0]

    outcomes = together(update, 12)
    assert sorted(written.version for written in outcomes) == list(range(1, 13))
    assert count(services, resource) == 1
    assert count(services, resource_history) == 11


def test_puts_of_one_new_id_become_its_versions_in_turn(services: Services) -> None:
    def update(number: int) -> Written:
        named = {"resourceType": "Patient", "id": "p", "name": [{"family": f"Name{number}"}]}
        return write(services, Entry("PUT", "Patient", "p", named))[0]

    outcomes = together(update, 12)
    assert sorted(written.version for written in outcomes) == list(range(1, 13))
    assert count(services, change) == 12


def test_of_many_guarded_updates_of_one_version_one_wins(services: Services) -> None:
    write(services, Entry("PUT", "Patient", "p", PATIENT | {"id": "p"}))

    def update(number: int) -> Written:
        named = PATIENT | {"id": "p", "name": [{"family": f"Name{number}"}]}
        return write(services, Entry("PUT", "Patient", "p", named, if_match='W/"1"'))[0]

    outcomes = together(update, 10)
    assert sum(isinstance(outcome, Written) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, PreconditionFailed) for outcome in outcomes) == 9


def test_a_patient_is_never_deleted_while_a_result_that_refers_to_it_is_written(services: Services) -> None:
    code = {"text": "Glucose"}

    def race(number: int) -> Any:
        patient_id = f"p{number // 2}"
        if number % 2:
            return write(services, Entry("DELETE", "Patient", patient_id))[0]
        subject = {"reference": f"Patient/{patient_id}"}
        observation = {"resourceType": "Observation", "status": "final", "code": code, "subject": subject}
        return write(services, Entry("POST", "Observation", resource=observation))[0]

    for number in range(10):
        write(services, Entry("PUT", "Patient", f"p{number}", PATIENT | {"id": f"p{number}"}))
    outcomes = together(race, 20)
    for created, deleted in zip(outcomes[::2], outcomes[1::2], strict=True):
        assert isinstance(created, Written) != isinstance(deleted, Written)
        assert isinstance(created, Written | Unprocessable)
        assert isinstance(deleted, Written | Conflict)
    live = count(services, resource, resource.c.type == "Observation", resource.c.deleted.is_(False))
    assert live == sum(isinstance(outcome, Written) for outcome in outcomes[::2])


def test_transactions_that_write_the_same_patients_in_opposite_order_both_succeed(services: Services) -> None:
    def update(number: int) -> list[Written]:
        ids = ["a", "b", "c"] if number % 2 else ["c", "b", "a"]
        named = {"resourceType": "Patient", "name": [{"family": f"Name{number}"}]}
        return write(services, *(Entry("PUT", "Patient", key, named | {"id": key}) for key in ids))

    outcomes = together(update, 12)
    assert all(isinstance(outcome, list) for outcome in outcomes)
    assert count(services, change) == 36
