"""A window by two bounds finds what the two bounds find one by one, however long the dates are."""

import random

import pytest
from sqlalchemy import text

from fhir_lab.services import Services
from tests.support.finding import Finder

DAYS = [f"2026-03-{day:02}" for day in range(1, 29)]


@pytest.fixture
def finder(services: Services) -> Finder:
    return Finder(services)


def _observation(rng: random.Random, number: int) -> dict[str, object]:
    start, end = sorted(rng.sample(DAYS, 2))
    period = {"start": start, "end": end}
    dates: list[dict[str, object]] = [
        {"effectiveDateTime": start},
        {"effectiveDateTime": f"{start}T10:00:00Z"},
        {"effectiveDateTime": rng.choice(["2026-03", "2026"])},
        {"effectivePeriod": period},
        {"effectivePeriod": {"start": start}},
        {"effectivePeriod": {"end": end}},
        {},
    ]
    found = {"resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": "x"}}
    return found | rng.choice(dates)


def test_a_window_is_what_both_bounds_find(finder: Finder) -> None:
    rng = random.Random(11)
    finder.put(*(_observation(rng, number) for number in range(80)))
    for _ in range(60):
        lower = rng.choice(["ge", "gt", "sa"]) + rng.choice(DAYS)
        upper = rng.choice(["lt", "le", "eb"]) + rng.choice(DAYS)
        both = set(finder.ids("Observation", f"date={lower}&date={upper}&_count=1000"))
        one = set(finder.ids("Observation", f"date={lower}&_count=1000"))
        other = set(finder.ids("Observation", f"date={upper}&_count=1000"))
        assert both == one & other, (lower, upper)


def test_postgresql_has_an_index_for_it(postgres_services: Services) -> None:
    query = (
        "EXPLAIN SELECT pk FROM observation WHERE int8range(LEAST(sort_key, COALESCE(effective_high, sort_key)),"
        " GREATEST(sort_key, COALESCE(effective_high, sort_key)), '[]') && int8range(1, 5)"
    )
    with postgres_services.database.read() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        plan = "\n".join(row[0] for row in connection.execute(text(query)))
        connection.execute(text("RESET enable_seqscan"))
    assert "ix_observation_span" in plan


def test_either_bound_is_what_one_or_the_other_finds(finder: Finder) -> None:
    rng = random.Random(12)
    finder.put(*(_observation(rng, number) for number in range(80)))
    dates = [*DAYS, "2026-03", "2026"]
    for _ in range(60):
        lower, upper = (
            (rng.choice(["ge", "gt", "sa"]), rng.choice(dates)),
            (rng.choice(["lt", "le", "eb"]), rng.choice(dates)),
        )
        either = set(finder.ids("Observation", f"_filter=date {' '.join(lower)} or date {' '.join(upper)}&_count=1000"))
        one = set(finder.ids("Observation", f"date={''.join(lower)}&_count=1000"))
        other = set(finder.ids("Observation", f"date={''.join(upper)}&_count=1000"))
        assert either == one | other, (lower, upper)
