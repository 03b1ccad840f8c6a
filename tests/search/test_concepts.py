"""Token modifiers that need terminology: `:in`, `:not-in`, `:above`, `:below`, and `:of-type`; on both databases."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage.reindex import Scope, begin, step
from fhir_lab.storage.tables import idx_token
from fhir_lab.storage.unit import Unit
from tests.support.finding import LOINC, Finder, caller, observation, patient

ANIMALS = "http://example.org/animals"
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BASE = "http://127.0.0.1:8000/fhir/R4"


def coded(resource_id: str, *codings: tuple[str, str], **more: Any) -> Resource:
    coding = [{name: value for name, value in (("system", s), ("code", c)) if value} for s, c in codings]
    return observation(resource_id, **more) | {"code": {"coding": coding} if coding else {"text": "none"}}


def value_set(resource_id: str, *include: dict[str, Any], **more: Any) -> Resource:
    url = f"http://example.org/{resource_id}"
    body = {"resourceType": "ValueSet", "id": resource_id, "url": url, "status": "active", **more}
    return body | ({"compose": {"include": list(include)}} if include else {})


def code_system(resource_id: str, *concepts: dict[str, Any], content: str = "complete", **more: Any) -> Resource:
    url = f"http://example.org/{resource_id}"
    body = {"resourceType": "CodeSystem", "id": resource_id, "url": url, "status": "active", "content": content, **more}
    return body | ({"concept": list(concepts)} if concepts else {})


def concepts(system: str, *codes: str) -> dict[str, Any]:
    return {"system": system, "concept": [{"code": code} for code in codes]}


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    finder.put(
        code_system(
            "animals",
            {"code": "bird", "concept": [{"code": "robin"}, {"code": "parrot"}]},
            {"code": "pet"},
            {"code": "macaw", "property": [{"code": "parent", "valueCode": up} for up in ("parrot", "pet")]},
        ),
        value_set("birds", {"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "bird"}]}),
        value_set("some", concepts(LOINC, "1", "2"), concepts(ANIMALS, "pet")),
        value_set("all-loinc", {"system": LOINC}),
        coded("o-robin", (ANIMALS, "robin")),
        coded("o-macaw", (ANIMALS, "macaw"), (LOINC, "1")),
        coded("o-loinc", (LOINC, "1"), (LOINC, "9")),
        coded("o-other-system", ("http://other.example.org", "robin")),
        coded("o-no-system", ("", "robin")),
        coded("o-text"),
    )
    return finder


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code:in=http://example.org/birds", {"o-robin", "o-macaw"}),
        ("code:in=ValueSet/birds", {"o-robin", "o-macaw"}),
        (f"code:in={BASE}/ValueSet/birds", {"o-robin", "o-macaw"}),
        ("code:in=http://example.org/some", {"o-macaw", "o-loinc"}),
        ("code:in=http://example.org/birds,http://example.org/some", {"o-robin", "o-macaw", "o-loinc"}),
        ("code:in=http://example.org/birds&code:in=http://example.org/some", {"o-macaw"}),
        ("code:in=http://example.org/all-loinc", {"o-macaw", "o-loinc"}),
        ("code:not-in=http://example.org/birds", {"o-loinc", "o-other-system", "o-no-system", "o-text"}),
        ("code:not-in=http://example.org/all-loinc", {"o-robin", "o-other-system", "o-no-system", "o-text"}),
        (f"code:below={ANIMALS}|bird", {"o-robin", "o-macaw"}),
        (f"code:below={ANIMALS}|parrot", {"o-macaw"}),
        (f"code:above={ANIMALS}|macaw", {"o-macaw"}),
        (f"code:above={ANIMALS}|robin,{ANIMALS}|macaw", {"o-robin", "o-macaw"}),
        (f"code:below={ANIMALS}|unicorn", set()),
        (f"combo-code:below={ANIMALS}|bird", {"o-robin", "o-macaw"}),
        (
            "status:in=http://hl7.org/fhir/ValueSet/observation-status&code=robin",
            {"o-robin", "o-other-system", "o-no-system"},
        ),
        ("status:not-in=http://hl7.org/fhir/ValueSet/observation-status|4.0.1", set()),
        ("status:below=final&code=9", {"o-loinc"}),
        ("category:in=http://hl7.org/fhir/ValueSet/observation-category&code=9", {"o-loinc"}),
        ("category:in=http://terminology.hl7.org/ValueSet/v2-0074", set()),
    ],
)
def test_a_search_by_concepts_finds_exactly(finder: Finder, query: str, expected: set[str]) -> None:
    assert finder.found("Observation", query) == expected


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("code:in=http://example.org/nowhere", "not-found", "http://example.org/nowhere"),
        ("code:in=ValueSet/nowhere", "not-found", "ValueSet/nowhere"),
        ("code:in=http://example.org/birds|7", "not-found", "birds|7"),
        ("code:below=http://example.org/nowhere|x", "not-found", "CodeSystem 'http://example.org/nowhere'"),
        ("code:below=x", "value", "system|code"),
        ("code:above=http://example.org/animals|", "value", "system|code"),
        ("identifier:of-type=http://x|MR", "value", "system|code|value"),
        ("code:of-type=http://x|MR|1", "not-supported", "of-type"),
        ("subject:in=http://example.org/birds", "not-supported", "in"),
        ("date:below=2020", "not-supported", "below"),
        ("value-string:not-in=x", "not-supported", "not-in"),
        ("_id:in=http://example.org/birds", "not-supported", "in"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(finder: Finder, query: str, code: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        finder.found("Observation", query)
    [issue] = caught.value.issues
    assert issue.code == code
    assert said in issue.details
    assert issue.expression == (f"http.{query.partition('=')[0]}",)


def test_a_code_system_without_codes_has_no_hierarchy(finder: Finder) -> None:
    finder.put(code_system("described", content="not-present"))
    with pytest.raises(BadRequest, match="not its codes"):
        finder.found("Observation", "code:below=http://example.org/described|x")


def test_stored_value_sets_take_the_place_of_built_in_ones(finder: Finder) -> None:
    url = "http://hl7.org/fhir/ValueSet/observation-category"
    own = value_set("own", concepts(ANIMALS, "robin"), url=url)
    finder.put(own)
    assert finder.found("Observation", f"code:in={url}") == {"o-robin"}
    finder.delete("ValueSet", "own")
    assert finder.found("Observation", f"code:in={url}") == set()
    assert len(finder.found("Observation", f"category:in={url}")) == 6


def test_a_changed_value_set_is_used_at_once(finder: Finder) -> None:
    query = "code:in=http://example.org/some"
    assert finder.found("Observation", query) == {"o-macaw", "o-loinc"}
    finder.put(value_set("some", concepts(LOINC, "9")))
    assert finder.found("Observation", query) == {"o-loinc"}


def test_the_newest_version_is_meant_where_none_is_named(finder: Finder) -> None:
    url = "http://example.org/versioned"
    finder.put(
        value_set("old", concepts(ANIMALS, "robin"), url=url, version="1.9"),
        value_set("new", concepts(ANIMALS, "macaw"), url=url, version="1.10"),
        value_set("draft", concepts(LOINC, "9"), url=url, version="2.0", status="draft"),
    )
    assert finder.found("Observation", f"code:in={url}") == {"o-macaw"}
    assert finder.found("Observation", f"code:in={url}|1.9") == {"o-robin"}
    assert finder.found("Observation", f"code:in={url}|2.0") == {"o-loinc"}


def test_a_value_set_that_the_caller_may_not_read_is_not_known_to_it(finder: Finder) -> None:
    alone = caller("user/Observation.rs")
    with pytest.raises(BadRequest, match="not known here"):
        finder.found("Observation", "code:in=http://example.org/birds", alone)
    with pytest.raises(BadRequest, match="not known here"):
        finder.found("Observation", f"code:below={ANIMALS}|bird", alone)
    both = caller("user/Observation.rs user/ValueSet.rs")
    assert finder.found("Observation", "code:in=http://example.org/birds", both) == {"o-robin", "o-macaw"}
    narrow = caller("user/Observation.rs user/ValueSet.rs?status=draft")
    with pytest.raises(BadRequest, match="not known here"):
        finder.found("Observation", "code:in=http://example.org/birds", narrow)
    builtin = "http://hl7.org/fhir/ValueSet/observation-category"
    assert len(finder.found("Observation", f"category:in={builtin}", alone)) == 6


def test_chains_lead_to_concepts(finder: Finder) -> None:
    finder.put(patient("p", gender="female"), coded("with-patient", (LOINC, "2"), subject={"reference": "Patient/p"}))
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert finder.found("Observation", f"patient.gender:in={gender}") == {"with-patient"}
    assert finder.found("Patient", "_has:Observation:patient:code:in=http://example.org/some") == {"p"}


def test_a_large_value_set_is_one_bound_value(finder: Finder) -> None:
    many = [f"{number}-0" for number in range(20_000)]
    finder.put(value_set("many", concepts(LOINC, *many, "9")))
    assert finder.found("Observation", "code:in=http://example.org/many") == {"o-loinc"}
    expected = {"o-robin", "o-macaw", "o-other-system", "o-no-system", "o-text"}
    assert finder.found("Observation", "code:not-in=http://example.org/many") == expected


def test_a_value_set_beyond_the_bound_is_refused(finder: Finder) -> None:
    finder.put(value_set("vast", concepts(LOINC, *(str(number) for number in range(50_001)))))
    with pytest.raises(BadRequest) as caught:
        finder.found("Observation", "code:in=http://example.org/vast")
    assert caught.value.issues[0].code == "too-costly"


# Against brute force

SYSTEMS = (ANIMALS, LOINC, "")
PAIRS = [(system, code) for system in SYSTEMS for code in ("bird", "robin", "macaw", "pet", "1")]
SETS = {
    "birds": lambda s, c: s == ANIMALS and c in ("bird", "robin", "parrot", "macaw"),
    "some": lambda s, c: (s, c) in ((LOINC, "1"), (LOINC, "2"), (ANIMALS, "pet")),
    "all-loinc": lambda s, c: s == LOINC,
}
BELOW = {"bird": ("bird", "robin", "parrot", "macaw"), "pet": ("pet", "macaw"), "macaw": ("macaw",), "x": ("x",)}
ABOVE = {"bird": ("bird",), "macaw": ("macaw", "parrot", "bird", "pet"), "robin": ("robin", "bird"), "x": ("x",)}


class Zoo:
    """Observations with no, one or two codings, and what each query should find among them."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._documents: dict[str, tuple[tuple[str, str], ...]] = {}

    def agree(self, modifier: str, names: list[str]) -> None:
        if not self._documents:
            combinations = [(), *((pair,) for pair in PAIRS), *itertools.combinations(PAIRS[::2], 2)]
            self._documents = {f"z{number}": found for number, found in enumerate(combinations)}
            self._finder.put(*(coded(key, *found, category=None) for key, found in self._documents.items()))
        tests = {
            "in": [SETS.get(name) for name in names],
            "below": [lambda s, c, name=name: s == ANIMALS and c in BELOW.get(name, ()) for name in names],
            "above": [lambda s, c, name=name: s == ANIMALS and c in ABOVE.get(name, ()) for name in names],
        }[modifier.removeprefix("not-")]
        expected = {
            key
            for key, found in self._documents.items()
            if any(test(*pair) for test in tests for pair in found) is not modifier.startswith("not-")
        }
        values = [f"http://example.org/{name}" if "in" in modifier else f"{ANIMALS}|{name}" for name in names]
        query = f"code:{modifier}={','.join(values)}"
        assert self._finder.found("Observation", f"{query}&category:missing=true") == expected
        documents = {key: coded(key, *found) for key, found in self._documents.items()}
        assert {key for key, body in documents.items() if self._finder.in_memory(body, query)} == expected


@pytest.fixture
def zoo(finder: Finder) -> Zoo:
    return Zoo(finder)


@QUICK
@given(
    st.one_of(
        st.tuples(st.sampled_from(("in", "not-in")), st.lists(st.sampled_from(sorted(SETS)), min_size=1, max_size=2)),
        st.tuples(st.just("below"), st.lists(st.sampled_from(sorted(BELOW)), min_size=1, max_size=2)),
        st.tuples(st.just("above"), st.lists(st.sampled_from(sorted(ABOVE)), min_size=1, max_size=2)),
    )
)
def test_concepts_are_found_as_brute_force_finds_them(zoo: Zoo, query: tuple[str, list[str]]) -> None:
    zoo.agree(*query)


TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"


def identified(resource_id: str, *identifiers: tuple[str, str]) -> Resource:
    """A Patient with identifiers given as (type codes, value)."""
    return patient(
        resource_id,
        identifier=[
            {"value": value, "type": {"coding": [{"system": TYPE, "code": code} for code in codes.split()]}}
            for codes, value in identifiers
        ],
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"{TYPE}|MR|1", {"both", "first"}),
        (f"{TYPE}|MR|2", {"second"}),
        (f"{TYPE}|SS|1", {"first"}),
        (f"{TYPE}|EI|2", {"both"}),
        (f"{TYPE}|EI|1", set()),
        (f"{TYPE}|MR|1,{TYPE}|EI|2", {"both", "first"}),
        ("http://other.example.org|MR|1", set()),
        (rf"{TYPE}|MR|a\|b", {"barred"}),
    ],
)
def test_an_identifier_is_found_by_its_type_and_value(services: Services, value: str, expected: set[str]) -> None:
    finder = Finder(services)
    documents = [
        identified("both", ("MR", "1"), ("EI", "2")),
        identified("first", ("MR SS", "1")),
        identified("second", ("MR", "2")),
        identified("barred", ("MR", "a|b")),
        patient("untyped", identifier=[{"system": "urn:x", "value": "1"}, {"type": {"text": "MR"}, "value": "1"}]),
    ]
    finder.put(*documents)
    query = f"identifier:of-type={value}"
    assert finder.found("Patient", query) == expected
    assert {body["id"] for body in documents if finder.in_memory(body, query)} == expected


def test_the_rows_of_types_do_not_disturb_other_searches(services: Services) -> None:
    finder = Finder(services)
    finder.put(identified("p", ("MR", "1")), patient("none"))
    assert finder.found("Patient", f"identifier={TYPE}|1") == set()
    assert finder.found("Patient", "identifier=1") == {"p"}
    assert finder.found("Patient", "identifier:missing=true") == {"none"}
    assert finder.ids("Patient", "_sort=identifier") == ["none", "p"]


@pytest.mark.parametrize(
    ("resource_type", "query", "index"),
    [
        (
            "Observation",
            "code:in=http://example.org/many",
            "ix_observation_coding_match (param=? AND code=? AND system=?",
        ),
        ("Patient", "name=mey", "ix_idx_string_match (param=? AND norm>? AND norm<?"),
        ("ValueSet", "url:below=http://example.org/", "ix_idx_uri_match (param=? AND value>? AND value<?"),
    ],
)
def test_lists_and_beginnings_are_looked_up_in_an_index(
    sqlite_services: Services, resource_type: str, query: str, index: str
) -> None:
    finder = Finder(sqlite_services)
    finder.put(value_set("many", concepts(LOINC, *(f"{number}-1" for number in range(1000)))))
    page = finder.page(resource_type, f"{query}&__explain=true&_total=none")
    assert index in str(page.outcomes[-1].diagnostics)


@pytest.mark.parametrize("scope", [Scope(), Scope(url="http://hl7.org/fhir/SearchParameter/Patient-identifier")])
def test_a_reindex_brings_in_the_types_of_old_identifiers(services: Services, scope: Scope) -> None:
    finder = Finder(services)
    finder.put(identified("p", ("MR", "1")))
    query = f"identifier:of-type={TYPE}|MR|1"
    with services.database.write() as connection:
        connection.execute(delete(idx_token).where(idx_token.c.param < 0))
    assert finder.found("Patient", query) == set()
    with services.database.write() as connection:
        begin(Unit(connection, system("test"), services), scope)
    for _ in range(2):
        with services.database.write() as connection:
            step(Unit(connection, system("test"), services), scope)
    assert finder.found("Patient", query) == {"p"}
    with services.database.read() as connection:
        assert len(connection.execute(select(idx_token).where(idx_token.c.param < 0)).all()) == 1
