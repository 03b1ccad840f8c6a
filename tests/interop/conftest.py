"""A running laboratory on each database, started once for all tests of real clients."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.databases import new_database
from tests.support.laboratory import Laboratory, serving_laboratory


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def laboratory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """The server as a process of its own, with the sample data."""
    folder = tmp_path_factory.mktemp(f"laboratory-{request.param}")
    with ExitStack() as stack:
        url = f"sqlite:///{folder}/lab.db" if request.param == "sqlite" else stack.enter_context(new_database())
        yield stack.enter_context(serving_laboratory(folder, url))
