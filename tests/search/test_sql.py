"""Conditions written for each database: what they mean must be plain to its planner."""

from sqlalchemy import select, text

from fhir_lab.search.sql import starts_with
from fhir_lab.services import Services
from fhir_lab.storage.tables import idx_string


def test_sqlite_reads_a_prefix_from_the_index(sqlite_services: Services) -> None:
    with sqlite_services.database.read() as connection:
        query = select(idx_string.c.pk).where(idx_string.c.param == 1, starts_with(idx_string.c.norm, "ab"))
        compiled = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        [plan] = connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}")).all()
    assert "(param=? AND norm>? AND norm<?)" in plan[-1]
