"""`Location.near` against a distance worked out another way, and names by their sound."""

from math import atan2, cos, radians, sin, sqrt
from random import Random

import pytest

from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.finding import Finder, caller, patient

EARTH = 6371.0088
UNITS = (("", 1.0), ("km", 1.0), ("m", 1000.0), ("mi", 1 / 1.609344), ("[mi_i]", 1 / 1.609344))


def location(resource_id: str, latitude: float, longitude: float) -> dict[str, object]:
    return {
        "resourceType": "Location",
        "id": resource_id,
        "position": {"latitude": latitude, "longitude": longitude},
    }


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The haversine formula."""
    north, east = radians(other[0] - one[0]), radians(other[1] - one[1])
    square = sin(north / 2) ** 2 + cos(radians(one[0])) * cos(radians(other[0])) * sin(east / 2) ** 2
    return 2 * EARTH * atan2(sqrt(square), sqrt(1 - min(square, 1)))


def test_places_are_near_exactly_as_far_as_the_haversine_formula_says(services: Services) -> None:
    dice = Random(11)
    finder = Finder(services)
    places = {f"r{n}": (round(dice.uniform(-90, 90), 4), round(dice.uniform(-180, 180), 4)) for n in range(60)}
    places |= {"pole": (90.0, 17.0), "south": (-90.0, 0.0), "date": (0.5, 179.9), "line": (0.5, -179.9)}
    places |= {f"c{n}": (52.52 + dice.uniform(-0.2, 0.2), 13.40 + dice.uniform(-0.3, 0.3)) for n in range(40)}
    documents = {name: location(name, *place) for name, place in places.items()}
    finder.put({"resourceType": "Location", "id": "nowhere"}, *documents.values())
    for _ in range(60):
        here = dice.choice(list(places.values()))
        far = dice.choice((0, 0.5, 3, 15, 40, 500, 8000, 20000, 30000))
        unit, size = dice.choice(UNITS)
        expected = {name for name, place in places.items() if kilometres(here, place) <= far + 1e-6}
        query = f"near={here[0]}|{here[1]}|{far * size:.6f}{'|' if unit else ''}{unit}"
        assert finder.found("Location", query) == expected, query
        assert {name for name, document in documents.items() if finder.in_memory(document, query)} == expected, query


def test_without_a_distance_fifty_kilometres_are_near(services: Services) -> None:
    finder = Finder(services)
    finder.put(location("here", 52.5, 13.4), location("close", 52.9, 13.4), location("far", 53.0, 13.4))
    finder.put({"resourceType": "Location", "id": "nowhere"})
    assert finder.found("Location", "near=52.5|13.4") == {"here", "close"}
    assert finder.found("Location", "near:missing=true") == {"nowhere"}
    assert finder.found("Location", "near=52.5|13.4|1,53.0|13.4|1") == {"here", "far"}
    assert finder.found("Location", "near=52.5|13.4", caller("user/Location.rs?_id=close")) == {"close"}
    finder.put(location("here", 0, 0))
    finder.delete("Location", "close")
    assert finder.found("Location", "near=52.5|13.4") == set()


@pytest.mark.parametrize(
    "query",
    [
        "near=1",
        "near=91|0",
        "near=0|181",
        "near=a|b",
        "near=0|0|-1|km",
        "near=0|0|1|kg",
        "near=0|0|1|km|x",
        "_sort=near",
    ],
)
def test_what_is_no_place_or_distance_is_refused(services: Services, query: str) -> None:
    with pytest.raises(BadRequest):
        Finder(services).page("Location", query)


def test_names_are_found_by_their_sound(services: Services) -> None:
    finder = Finder(services)
    finder.put(
        patient("meyer", name=[{"family": "Meyer", "given": ["Stephen"]}]),
        patient("smith", name=[{"family": "Smith-Jones", "given": ["Catherine"]}]),
        patient("li", name=[{"text": "李 小龙"}]),
    )
    for query, expected in {
        "phonetic=Mayer": {"meyer"},
        "phonetic=mayer": {"meyer"},
        "phonetic=Steven": {"meyer"},
        "phonetic=Smyth": set(),
        "phonetic=kathryn": {"smith"},
        "phonetic=李": {"li"},
        "phonetic=Bob": set(),
        "phonetic=Mayer,Katherine": {"meyer", "smith"},
        "phonetic:missing=true": set(),
        "_filter=phonetic eq mayer": {"meyer"},
    }.items():
        assert finder.found("Patient", query) == expected, query
    document = patient("x", name=[{"family": "Meyer"}])
    assert finder.in_memory(document, "phonetic=mayer")
    assert not finder.in_memory(document, "phonetic=bob")
