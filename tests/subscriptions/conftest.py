"""Services that may send notifications to this machine, and a receiver there."""

from collections.abc import Iterator

import pytest

from fhir_lab.services import Services
from tests.support.receiver import Receiver, listening


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of notifications."""
    with listening() as found:
        yield found


@pytest.fixture
def lab(services: Services) -> Iterator[Services]:
    """Services, on each database, whose operator allows receivers on this machine."""
    allowing = {"outbound_allow": ("127.0.0.1",), "webhook_timeout_seconds": 1.0}
    found = Services(services.settings.model_copy(update=allowing))
    yield found
    found.close()
