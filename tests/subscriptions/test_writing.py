"""Writing a Subscription: what is refused, with every error at once, and the status it starts with."""

from typing import Any

import pytest

from fhir_lab.outcomes import Forbidden, Unprocessable
from fhir_lab.services import Services
from tests.support.subscribing import caller, create, delete, match, stored, subscription

URL = "https://hooks.example.org/lab"


def refused(lab: Services, resource: dict[str, Any]) -> list[tuple[str, str]]:
    """(code, expression) of each issue."""
    with pytest.raises(Unprocessable) as told:
        create(lab, resource)
    return [(issue.code, issue.expression[0]) for issue in told.value.issues]


@pytest.mark.parametrize("status", ["requested", "active", "error"])
def test_a_new_subscription_is_requested_whatever_the_client_says(lab: Services, status: str) -> None:
    made = create(lab, subscription(URL, status=status, error="of the client"))
    document = stored(lab, "Subscription", made.id)
    assert document["status"] == "requested"
    assert "error" not in document


def test_a_new_subscription_may_be_off(lab: Services) -> None:
    made = create(lab, subscription(URL, status="off"))
    match(lab)
    assert stored(lab, "Subscription", made.id)["status"] == "off"


@pytest.mark.parametrize(
    "criteria",
    [
        "",
        "?status=final",
        "Observations?status=final",
        "Observation/1",
        "Resource?_id=1",
        "http://example.org/topic",
        "Observation?stat=final",
        "Observation?status:wrong=final",
        "Observation?date=yesterday",
        "Observation?subject:Patient.name=a",
        "Observation?subject.name=a",
        "Patient?_has:Observation:subject:code=1",
    ],
)
def test_criteria_that_cannot_be_judged_are_refused(lab: Services, criteria: str) -> None:
    resource = subscription(URL, criteria or " ")
    assert refused(lab, resource) == [("value", "Subscription.criteria")]


@pytest.mark.parametrize(
    "criteria",
    ["Observation", "Observation?", "Observation?status=final&code=http://loinc.org|718-7", "Patient?name=a,b"],
)
def test_criteria_that_can_be_judged_are_taken(lab: Services, criteria: str) -> None:
    assert create(lab, subscription(URL, criteria)).status == 201


@pytest.mark.parametrize(
    ("channel", "where"),
    [
        ({"type": "websocket"}, [("not-supported", "Subscription.channel.type")]),
        ({"type": "email"}, [("not-supported", "Subscription.channel.type")]),
        ({"endpoint": "http://hooks.example.com:0/"}, [("value", "Subscription.channel.endpoint")]),
        ({"endpoint": "https://10.0.0.1/"}, [("value", "Subscription.channel.endpoint")]),
        ({"endpoint": "https://169.254.169.254/latest/meta-data"}, [("value", "Subscription.channel.endpoint")]),
        ({"endpoint": "ftp://example.org/"}, [("value", "Subscription.channel.endpoint")]),
        ({"payload": "application/fhir+xml"}, [("not-supported", "Subscription.channel.payload")]),
        ({"payload": "text/plain"}, [("not-supported", "Subscription.channel.payload")]),
        (
            {"header": ["Authorization: Bearer x", "no colon", "Host: other", "Content-Length: 1", "a b: c"]},
            [("value", f"Subscription.channel.header[{index}]") for index in (1, 2, 3, 4)],
        ),
    ],
)
def test_a_channel_that_cannot_be_served_is_refused(lab: Services, channel: Any, where: Any) -> None:
    assert refused(lab, subscription(URL, channel=channel)) == where


def test_a_channel_without_endpoint_is_refused(lab: Services) -> None:
    resource = subscription(URL)
    del resource["channel"]["endpoint"]
    assert refused(lab, resource) == [("required", "Subscription.channel.endpoint")]


def test_plain_http_is_refused_where_the_operator_allows_nothing(services: Services) -> None:
    assert refused(services, subscription("http://hooks.example.org/")) == [("value", "Subscription.channel.endpoint")]


def test_every_error_is_told_at_once(lab: Services) -> None:
    broken = subscription("ftp://x", "Observatoin?status=final", channel={"type": "sms", "payload": "text/plain"})
    assert refused(lab, broken) == [
        ("value", "Subscription.criteria"),
        ("not-supported", "Subscription.channel.type"),
        ("value", "Subscription.channel.endpoint"),
        ("not-supported", "Subscription.channel.payload"),
    ]


def test_nobody_subscribes_to_what_they_may_not_read(lab: Services) -> None:
    who = caller("user/Subscription.cruds user/Patient.rs")
    with pytest.raises(Forbidden):
        create(lab, subscription(URL, "Observation?status=final"), who)
    assert create(lab, subscription(URL, "Patient?name=a"), who).status == 201


def test_a_change_of_something_else_leaves_an_active_subscription_active(lab: Services) -> None:
    made = create(lab, subscription("http://127.0.0.1:9/", id="s"))
    match(lab)
    active = stored(lab, "Subscription", made.id)
    assert active["status"] == "active"
    create(lab, active | {"reason": "another"})
    match(lab)
    assert stored(lab, "Subscription", "s") | {"meta": 0} == active | {"reason": "another", "meta": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"criteria": "Observation?status=amended"},
        {"channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1:10/"}},
        {"end": "2099-01-01T00:00:00Z"},
        {"status": "requested"},
    ],
)
def test_new_terms_ask_for_the_subscription_anew(lab: Services, change: Any) -> None:
    create(lab, subscription("http://127.0.0.1:9/", id="s"))
    match(lab)
    create(lab, stored(lab, "Subscription", "s") | change)
    assert stored(lab, "Subscription", "s")["status"] == "requested"
    match(lab)
    assert stored(lab, "Subscription", "s")["status"] == "active"


def test_an_endpoint_whose_name_leads_into_the_network_goes_to_error(services: Services) -> None:
    create(services, subscription("https://localhost:9/", id="s"))
    match(services)
    document = stored(services, "Subscription", "s")
    assert document["status"] == "error"
    assert "not on the public internet" in document["error"]


def test_a_deleted_subscription_can_be_written_again(lab: Services) -> None:
    create(lab, subscription("http://127.0.0.1:9/", id="s"))
    match(lab)
    delete(lab, "Subscription", "s")
    match(lab)
    create(lab, subscription("http://127.0.0.1:9/", id="s"))
    match(lab)
    assert stored(lab, "Subscription", "s")["status"] == "active"
