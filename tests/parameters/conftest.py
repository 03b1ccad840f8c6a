"""Further processes on the database of a test."""

from collections.abc import Callable, Iterator

import pytest

from fhir_lab.services import Services


@pytest.fixture
def another(services: Services) -> Iterator[Callable[[], Services]]:
    """Makes the services of another process on the same database, closed at the end."""
    made: list[Services] = []

    def make() -> Services:
        made.append(Services(services.settings))
        return made[-1]

    yield make
    for each in made:
        each.close()
