"""Pages: every match once, whatever is inserted meanwhile; links that work from their query string alone."""

import random
from urllib.parse import parse_qs

import pytest

from fhir_lab.outcomes import BadRequest
from fhir_lab.search.run import SearchPage
from fhir_lab.services import Services
from tests.support.finding import Finder, caller, observation, patient


@pytest.fixture
def finder(services: Services) -> Finder:
    return Finder(services)


def walk(finder: Finder, resource_type: str, query: str) -> list[SearchPage]:
    """Every page from the first on."""
    pages = [finder.page(resource_type, query)]
    while pages[-1].next_query:
        pages.append(finder.page(resource_type, pages[-1].next_query))
    return pages


def ids(page: SearchPage) -> list[str]:
    return [version.id for version in page.matches]


SORTS = ["", "_sort=-date", "_sort=date", "_sort=-date,code", "_sort=status,-date", "_sort=-value-quantity,_id"]


@pytest.mark.parametrize("sort", SORTS)
def test_pages_forward_and_back_hold_the_same_resources(finder: Finder, sort: str) -> None:
    rng = random.Random(1)
    finder.put(
        *(
            observation(
                f"o{n}",
                code=rng.choice("abc"),
                status=rng.choice(["final", "amended"]),
                effectiveDateTime=rng.choice(["2020-01-01", "2020-01-02", None]),
                valueInteger=None,
            )
            for n in range(17)
        )
    )
    everything = finder.ids("Observation", f"{sort}&_count=100")
    pages = walk(finder, "Observation", f"{sort}&_count=5")
    assert [version.id for page in pages for version in page.matches] == everything
    assert [page.total for page in pages] == [17] * 4
    assert [len(page.matches) for page in pages] == [5, 5, 5, 2]
    assert pages[0].previous_query is None
    back = [pages[-1]]
    while back[-1].previous_query:
        back.append(finder.page("Observation", back[-1].previous_query))
    assert [ids(page) for page in reversed(back)] == [ids(page) for page in pages]
    assert back[-1].next_query is not None
    assert ids(finder.page("Observation", str(pages[2].first_query))) == ids(pages[0])


def test_what_is_inserted_while_a_client_pages_neither_repeats_nor_skips(finder: Finder) -> None:
    finder.put(*(observation(f"o{n}", effectiveDateTime=f"2020-01-{n + 1:02d}") for n in range(10)))
    seen: list[str] = []
    page = finder.page("Observation", "_sort=-date&_count=3")
    for number in range(10):
        seen += ids(page)
        finder.put(
            observation(f"new{number}", effectiveDateTime="2021-01-01"),
            observation(f"old{number}", effectiveDateTime="2019-01-01"),
        )
        if not page.next_query or any(name.startswith("old") for name in seen):
            break
        page = finder.page("Observation", page.next_query)
    before = [name for name in seen if name.startswith("o") and not name.startswith("old")]
    assert before == [f"o{n}" for n in reversed(range(10))]
    assert len(set(seen)) == len(seen)
    assert not any(name.startswith("new") for name in seen)


def test_a_row_deleted_between_pages_does_not_make_another_be_skipped(finder: Finder) -> None:
    finder.put(*(patient(f"p{n}") for n in range(6)))
    page = finder.page("Patient", "_count=3")
    finder.delete("Patient", "p2")
    assert ids(finder.page("Patient", str(page.next_query))) == ["p3", "p4", "p5"]


def test_links_repeat_the_parameters_that_had_an_effect_and_no_others(finder: Finder) -> None:
    finder.put(*(patient(f"p{n}", gender="male") for n in range(3)))
    page = finder.page("Patient", "gender=male&name=&unknown=1&_count=2", lenient=True)
    assert page.self_query == "gender=male&_count=2"
    following = parse_qs(str(page.next_query))
    assert following.keys() == {"gender", "_count", "_page"}
    second = finder.page("Patient", str(page.next_query))
    assert second.self_query == page.next_query
    assert second.next_query is None
    assert ids(second) == ["p2"]


def test_a_page_link_tells_no_sort_values(finder: Finder) -> None:
    finder.put(*(patient(f"p{n}", name=[{"family": f"Secretname{n}"}]) for n in range(3)))
    link = str(finder.page("Patient", "_sort=name&_count=1").next_query)
    assert "ecretname" not in link


def test_a_page_link_that_was_changed_or_belongs_elsewhere_is_refused(finder: Finder) -> None:
    finder.put(*(patient(f"p{n}", gender="male") for n in range(3)), observation("o"), observation("o2"))
    link = str(finder.page("Patient", "gender=male&_count=1").next_query)
    token = parse_qs(link)["_page"][0]
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    assert ids(finder.page("Patient", link)) == ["p1"]
    for query in (f"gender=male&_count=1&_page={bad}" for bad in (changed, token[:-2], "x", "ä", "....", "AAAA")):
        with pytest.raises(BadRequest):
            finder.page("Patient", query)
    for resource_type, query in (("Patient", f"_count=1&_page={token}"), ("Observation", f"_count=1&_page={token}")):
        with pytest.raises(BadRequest):
            finder.page(resource_type, query)
    with pytest.raises(BadRequest):
        finder.page("Patient", link, caller("user/*.rs", subject="another"))


def test_totals_are_exact_up_to_a_bound_and_beyond_it_on_request(finder: Finder) -> None:
    finder.services.settings = finder.services.settings.model_copy(update={"total_bound": 3})
    finder.put(*(patient(f"p{n}") for n in range(5)))
    assert finder.page("Patient", "_count=1").total is None
    assert finder.page("Patient", "_count=1&_total=accurate").total == 5
    assert finder.page("Patient", "_count=1&_total=estimate").total == 5
    assert finder.page("Patient", "_count=1&_total=none").total is None
    assert finder.page("Patient", "_count=5").total == 5
    assert finder.page("Patient", "_id=p1,p2,p3&_count=1").total == 3


@pytest.mark.parametrize("ask", ["_count=0", "_summary=count"])
def test_only_the_total_is_told_when_nothing_else_is_asked_for(finder: Finder, ask: str) -> None:
    finder.put(*(patient(f"p{n}") for n in range(5)))
    page = finder.page("Patient", ask)
    assert (page.total, page.matches, page.next_query) == (5, [], None)
