"""Scopes grant what was written and never more."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_lab.security.scopes import Scope, granted, intersection, parse_scope, parse_scopes

CONTEXTS = st.sampled_from(["patient", "user", "system"])
TYPES = st.sampled_from(["*", "Patient", "Observation"])
PERMISSIONS = st.sets(st.sampled_from("cruds"), min_size=1).map(frozenset)
QUERIES = st.sampled_from([None, "category=laboratory", "status=final&code=http://loinc.org|2345-7"])
SCOPES = st.builds(Scope, CONTEXTS, TYPES, PERMISSIONS, QUERIES)
NEAR_SCOPES = st.tuples(
    st.sampled_from(["patient", "user", "system", "", "users", "*"]),
    st.sampled_from(["/", "/", "//", "."]),
    st.sampled_from(["*", "Patient", "Observation", "patient", "Pat*", ""]),
    st.sampled_from([".", ".", "", ".."]),
    st.one_of(st.text("cruds", max_size=5), st.sampled_from(["read", "write", "*", "reads", "rs "])),
    st.sampled_from(["", "", "?", "?category=lab", "?category:not=lab", "?a=b&", "?a=b&c=d", "%20"]),
).map("".join)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("user/Patient.read", Scope("user", "Patient", frozenset("rs"))),
        ("user/Patient.write", Scope("user", "Patient", frozenset("cud"))),
        ("patient/*.*", Scope("patient", "*", frozenset("cruds"))),
        ("system/*.cruds", Scope("system", "*", frozenset("cruds"))),
        ("system/Observation.cs", Scope("system", "Observation", frozenset("cs"))),
        (
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            Scope(
                "patient",
                "Observation",
                frozenset("rs"),
                "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            ),
        ),
        ("user/Observation.r?status=final&_tag=a", Scope("user", "Observation", frozenset("r"), "status=final&_tag=a")),
        ("http://smarthealthit.org/fhir/scopes/user/Patient.rs", Scope("user", "Patient", frozenset("rs"))),
    ],
)
def test_a_scope_is_read_as_written(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        *("", "openid", "launch/patient", "offline_access", "user/Patient", "user/Patient.", "user/Patient.x"),
        *("user/Patient.sr", "user/Patient.dus", "user/Patient.rr", "user/Patient.reads", "user/Patient.READ"),
        *("User/Patient.rs", "users/Patient.rs", "user/patient.rs", "user/Patient*.rs", "user/.rs", "*/Patient.rs"),
        *("user/Patient.read?gender=male", "user/Patient.rs?", "user/Patient.rs?gender", "user/Patient.rs?gender="),
        *("user/Patient.rs?gender=a&", "user/Patient.rs?&gender=a", "user/Patient.rs?gender=a#b", "user/Patient.?a=b"),
        *("user/Patient.rs?gender:not=male", "user/Patient.rs?general-practitioner.name=x", "user/Patient.rs?_count=1"),
        *(
            "user/Patient.rs?gender=,",
            "user/Patient.rs?gender=male,",
            "user/Patient.rs?gender=%20",
            "user/Patient.rs?gender=|",
        ),
        *("user/Patient.rs?gender=male,%2C", "user/Patient.rs?gender=+", "user/Patient.rs?gender=%00"),
        *("user/Patient.rs?_filter=x", "user/Patient.rs?_has:Observation:patient:code=1", " user/Patient.rs"),
        *("user/Patient.rs\n", "user/Patient.rs\x00", "user/Patiént.rs", "user/Patient.rs?gender=male\u2003"),
    ],
)
def test_anything_malformed_grants_nothing(text: str) -> None:
    assert parse_scope(text) is None


def test_other_words_of_a_scope_value_are_left_out() -> None:
    assert parse_scopes("openid user/Patient.rs  launch user/Observation.sr") == (
        Scope("user", "Patient", frozenset("rs")),
    )


@given(SCOPES)
def test_a_scope_survives_being_written_and_read(scope: Scope) -> None:
    assert parse_scope(str(scope)) == scope


@given(NEAR_SCOPES)
def test_parsing_never_grants_a_letter_type_or_context_that_was_not_written(text: str) -> None:
    scope = parse_scope(text)
    if scope is None:
        return
    context, rest = text.split("/", 1)
    written_type, rest = rest.split(".", 1)
    letters, mark, query = rest.partition("?")
    meaning = {"read": "rs", "write": "cud", "*": "cruds"}.get(letters, letters)
    assert (scope.context, scope.resource_type, scope.query) == (context, written_type, query if mark else None)
    assert scope.permissions == frozenset(meaning)
    assert re.fullmatch("c?r?u?d?s?", meaning)


@given(st.text(max_size=40))
def test_any_text_can_be_parsed(text: str) -> None:
    assert all(str(scope) for scope in parse_scopes(text))


def _covers(scope: Scope | None, context: str, resource_type: str, permission: str) -> bool:
    return scope is not None and scope.context == context and scope.covers(resource_type, permission)


@given(SCOPES, SCOPES, CONTEXTS, st.sampled_from(["Patient", "Observation", "Specimen"]), st.sampled_from("cruds"))
def test_an_intersection_covers_exactly_what_both_cover(
    one: Scope, other: Scope, context: str, resource_type: str, permission: str
) -> None:
    both = _covers(one, context, resource_type, permission) and _covers(other, context, resource_type, permission)
    shared = intersection(one, other)
    assert _covers(shared, context, resource_type, permission) is both
    if shared is not None:
        criteria = set((shared.query or "").split("&"))
        assert criteria >= set((one.query or "").split("&")) - {""}
        assert criteria >= set((other.query or "").split("&")) - {""}


@given(st.lists(SCOPES, max_size=4), st.lists(SCOPES, max_size=4))
def test_what_is_granted_never_exceeds_what_is_allowed(requested: list[Scope], allowed: list[Scope]) -> None:
    for scope in parse_scopes(granted(" ".join(map(str, requested)), allowed)):
        assert any(intersection(scope, limit) == scope for limit in allowed)
        assert any(intersection(scope, wish) == scope for wish in requested)


@pytest.mark.parametrize(
    ("requested", "result"),
    [
        ("user/Patient.read", "user/Patient.read"),
        ("user/Patient.*", "user/Patient.rs"),
        ("user/*.rs", "user/Patient.rs user/Observation.rs?category=laboratory"),
        ("user/Observation.crs", "user/Observation.rs?category=laboratory"),
        ("user/Observation.rs?status=final", "user/Observation.rs?status=final&category=laboratory"),
        ("system/Patient.rs patient/Patient.rs openid", ""),
    ],
)
def test_a_request_is_cut_down_to_the_role(requested: str, result: str) -> None:
    role = parse_scopes("user/Patient.rs user/Observation.rs?category=laboratory")
    assert granted(requested, role) == result
