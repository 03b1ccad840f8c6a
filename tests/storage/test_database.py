"""How connections are set up."""

from sqlalchemy import text

from fhir_lab.services import Services


def test_postgresql_starts_no_workers_and_no_compiler_for_a_statement(postgres_services: Services) -> None:
    for opened in (postgres_services.database.read, postgres_services.database.write):
        with opened() as connection:
            for setting, value in (("max_parallel_workers_per_gather", "0"), ("jit", "off")):
                assert connection.execute(text(f"SHOW {setting}")).scalar_one() == value
