"""Order: every kind of parameter, several keys, and resources without a value as the lowest."""

import pytest

from fhir_lab.services import Services
from tests.support.finding import Finder, observation, patient, quantity


@pytest.fixture
def finder(services: Services) -> Finder:
    return Finder(services)


def test_resources_without_a_value_come_first_ascending_and_last_descending(finder: Finder) -> None:
    finder.put(
        patient("none"),
        patient("b", name=[{"family": "beta"}], birthDate="1980", gender="male", active=True),
        patient("a", name=[{"family": "Älpha"}], birthDate="1990-05", gender="female", active=False),
    )
    for key in ("family", "name", "birthdate", "gender", "active"):
        assert finder.ids("Patient", f"_sort={key}")[0] == "none", key
        assert finder.ids("Patient", f"_sort=-{key}")[-1] == "none", key
    assert finder.ids("Patient", "_sort=family") == ["none", "a", "b"]
    assert finder.ids("Patient", "_sort=-birthdate") == ["a", "b", "none"]
    assert finder.ids("Patient", "_sort=active") == ["none", "a", "b"]


def test_lab_dates_sort_from_any_leading_table(finder: Finder) -> None:
    finder.put(
        patient("p"),
        observation("2", "p", effectiveDateTime="2020-01-02"),
        observation("none", "p"),
        observation("1", "p", effectiveDateTime="2020-01-01"),
        observation("since", "p", effectivePeriod={"end": "2020-01-01"}),
    )
    for query in ("", "patient=p&", "code=718-7&", "patient=p&category=laboratory&", "status=final&", "_id:not=x&"):
        assert finder.ids("Observation", f"{query}_sort=-date")[:2] == ["2", "1"], query
        assert finder.ids("Observation", f"{query}_sort=date")[2:] == ["1", "2"], query


def test_the_value_that_comes_first_in_the_order_counts(finder: Finder) -> None:
    finder.put(
        patient("az", name=[{"family": "a"}, {"family": "z"}]),
        patient("m", name=[{"family": "m"}]),
    )
    assert finder.ids("Patient", "_sort=family") == ["az", "m"]
    assert finder.ids("Patient", "_sort=-family") == ["az", "m"]


def test_numbers_references_ids_and_times_sort(finder: Finder) -> None:
    finder.put(patient("b"), patient("a"))
    finder.put(
        observation("x", "b", valueQuantity=quantity(10)),
        observation("y", "a", valueQuantity=quantity(9.5)),
        observation("z", subject={"reference": "http://other.example.org/Patient/1"}, valueQuantity=quantity(-1)),
        observation("w"),
    )
    assert finder.ids("Observation", "_sort=value-quantity") == ["w", "z", "y", "x"]
    assert finder.ids("Observation", "_sort=subject") == ["w", "y", "x", "z"]
    assert finder.ids("Observation", "_sort=-_id") == ["z", "y", "x", "w"]
    assert finder.ids("Observation", "_sort=-_lastUpdated,_id") == ["w", "x", "y", "z"]
    assert finder.ids("Patient", "_sort=_lastUpdated,-_id") == ["b", "a"]


def test_text_sorts_by_code_point_on_both_databases(finder: Finder) -> None:
    finder.put(
        *(patient(f"p{n}", name=[{"family": name}]) for n, name in enumerate(["b c", "b-c", "bc", "B", "zz", "ß"]))
    )
    assert finder.ids("Patient", "_sort=family") == ["p3", "p0", "p1", "p2", "p5", "p4"]
