"""Writers and pagers at once, in processes of their own: every walk shows what matched at its first page, once each.

`make stress` runs the same for a minute.
"""

from pathlib import Path

import pytest

from tests.support import stress

SECONDS = 5


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_walks_show_exactly_what_matched_at_their_first_page(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    sqlite = dialect == "sqlite"
    url = f"sqlite:///{tmp_path / 'stress.db'}" if sqlite else request.getfixturevalue("bare_postgres_url")
    report = stress.run(url, SECONDS)
    assert report.wrong == []
    assert report.walks > 0
    assert report.writes > 0
