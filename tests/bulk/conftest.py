"""The fixture that calls the API."""

from collections.abc import Iterator

import pytest

from fhir_lab.services import Services
from tests.support.api import Api


@pytest.fixture
def api(services: Services) -> Iterator[Api]:
    """The app on each database in turn, with every scope."""
    api = Api(services)
    yield api
    api.close()
