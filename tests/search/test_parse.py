"""Query text to tree: what is understood, and how what is not is told."""

from pathlib import Path

import pytest

from fhir_lab.outcomes import BadRequest
from fhir_lab.search.escapes import escape, split, unescape
from fhir_lab.search.kinds.string import StringValue
from fhir_lab.search.kinds.token import TokenValue
from fhir_lab.search.parse import parse
from fhir_lab.search.tree import Chain, Condition, Has, Include, Query
from fhir_lab.services import Services
from fhir_lab.settings import Settings

SERVICES = Services(Settings(_env_file=None, var=Path("unused"), secret_key="a-secret-for-tests"))


def read(resource_type: str, *parameters: tuple[str, str], lenient: bool = False) -> Query:
    return parse(SERVICES, resource_type, parameters, lenient=lenient)


def refused(resource_type: str, *parameters: tuple[str, str], lenient: bool = False) -> list[tuple[str, str]]:
    """(text, expression) of each issue."""
    with pytest.raises(BadRequest) as caught:
        read(resource_type, *parameters, lenient=lenient)
    return [(issue.details, *issue.expression) for issue in caught.value.issues]


def condition(query: Query) -> Condition:
    (only,) = query.criteria
    assert isinstance(only, Condition)
    return only


def test_a_comma_separates_alternatives_and_a_repetition_adds_a_condition() -> None:
    query = read("Patient", ("given", "eve,ann"), ("given", "x"))
    assert [len(criterion.values) for criterion in query.criteria if isinstance(criterion, Condition)] == [2, 1]


def test_escaped_separators_belong_to_the_value() -> None:
    assert condition(read("Patient", ("name", r"a\,b,c\\d"))).values == (
        StringValue("a,b", "a,b"),
        StringValue("c\\d", "c\\d"),
    )
    assert condition(read("Patient", ("identifier", r"urn:x|1\|2\$"))).values == (TokenValue("urn:x", "1|2$"),)


def test_escaping_and_unescaping_are_inverse() -> None:
    text = r"a,b|c$d\e"
    assert unescape(escape(text)) == text
    assert split(escape(text), ",") == [escape(text)]


def test_an_empty_value_is_ignored_and_left_out_of_the_self_link() -> None:
    query = read("Patient", ("name", ""), ("given", ","), ("gender", "male"))
    assert query.used == (("gender", "male"),)
    assert len(query.criteria) == 1


def test_every_error_of_a_request_is_told_at_once() -> None:
    issues = refused("Patient", ("nmae", "x"), ("birthdate", "soon"), ("_count", "-1"), ("gender", "male"))
    assert [expression for _, expression in issues] == ["http.nmae", "http.birthdate", "http._count"]


def test_an_unknown_parameter_names_the_nearest_and_the_valid_ones() -> None:
    ((text, _),) = refused("Patient", ("nmae", "x"))
    assert "Did you mean 'name'?" in text
    assert "birthdate, " in text


def test_a_lenient_search_leaves_an_unknown_parameter_out_and_says_so() -> None:
    query = read(
        "Patient", ("nmae", "x"), ("_sort", "foo"), ("_include", "Patient:foo"), ("gender", "male"), lenient=True
    )
    assert query.used == (("gender", "male"),)
    assert [(issue.severity, *issue.expression) for issue in query.issues] == [
        ("warning", "http.nmae"),
        ("warning", "http._sort"),
        ("warning", "http._include"),
    ]


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("Patient", "gender:exact", "male"),
        ("Patient", "name:not", "x"),
        ("Patient", "birthdate:exact", "2000"),
        ("Observation", "code:of-type", "http://x|MR|1"),
        ("Observation", "value-quantity:in", "http://x"),
        ("Observation", "subject:Practitioner", "1"),
        ("Observation", "code-value-quantity:missing", "true"),
        ("Observation", "status:missing", "yes"),
        ("Patient", "name:", "x"),
    ],
)
def test_a_modifier_that_does_not_fit_is_refused_even_when_lenient(resource_type: str, name: str, value: str) -> None:
    ((text, expression),) = refused(resource_type, (name, value), lenient=True)
    assert expression == f"http.{name}"
    assert text


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("Patient", "birthdate", "2020-13"),
        ("Patient", "birthdate", "xx2020"),
        ("Patient", "birthdate", "2023-02-30"),
        ("Observation", "value-quantity", "five"),
        ("Observation", "value-quantity", "5|mg"),
        ("Observation", "value-quantity", "gt"),
        ("RiskAssessment", "probability", "zz0.8"),
        ("Observation", "patient", "Patient/"),
        ("Observation", "patient", "Paitent/1"),
        ("Observation", "subject:Patient", "Group/1"),
        ("Observation", "code", "a|b|c"),
        ("Observation", "code", "|"),
        ("Patient", "_id", "urn:x|1"),
        ("Observation", "code-value-quantity", "718-7"),
        ("Observation", "code-value-quantity", "718-7$gt5$6"),
        ("Patient", "name", "a\0b"),
        ("Patient", "name", " "),
        ("ValueSet", "url:below", "urn:oid:1.2"),
        ("Location", "near", "1|2|3|parsecs"),
        ("Patient", "_filter", "name eq"),
        ("Patient", "_total", "maybe"),
        ("Patient", "_summary", "some"),
        ("Patient", "_sort", "_score"),
        ("Observation", "_sort", "code-value-quantity"),
        ("Patient", "_include", "Patient"),
        ("Patient", "_include", "Patient:name"),
        ("Patient", "_include:foo", "Patient:organization"),
        ("Patient", "_list", "$current-problems"),
        ("Observation", "patient.name.family", "x"),
        ("Observation", "code.text", "x"),
        ("Observation", "subject:Practitioner.name", "x"),
        ("Observation", "subject.nmae", "x"),
        ("Patient", "_has:Observation:patient", "x"),
        ("Patient", "_has:Observation:performer:nmae", "x"),
        ("Patient", "_has:Observation:specimen:code", "x"),
        ("Patient", "_has:Obs:patient:code", "x"),
        ("Observation", "subject." * 300 + "name", "x"),
        ("Patient", "_has:Observation:patient:" * 300 + "code", "x"),
        ("Patient", "_id", ",".join(str(n) for n in range(2000))),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_the_parameter_named(
    resource_type: str, name: str, value: str
) -> None:
    issues = refused(resource_type, (name, value))
    assert len(issues) == 1
    assert all(issue[0] for issue in issues)


def test_a_search_that_would_cost_too_much_is_refused() -> None:
    for parameters in (
        [("code", str(n)) for n in range(100)],
        [("_sort", "code,-date")] * 10,
        [("focus.subject.patient.general-practitioner.organization.name", "x")],
        [("focus.subject.subject.subject.subject.identifier", "x")],
    ):
        assert len(refused("Observation", *parameters)) == 1


def test_a_result_parameter_given_twice_with_two_values_is_refused() -> None:
    ((text, _),) = refused("Patient", ("_count", "5"), ("_count", "6"))
    assert text == "'_count' is given twice, as '5' and '6'."


def test_the_page_size_is_reduced_to_the_largest_allowed() -> None:
    assert read("Patient", ("_count", "999999999999999999")).count == SERVICES.settings.search_count_max


@pytest.mark.parametrize("parameter", [("_count", "0"), ("_summary", "count")])
def test_a_count_of_zero_and_a_summary_count_ask_for_the_total_only(parameter: tuple[str, str]) -> None:
    assert read("Patient", parameter).count_only


def test_a_chain_without_a_type_tries_every_type_that_has_the_parameter() -> None:
    (chain,) = read("Observation", ("subject.name", "x")).criteria
    assert isinstance(chain, Chain)
    assert {name for name, _ in chain.targets} == {"Patient", "Location"}


def test_an_ambiguous_chain_asks_for_the_type() -> None:
    ((text, _),) = refused("Provenance", ("target.type", "x"))
    assert "Name the type, such as target:" in text


def test_reverse_chains_nest() -> None:
    (has,) = read("Patient", ("_has:Observation:patient:_has:Provenance:target:recorded", "ge2020")).criteria
    assert isinstance(has, Has)
    assert isinstance(has.criterion, Has)
    assert has.criterion.source == "Provenance"


def test_includes_are_read_in_every_form() -> None:
    query = read(
        "Observation",
        ("_include", "Observation:subject:Patient"),
        ("_include:iterate", "Patient:organization"),
        ("_revinclude", "Provenance:target"),
        ("_include", "*"),
        ("_include", "Observation:*"),
    )
    assert query.includes == (
        Include("Observation", "subject", "Patient", reverse=False, iterate=False),
        Include("Patient", "organization", "", reverse=False, iterate=True),
        Include("Provenance", "target", "", reverse=True, iterate=False),
        Include("Observation", "*", "", reverse=False, iterate=False),
    )


def test_a_system_that_codes_imply_finds_codes_stored_without_one() -> None:
    query = read("Observation", ("status", "http://hl7.org/fhir/observation-status|final"))
    assert condition(query).values == (TokenValue("http://hl7.org/fhir/observation-status", "final", implied=True),)


def test_a_blank_in_an_offset_is_the_plus_that_was_not_encoded() -> None:
    assert (
        condition(read("Observation", ("date", "ge2020-01-01T10:00:00 02:00"))).values
        == condition(read("Observation", ("date", "ge2020-01-01T08:00:00Z"))).values
    )
