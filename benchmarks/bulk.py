"""Loading a lot of invented patients fast: the rows that the one door writes, without asking what it would find.

`store` writes every table exactly as for a client. What is left out is what comes before it and what only costs time
here: validating documents that are known to be valid, looking for references that are known to lead to the same
transaction, and the outbox, which is emptied as if every change had been matched.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from multiprocessing import get_context

import psycopg
from sqlalchemy import delete

from benchmarks import data
from fhir_lab.documents import Resource, dumps, parse
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage.fullurls import rewritten
from fhir_lab.storage.numbers import new_id
from fhir_lab.storage.planning import Entry, Plan
from fhir_lab.storage.references import references
from fhir_lab.storage.tables import outbox
from fhir_lab.storage.transaction import apply, entries_of
from fhir_lab.storage.unit import Unit
from fhir_lab.storage.writer import store
from tests.support.databases import libpq

AT_ONCE = 25  # patients in one transaction
SHARE = 500  # patients that a process loads before it takes the next
EVERY = timedelta(minutes=10)  # between two new patients: a laboratory that runs a hundred times longer


def directory(services: Services) -> None:
    """Load what the patients refer to, through the door."""
    bundle = parse(dumps(data.directory()))
    services.database.transact(
        lambda connection: apply(Unit(connection, system("bench"), services), entries_of(bundle))
    )


INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT indisunique
"""
LOADING = {"synchronous_commit": "off", "session_replication_role": "replica"}


@contextmanager
def bare(database: str) -> Iterator[None]:
    """While the block lasts the database has no other indexes than unique ones, and checks no foreign keys."""
    with psycopg.connect(libpq(database), autocommit=True) as connection:
        name = connection.info.dbname
        indexes = connection.execute(INDEXES).fetchall()
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}")
        for setting, value in LOADING.items():
            connection.execute(f'ALTER DATABASE "{name}" SET {setting} = {value}')
    yield
    with psycopg.connect(libpq(database), autocommit=True) as connection:
        for setting in LOADING:
            connection.execute(f'ALTER DATABASE "{name}" RESET {setting}')
        connection.execute("SET maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM (ANALYZE)")


def load(database: str, first: int, count: int, processes: int) -> None:
    """Load the patients from the number `first` on."""
    shares = [(database, start, min(SHARE, first + count - start)) for start in range(first, first + count, SHARE)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_share, shares))


def _share(share: tuple[str, int, int]) -> None:
    database, first, count = share
    services = Services(Settings(_env_file=None, database_url=database))
    try:
        bundles = data.patients(count, first=first, every=EVERY)
        while chunk := list(islice(bundles, AT_ONCE)):
            with services.database.write() as connection:
                unit = Unit(connection, system("bench"), services)
                store(unit, [plan for bundle in chunk for plan in _plans(services, bundle)], {})
                connection.execute(delete(outbox))
    finally:
        services.close()


def _plans(services: Services, bundle: Resource) -> Iterator[Plan]:
    """One plan for each resource of a patient, its references led to the others."""
    entries = parse(dumps(bundle))["entry"]
    ids = {entry["fullUrl"]: f"{entry['resource']['resourceType']}/{new_id()}" for entry in entries}
    for entry in entries:
        resource = rewritten(entry["resource"], ids.get)
        resource_type, _, resource_id = ids[entry["fullUrl"]].partition("/")
        found = ((reference, services.locator.local(reference)) for reference in references(resource))
        targets = {reference: target for reference, target in found if target is not None}
        yield Plan(Entry("POST", resource_type), resource_type, resource_id, resource, targets=targets)
