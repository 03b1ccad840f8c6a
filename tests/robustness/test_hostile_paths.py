"""FHIRPath that clients send, in patches and in GraphQL, ends soon, whatever it asks to be multiplied or matched."""

import time
from collections.abc import Iterator

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json, patient
from tests.support.patches import operation, parameters

SECONDS = 6.0  # of processor time; each takes at most a few tenths, and took minutes or for ever
MANY = 3000
GROWING = "family" + ".replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 8
CONDITIONS = (
    f"{GROWING}.length() = 1",
    "given.where(%resource.descendants().count() = 1).exists()",
    "%resource.descendants().where(%resource.descendants().where(%resource.descendants().exists()).exists()).empty()",
    "%resource.descendants().select(%resource.descendants().select(%resource.descendants())).count() = 1",
    "%resource.identifier.isDistinct() and false",
    "(%resource.identifier | %resource.identifier).count() = 1",
    "%resource.identifier.where(%resource.identifier.exists(value = 'y')).exists()",
    "%resource.identifier.where(%resource.where(identifier.count() = 1).exists()).exists()",
    "%resource.identifier.all(%resource.identifier.all(value != 'y'))",
    "%resource.identifier.where($this in %resource.identifier.tail()).exists()",
    "%resource.identifier.subsetOf(%resource.identifier.tail())",
    "%resource.identifier.intersect(%resource.identifier).count() = 1",
    "%resource.identifier.exclude(%resource.identifier.tail()).count() = 1",
    "%resource.repeat(identifier | name).count() = 1",
    "%resource.identifier.where(%resource = %resource).exists()",
    "%resource.identifier.aggregate($total + %resource.descendants().count(), 0) = 1",
)
PATTERNS = (
    "(a|a)*b",
    "(a|aa)+$",
    "([a-z]+)*b",
    "(a*)*b",
    "(a+){20}b",
    "(.*a){20}b",
    "a*a*a*a*a*b",
    "(a{1,30}){1,30}b",
    "a?" * 30 + "a" * 300 + "b",
    "(a|a)" * 30 + "b",
)


@pytest.fixture
def large(sqlite_services: Services) -> Iterator[Api]:
    """A Patient with thousands of elements and a name that no pattern likes."""
    api = Api(sqlite_services)
    identifiers = [{"system": f"urn:{number}", "value": str(number)} for number in range(MANY)]
    body = patient("p", identifier=identifiers, name=[{"family": "a" * 300, "given": ["a"] * 50}])
    assert api.put("/Patient/p", body).status_code == 201
    yield api
    api.close()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_in_the_path_of_a_patch_ends_soon(large: Api, condition: str) -> None:
    body = parameters(operation("delete", f"Patient.name.where({condition})"))
    started = time.process_time()
    answer = large.patch("/Patient/p", body)
    assert time.process_time() - started < SECONDS
    assert answer.status_code in (200, 400, 422)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_in_a_graphql_query_ends_soon(large: Api, condition: str) -> None:
    started = time.process_time()
    answer = _asked(large, condition)
    assert time.process_time() - started < SECONDS
    assert set(answer) <= {"data", "errors"}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_takes_for_ever_is_refused(large: Api, pattern: str) -> None:
    for condition in (f"family.matches('{pattern}')", f"family.replaceMatches('{pattern}', '') = 'x'"):
        started = time.process_time()
        [error] = _asked(large, condition)["errors"]
        assert time.process_time() - started < SECONDS
        assert "cannot be evaluated" in error["message"]


@pytest.mark.parametrize("pattern", ["^a+$", "^[a-z]{1,400}$", "^(a|b)", "a{300}", r"^a\\S*$"])
def test_an_honest_pattern_is_answered(large: Api, pattern: str) -> None:
    answer = _asked(large, f"family.matches('{pattern}')")
    assert answer == {"data": {"Patient": {"name": [{"family": "a" * 300}]}}}


def test_conditions_on_many_elements_are_still_answered(large: Api) -> None:
    body = parameters(operation("delete", "Patient.identifier.where(system = 'urn:2999' and value.length() = 4)"))
    answer = large.patch("/Patient/p", body)
    assert answer.status_code == 200
    assert len(answer.json()["identifier"]) == MANY - 1


def _asked(api: Api, condition: str) -> Json:
    text = condition.replace("\\", "\\\\")
    query = f'{{Patient(id: "p") {{name(fhirpath: "{text}") {{family}}}}}}'
    found: Json = api.post("/$graphql", {"query": query}, Content_Type="application/json").json()
    return found
