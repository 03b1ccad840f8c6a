"""What value sets contain, against a naive reading of R4, and what cannot be told."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_lab.documents import Resource
from fhir_lab.outcomes import FhirError, Unprocessable
from fhir_lab.terminology.codes import Codes
from fhir_lab.terminology.compose import Composer
from fhir_lab.terminology.source import TooCostly, UnknownCanonical
from fhir_lab.terminology.systems import System

Json = dict[str, Any]
ANIMALS = "http://example.org/animals"
COLOURS = "http://example.org/colours"
PARTIAL = "http://example.org/partial"
NOWHERE = "http://example.org/nowhere"


def concept(code: str, *inner: Json, **properties: Any) -> Json:
    listed = [
        {"code": name, "valueBoolean" if isinstance(value, bool) else "valueString": value}
        for name, value in properties.items()
    ]
    own: Json = {"code": code, "display": f"The {code}"}
    return own | ({"concept": list(inner)} if inner else {}) | ({"property": listed} if listed else {})


SYSTEMS: dict[str, Json] = {
    ANIMALS: {
        "content": "complete",
        "concept": [
            concept(
                "animal",
                concept("mammal", concept("dog", legs="4"), concept("bat", wings=True, legs="2"), notSelectable=True),
                concept("bird", concept("robin", wings=True, legs="2"), concept("moa", inactive=True, legs="2")),
            ),
            {"code": "pet", "display": "A pet"},
            {"code": "parrot", "property": [{"code": "parent", "valueCode": code} for code in ("bird", "pet")]},
        ],
    },
    COLOURS: {"content": "complete", "concept": [concept("red"), concept("green"), concept("blue")]},
    PARTIAL: {"content": "fragment", "concept": [concept("a"), concept("b")]},
    "http://example.org/empty": {"content": "not-present"},
}
CODES = {url: [*_] for url, _ in ((url, System({"url": url, **body}).concepts) for url, body in SYSTEMS.items())}


class Library:
    """A source of the systems above and of some value sets."""

    def __init__(self, **value_sets: Json) -> None:
        self._systems = {url: System({"url": url, **body}) for url, body in SYSTEMS.items()}
        self._value_sets = value_sets

    def system(self, url: str, version: str = "") -> System | None:
        return self._systems.get(url)

    def value_set(self, url: str, version: str = "") -> Resource | None:
        return self._value_sets.get(url)


def listed(value_set: Json, **others: Json) -> list[tuple[str, str]]:
    """The concepts in order; every one of them is a member, and no other code of the systems is."""
    composer = Composer(Library(**others))
    found = [(entry.system, entry.code) for entry in composer.entries(value_set)]
    members = composer.members(value_set)
    universe = {(url, code) for url, codes in CODES.items() for code in codes} | set(found)
    assert {pair for pair in universe if pair in members} == set(found)
    assert len(set(found)) == len(found)
    return found


def codes(value_set: Json, **others: Json) -> list[str]:
    return [code for _, code in listed(value_set, **others)]


def including(*parts: Json, **more: Any) -> Json:
    return {"compose": {"include": list(parts), **more}}


def filtered(name: str, operator: str, value: str) -> Json:
    return including({"system": ANIMALS, "filter": [{"property": name, "op": operator, "value": value}]})


EVERYTHING = CODES[ANIMALS]
LEGGED = {"property": "legs", "op": "=", "value": "2"}


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("concept", "is-a", "bird", ["bird", "robin", "moa", "parrot"]),
        ("concept", "descendent-of", "bird", ["robin", "moa", "parrot"]),
        ("concept", "is-not-a", "animal", ["pet"]),
        ("concept", "generalizes", "parrot", ["animal", "bird", "pet", "parrot"]),
        ("concept", "is-a", "unicorn", []),
        ("code", "in", "dog, bat", ["dog", "bat"]),
        ("code", "not-in", "dog,bat,moa,robin,parrot,bird", ["animal", "mammal", "pet"]),
        ("code", "regex", "[pm].*t", ["pet", "parrot"]),
        ("display", "=", "A pet", ["pet"]),
        ("legs", "=", "2", ["bat", "robin", "moa"]),
        ("wings", "=", "true", ["bat", "robin"]),
        ("wings", "exists", "true", ["bat", "robin"]),
        ("legs", "exists", "false", ["animal", "mammal", "bird", "pet", "parrot"]),
        ("parent", "=", "pet", ["parrot"]),
        ("child", "=", "moa", ["bird"]),
    ],
)
def test_a_filter_selects(name: str, operator: str, value: str, expected: list[str]) -> None:
    assert codes(filtered(name, operator, value)) == expected


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [("colour", "is-a", "bird"), ("code", "resembles", "x"), ("code", "exists", "maybe"), ("code", "regex", "(")],
)
def test_a_filter_that_means_nothing_is_refused(name: str, operator: str, value: str) -> None:
    with pytest.raises(Unprocessable):
        codes(filtered(name, operator, value))


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)*", "a*a*a*a*b", "x" * 201, "a?" * 50 + "a" * 50, "(a|a)" * 30])
def test_a_pattern_that_may_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(TooCostly):
        codes(filtered("code", "regex", pattern))


def test_all_filters_of_an_include_must_hold() -> None:
    part = {
        "system": ANIMALS,
        "filter": [
            {"property": "concept", "op": "is-a", "value": "bird"},
            {"property": "legs", "op": "exists", "value": "true"},
        ],
    }
    assert codes(including(part)) == ["robin", "moa"]


def test_includes_are_added_and_excludes_taken_away() -> None:
    value_set = including(
        {"system": COLOURS},
        {"system": ANIMALS, "concept": [{"code": "dog"}, {"code": "bat"}]},
        exclude=[
            {"system": COLOURS, "concept": [{"code": "green"}]},
            {"system": ANIMALS, "concept": [{"code": "bat"}]},
        ],
    )
    assert listed(value_set) == [(COLOURS, "red"), (COLOURS, "blue"), (ANIMALS, "dog")]


def test_value_sets_of_one_include_are_intersected_and_those_of_several_added() -> None:
    warm = including({"system": COLOURS, "concept": [{"code": "red"}, {"code": "green"}]})
    cold = including({"system": COLOURS, "concept": [{"code": "green"}, {"code": "blue"}]})
    assert codes(including({"valueSet": ["warm", "cold"]}), warm=warm, cold=cold) == ["green"]
    assert codes(including({"valueSet": ["warm"]}, {"valueSet": ["cold"]}), warm=warm, cold=cold) == [
        *("red", "green", "blue")
    ]
    with_system = including({"system": COLOURS, "valueSet": ["cold"]})
    assert codes(with_system, cold=cold) == ["green", "blue"]


def test_inactive_codes_are_left_out_where_the_value_set_says_so() -> None:
    birds = filtered("concept", "is-a", "bird")
    assert "moa" in codes(birds)
    birds["compose"]["inactive"] = False
    assert codes(birds) == ["bird", "robin", "parrot"]


def test_imports_in_a_circle_are_refused_and_diamonds_are_not() -> None:
    leaf = including({"system": COLOURS, "concept": [{"code": "red"}]})
    left, right = including({"valueSet": ["leaf"]}), including({"valueSet": ["leaf"]})
    assert codes(including({"valueSet": ["left"]}, {"valueSet": ["right"]}), leaf=leaf, left=left, right=right) == [
        "red"
    ]
    with pytest.raises(Unprocessable, match="circle: left -> left"):
        codes(including({"valueSet": ["left"]}), left=including({"valueSet": ["left"]}))


def test_imports_that_double_at_each_level_are_read_once_each() -> None:
    levels = {"v0": including({"system": COLOURS})}
    for level in range(1, 60):
        part = {"valueSet": [f"v{level - 1}", f"v{level - 1}"]}
        levels[f"v{level}"] = including(part, part)
    assert codes(levels["v59"], **levels) == ["red", "green", "blue"]


def test_imports_without_end_are_refused() -> None:
    levels = {"v0": including({"system": COLOURS})}
    levels |= {f"v{level}": including({"valueSet": [f"v{level - 1}"]}) for level in range(1, 500)}
    with pytest.raises(TooCostly):
        codes(levels["v499"], **levels)


def test_a_stored_expansion_says_what_is_in_it_where_nothing_else_can() -> None:
    expansion = {
        "contains": [
            {"system": COLOURS, "code": "red"},
            {"display": "a group", "contains": [{"system": COLOURS, "code": "pink"}]},
            {"system": COLOURS, "code": "bluish", "abstract": True, "contains": [{"system": COLOURS, "code": "navy"}]},
        ]
    }
    assert codes({"expansion": expansion}) == ["red", "pink", "navy"]
    unknown = including({"system": NOWHERE, "filter": [{"property": "concept", "op": "is-a", "value": "x"}]})
    assert codes(unknown | {"expansion": expansion}) == ["red", "pink", "navy"]
    with pytest.raises(UnknownCanonical):
        codes(unknown | {"expansion": {**expansion, "total": 10}})
    assert codes(including({"system": COLOURS}) | {"expansion": expansion}) == ["red", "green", "blue"]
    assert codes({}) == []


def test_a_whole_system_that_is_not_here_cannot_be_listed_but_has_members() -> None:
    exclude = [{"system": NOWHERE, "concept": [{"code": "not-this"}]}]
    value_set = including({"system": NOWHERE}, exclude=exclude)
    members = Composer(Library()).members(value_set)
    assert (NOWHERE, "anything") in members
    assert (NOWHERE, "not-this") not in members
    assert (COLOURS, "red") not in members
    with pytest.raises(UnknownCanonical, match=NOWHERE):
        Composer(Library()).entries(value_set)


def test_of_a_fragment_what_is_known_is_listed_and_said_to_be_open() -> None:
    composer = Composer(Library())
    value_set = including({"system": PARTIAL})
    assert [entry.code for entry in composer.entries(value_set)] == ["a", "b"]
    assert composer.unclosed
    assert (PARTIAL, "c") in composer.members(value_set)
    with pytest.raises(UnknownCanonical, match="not-present"):
        Composer(Library()).entries(including({"system": "http://example.org/empty"}))


def test_codes_of_a_system_that_is_not_here_are_listed_as_the_value_set_says() -> None:
    assert listed(including({"system": NOWHERE, "concept": [{"code": "x", "display": "X"}]})) == [(NOWHERE, "x")]


def test_the_value_set_has_the_first_word_on_displays() -> None:
    part = {"system": COLOURS, "concept": [{"code": "red", "display": "Rouge"}, {"code": "blue"}]}
    assert [entry.display for entry in Composer(Library()).entries(including(part))] == ["Rouge", "The blue"]


def test_too_many_codes_are_refused() -> None:
    with pytest.raises(TooCostly):
        Composer(Library(), most=2).entries(including({"system": COLOURS}))
    with pytest.raises(TooCostly):
        Composer(Library(), most=2).members(including({"system": COLOURS}))


# The naive reading: every value set as the set of pairs it has among the codes that exist.

Pairs = set[tuple[str, str]]
COMPLETE = (ANIMALS, COLOURS)
FILTERS = st.one_of(
    *(
        st.tuples(st.just("concept"), st.just(operator), st.sampled_from(EVERYTHING))
        for operator in ("is-a", "descendent-of", "is-not-a", "generalizes")
    ),
    st.tuples(st.just("code"), st.sampled_from(("in", "not-in", "=")), st.sampled_from(("dog,bat", "pet", "moa,x"))),
    st.tuples(st.just("wings"), st.just("exists"), st.sampled_from(("true", "false"))),
)


@st.composite
def parts(draw: st.DrawFn, imports: tuple[str, ...]) -> Json:
    shape = draw(st.sampled_from(("whole", "listed", "filtered", "imported", "both")))
    system = ANIMALS if shape == "filtered" else draw(st.sampled_from(COMPLETE))
    part: Json = {} if shape == "imported" else {"system": system}
    if shape == "listed":
        part["concept"] = [{"code": code} for code in draw(st.lists(st.sampled_from(CODES[system]), min_size=1))]
    if shape == "filtered":
        found = draw(st.lists(FILTERS, min_size=1, max_size=2))
        part["filter"] = [{"property": name, "op": operator, "value": value} for name, operator, value in found]
    if shape in ("imported", "both"):
        part["valueSet"] = draw(st.lists(st.sampled_from(imports), min_size=1, max_size=2)) if imports else ["none"]
    return part


@st.composite
def libraries(draw: st.DrawFn) -> dict[str, Json]:
    found: dict[str, Json] = {"none": including({"system": COLOURS, "concept": [{"code": "red"}]})}
    for number in range(draw(st.integers(1, 4))):
        some = st.lists(parts(tuple(found)), max_size=2)
        include = draw(st.lists(parts(tuple(found)), min_size=1, max_size=3))
        found[f"v{number}"] = including(*include, exclude=draw(some))
    return found


def naive(value_set: Json, library: dict[str, Json]) -> Pairs:
    compose = value_set["compose"]
    found: Pairs = set()
    for part in compose["include"]:
        found |= naive_part(part, library)
    for part in compose.get("exclude", []):
        found -= naive_part(part, library)
    return found


def naive_part(part: Json, library: dict[str, Json]) -> Pairs:
    conditions: list[Pairs] = [naive(library[url], library) for url in part.get("valueSet", [])]
    if "system" in part:
        wanted = [each["code"] for each in part["concept"]] if "concept" in part else CODES[part["system"]]
        conditions.append({(part["system"], code) for code in wanted})
    for each in part.get("filter", []):
        conditions.append({(ANIMALS, code) for code in EVERYTHING if naive_filter(each, code)})
    return set.intersection(*conditions)


def ancestors(code: str) -> Iterator[str]:
    """The code and everything above it."""
    above = {"mammal": ["animal"], "bird": ["animal"], "dog": ["mammal"], "bat": ["mammal"], "robin": ["bird"]}
    above |= {"moa": ["bird"], "parrot": ["bird", "pet"]}
    yield code
    for parent in above.get(code, []):
        yield from ancestors(parent)


def naive_filter(each: Json, code: str) -> bool:
    operator, value = each["op"], each["value"]
    below = value in ancestors(code)
    answers = {
        "is-a": below,
        "descendent-of": below and code != value,
        "is-not-a": not below,
        "generalizes": code in ancestors(value),
        "in": code in value.split(","),
        "not-in": code not in value.split(","),
        "=": code == value,
        "exists": (code in ("bat", "robin")) is (value == "true"),
    }
    return answers[operator]


@given(libraries())
def test_expansions_are_what_a_naive_reading_finds(library: dict[str, Json]) -> None:
    for value_set in library.values():
        assert set(listed(value_set, **library)) == naive(value_set, library)


SOME = st.builds(Codes, st.frozensets(st.sampled_from("abc")), st.booleans())


@given(SOME, SOME)
def test_sets_of_codes_behave_as_sets(left: Codes, right: Codes) -> None:
    for code in "abcd":
        assert (code in (left & right)) is (code in left and code in right)
        assert (code in (left | right)) is (code in left or code in right)
        assert (code in (left - right)) is (code in left and code not in right)


def test_a_hierarchy_in_a_circle_ends() -> None:
    loop = [{"code": code, "property": [{"code": "parent", "valueCode": parent}]} for code, parent in ("ab", "ba")]
    system = System({"url": "x", "content": "complete", "concept": loop})
    assert set(system.below("a")) == set(system.above("a")) == {"a", "b"}


def test_parts_are_not_kinds_of_the_whole() -> None:
    body = {"hierarchyMeaning": "part-of", "concept": [concept("body", concept("hand"))]}
    assert list(System(body).below("body")) == ["body"]


def test_a_system_that_ignores_case_finds_codes_however_they_are_written() -> None:
    body = {"caseSensitive": False, "concept": [concept("Ab")]}
    assert [found.code for found in (System(body).find("aB"), System(body).find("Ab")) if found] == ["Ab", "Ab"]
    assert System({**body, "caseSensitive": True}).find("aB") is None


def test_errors_are_told_in_fhir_form() -> None:
    with pytest.raises(FhirError) as caught:
        Composer(Library()).members(including({"valueSet": ["missing|1.0"]}))
    assert [(issue.code, "missing|1.0" in issue.details) for issue in caught.value.issues] == [("not-found", True)]
