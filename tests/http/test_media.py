"""Accept, _format and Content-Type, as RFC 9110 and FHIR read them."""

import pytest

from fhir_lab.http.media import (
    JSON,
    NATIVE,
    XML,
    accepted,
    accepted_of_binary,
    check_form,
    is_fhir,
    named,
    sent,
)
from fhir_lab.outcomes import NotAcceptable, UnsupportedMediaType


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", JSON),
        ("  ", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("application/*", JSON),
        ("text/*", JSON),
        ("application/json", JSON),
        ("application/fhir+json", JSON),
        ("application/json+fhir", JSON),
        ("text/json", JSON),
        ("application/fhir+json; fhirVersion=4.0", JSON),
        ("application/fhir+json; fhirVersion=4.0.1; charset=utf-8", JSON),
        ("application/fhir+json;q=0.8, */*; q=0.1", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("application/json;q=0, */*", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/fhir+xml", XML),
        ("application/xml", XML),
        ("text/xml", XML),
        ("application/xml+fhir", XML),
        ("Application/FHIR+XML; charset=utf-8", XML),
        ("application/fhir+xml; fhirVersion=4.0", XML),
        ("application/fhir+xml, application/fhir+json;q=0.1", XML),
        ("application/fhir+json;q=0.1, application/fhir+xml", XML),
        ("application/fhir+xml;q=0.1, application/fhir+json;q=0.2", JSON),
        ("application/fhir+xml;q=0.9, application/json;q=0.8, */*;q=0.1", XML),
        ("application/fhir+xml, */*", XML),
        ("*/*, application/fhir+xml", XML),
        ("*/*, application/fhir+xml;q=0.5", JSON),
        ("application/fhir+json, application/fhir+xml", JSON),
        ("application/fhir+xml, application/fhir+json", XML),
        ("application/fhir+json;q=0, application/json;q=0, text/json;q=0, application/json+fhir;q=0, */*", XML),
        ("application/fhir+xml; fhirVersion=3.0, application/fhir+json; fhirVersion=4.0", JSON),
        ("text/turtle, application/fhir+xml;q=0.5", XML),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", XML),
    ],
)
def test_the_format_that_an_accept_header_prefers(header: str, form: str) -> None:
    assert accepted(header) == form


@pytest.mark.parametrize(
    "header",
    [
        "text/html",
        "text/turtle",
        "application/fhir+turtle",
        "image/*",
        "application/fhir+json;q=0, application/json;q=0",
        "application/fhir+json;q=0.000, application/json;q=0, */*;q=0",
        "*/*;q=0",
        "application/fhir+json; fhirVersion=3.0",
        "application/fhir+xml; fhirVersion=5.0",
        "application/json;q=nonsense",
        "application/json;q=nan",
        "application/foobar",
    ],
)
def test_an_accept_header_without_a_format_of_fhir_is_refused_and_told_what_is_possible(header: str) -> None:
    with pytest.raises(NotAcceptable, match="application/fhir\\+json or application/fhir\\+xml"):
        accepted(header)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("json", JSON),
        ("application/json", JSON),
        ("application/fhir+json", JSON),
        ("application/fhir json", JSON),
        ("text/json", JSON),
        ("application/json+fhir", JSON),
        ("application/fhir+json; fhirVersion=4.0", JSON),
        ("*/*", JSON),
        ("xml", XML),
        ("text/xml", XML),
        ("application/xml", XML),
        ("application/fhir+xml", XML),
        ("application/fhir xml", XML),
        ("application/xml+fhir", XML),
    ],
)
def test_format_takes_every_synonym_and_a_blank_for_the_plus(value: str, form: str) -> None:
    assert named(value) == form


@pytest.mark.parametrize(
    "value", ["ttl", "text/turtle", "turtle", "html", "jsn", "application/foobar", "xml; fhirVersion=3.0"]
)
def test_format_refuses_what_cannot_be_produced(value: str) -> None:
    with pytest.raises(NotAcceptable):
        named(value)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", JSON),
        ("application/fhir+json", JSON),
        ("application/json; charset=UTF-8", JSON),
        ("text/json", JSON),
        ("application/fhir+json; fhirVersion=4.0", JSON),
        ("application/fhir+xml", XML),
        ("application/xml; charset=utf-8", XML),
        ('text/xml; charset="utf-8"', XML),
        ("application/xml+fhir", XML),
    ],
)
def test_a_body_may_be_declared_in_several_ways(header: str, form: str) -> None:
    assert sent(header) == form


@pytest.mark.parametrize(
    "header",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/turtle",
        "*/*",
        "application/json; charset=latin-1",
        "application/fhir+xml; charset=utf-16",
        "application/fhir+json; fhirVersion=5.0",
        "application/fhir+xml; fhirVersion=3.0",
    ],
)
def test_another_content_type_is_refused(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        sent(header)


def test_a_search_by_post_takes_only_a_form() -> None:
    check_form("application/x-www-form-urlencoded; charset=utf-8")
    with pytest.raises(UnsupportedMediaType):
        check_form("application/json")


@pytest.mark.parametrize(
    ("header", "content_type", "form"),
    [
        ("", "application/pdf", NATIVE),
        ("*/*", "application/pdf", NATIVE),
        ("application/pdf", "application/pdf", NATIVE),
        ("text/*", "text/plain; charset=utf-8", NATIVE),
        ("application/json", "application/json", NATIVE),
        ("application/json", "application/pdf", JSON),
        ("application/fhir+json", "application/pdf", JSON),
        ("application/fhir+xml, */*;q=0.5", "application/pdf", XML),
        ("application/fhir+json;q=0.5, application/pdf", "application/pdf", NATIVE),
        ("application/fhir+json, application/pdf;q=0.5", "application/pdf", JSON),
        ("application/fhir+json, */*", "application/pdf", JSON),
        ("application/fhir+json", "application/fhir+json", JSON),
        ("application/fhir+xml", "application/fhir+json", XML),
        ("image/png, application/json;q=0.1", "application/pdf", JSON),
    ],
)
def test_a_binary_is_answered_as_what_it_holds_unless_fhir_is_asked_for(
    header: str, content_type: str, form: str
) -> None:
    assert accepted_of_binary(header, content_type) == form


def test_a_binary_of_another_kind_than_is_accepted_is_refused() -> None:
    with pytest.raises(NotAcceptable, match="application/pdf, application/fhir"):
        accepted_of_binary("image/png", "application/pdf")


def test_what_may_be_fhir_and_what_is_content() -> None:
    assert [is_fhir(header) for header in ("", "application/json", "text/xml; charset=utf-8")] == [True] * 3
    assert [is_fhir(header) for header in ("application/pdf", "text/plain", "application/octet-stream")] == [False] * 3
