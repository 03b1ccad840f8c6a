"""A search that finds nothing says so when components have the code, and the caller may read them."""

import pytest

from fhir_lab.services import Services
from tests.support.finding import LOINC, Finder, caller, observation, quantity


def coded(code: str) -> dict[str, object]:
    return {"coding": [{"system": LOINC, "code": code}]}


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    pressure = [
        {"code": coded("8480-6"), "valueQuantity": quantity(150, "mm[Hg]")},
        {"code": coded("8462-4"), "valueQuantity": quantity(80, "mm[Hg]")},
    ]
    finder.put({"resourceType": "Patient", "id": "p"}, {"resourceType": "Patient", "id": "q"})
    finder.put(observation("bp", "p", code="85354-9", component=pressure), observation("hb", "q"))
    return finder


@pytest.mark.parametrize(
    ("query", "combined"),
    [
        ("code=8480-6", "combo-code"),
        (f"code={LOINC}|8480-6&patient=p", "combo-code"),
        ("code-value-quantity=8480-6$gt140", "combo-code-value-quantity"),
        ("value-quantity=150", "combo-value-quantity"),
    ],
)
def test_a_code_of_components_points_to_the_parameter_that_finds_it(finder: Finder, query: str, combined: str) -> None:
    page = finder.page("Observation", query)
    assert (page.total, page.matches) == (0, [])
    (issue,) = page.outcomes
    assert (issue.severity, issue.code) == ("information", "informational")
    assert f"'{combined}'" in issue.details
    better = query.replace(query.partition("=")[0], combined, 1)
    assert finder.found("Observation", better) == {"bp"}


@pytest.mark.parametrize(
    "query",
    ["code=718-7", "code=nothing", "code=8480-6&patient=q", "code-value-quantity=8480-6$gt200", "code:not=718-7"],
)
def test_other_searches_get_no_hint(finder: Finder, query: str) -> None:
    assert finder.page("Observation", query).outcomes == []


def test_a_count_has_no_entries_and_so_no_hint(finder: Finder) -> None:
    assert finder.page("Observation", "code=8480-6&_summary=count").outcomes == []


def test_a_hint_tells_nothing_of_what_may_not_be_read(finder: Finder) -> None:
    assert finder.page("Observation", "code=8480-6", caller("patient/*.rs", patient="q")).outcomes == []
    assert finder.page("Observation", "code=8480-6", caller("patient/*.rs", patient="p")).outcomes != []
