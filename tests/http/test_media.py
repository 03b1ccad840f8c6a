"""Accept, _format and Content-Type, as RFC 9110 and FHIR read them."""

import pytest

from fhir_lab.http.media import check_accept, check_form, check_format, check_json
from fhir_lab.outcomes import NotAcceptable, UnsupportedMediaType


@pytest.mark.parametrize(
    "header",
    [
        "",
        "*/*",
        "application/*",
        "application/json",
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
        "application/fhir+json;q=0.8, */*; q=0.1",
        "application/fhir+xml, application/fhir+json;q=0.1",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/json;q=0, */*",
        "APPLICATION/JSON",
    ],
)
def test_an_accept_header_that_lets_json_through_is_accepted(header: str) -> None:
    check_accept(header)


@pytest.mark.parametrize(
    "header",
    [
        "application/fhir+xml",
        "text/html",
        "text/turtle, application/fhir+xml;q=0.5",
        "application/fhir+json;q=0, application/json;q=0",
        "application/fhir+json;q=0.000, application/json;q=0, */*;q=0",
        "application/fhir+json; fhirVersion=3.0",
        "application/json;q=nonsense",
    ],
)
def test_an_accept_header_without_json_is_refused_and_told_what_is_possible(header: str) -> None:
    with pytest.raises(NotAcceptable, match="application/fhir\\+json"):
        check_accept(header)


@pytest.mark.parametrize(
    "value",
    [
        "json",
        "application/json",
        "application/fhir+json",
        "application/fhir json",
        "text/json",
        "application/json+fhir",
    ],
)
def test_format_takes_every_synonym_of_json_and_a_blank_for_the_plus(value: str) -> None:
    check_format(value)


@pytest.mark.parametrize("value", ["xml", "application/fhir+xml", "ttl", "html", "jsn"])
def test_format_refuses_what_cannot_be_produced(value: str) -> None:
    with pytest.raises(NotAcceptable):
        check_format(value)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "application/fhir+json",
        "application/json; charset=UTF-8",
        "text/json",
        "application/fhir+json; fhirVersion=4.0",
    ],
)
def test_a_json_body_may_be_declared_in_several_ways(header: str) -> None:
    check_json(header)


@pytest.mark.parametrize(
    "header",
    [
        "application/fhir+xml",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=latin-1",
        "application/fhir+json; fhirVersion=5.0",
    ],
)
def test_another_content_type_is_refused(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        check_json(header)


def test_a_search_by_post_takes_only_a_form() -> None:
    check_form("application/x-www-form-urlencoded; charset=utf-8")
    with pytest.raises(UnsupportedMediaType):
        check_form("application/json")
