"""Delivery by rest-hook: in order, at least once, with longer and longer pauses, and never beyond what was allowed."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from fhir_lab.clock import from_micros
from fhir_lab.services import Services
from fhir_lab.storage import notifications
from fhir_lab.subscriptions import deliver as delivery
from fhir_lab.subscriptions import status
from fhir_lab.subscriptions.deliver import BACKOFF_SECONDS, deliver
from tests.support.receiver import Receiver
from tests.support.subscribing import (
    caller,
    create,
    delete,
    deliver_due,
    match,
    observation,
    queued,
    run,
    stored,
    subscription,
)

FHIR = "application/fhir+json"


def begin(lab: Services, receiver: Receiver, **more: Any) -> None:
    """An active subscription `s` on final Observations, with the clock standing still."""
    lab.clock.set(from_micros(lab.clock.now()))
    create(lab, subscription(f"{receiver.url}/hook", id="s", **more))
    match(lab)


def results(lab: Services, *names: str) -> None:
    for name in names:
        create(lab, observation(id=name))


def pass_by(lab: Services, seconds: float) -> None:
    lab.clock.advance(timedelta(seconds=seconds))


def test_without_payload_the_receiver_gets_an_empty_post(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver, channel={"header": ["Authorization: Bearer abc  def", "X-Two:2"]})
    results(lab, "a")
    run(lab)
    (got,) = receiver.got
    assert (got.method, got.path, got.body) == ("POST", "/hook", b"")
    assert got.headers["authorization"] == "Bearer abc  def"
    assert got.headers["x-two"] == "2"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert "content-type" not in got.headers
    assert queued(lab, "state", "attempts", "error") == [("delivered", 1, None)]


def test_with_payload_the_receiver_gets_the_version_that_matched(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver, channel={"payload": FHIR})
    create(lab, observation(id="a", valueQuantity={"value": 6.5}))
    first = stored(lab, "Observation", "a")
    create(lab, observation(id="a", status="preliminary"))
    run(lab)
    (got,) = receiver.got
    assert got.headers["content-type"] == FHIR
    assert got.body.decode().startswith('{"resourceType":"Observation","id":"a","meta":{"versionId":"1"')
    assert b'"value":6.5' in got.body
    assert first["meta"]["versionId"] == "1"


def test_the_order_is_that_of_the_changes(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver, channel={"payload": FHIR})
    results(lab, *"abcdefg")
    run(lab)
    assert [got.body.split(b'"id":"')[1][:1].decode() for got in receiver.got] == list("abcdefg")
    assert queued(lab, "number", "state") == [(number, "delivered") for number in range(1, 8)]


def test_a_failed_one_is_repeated_before_the_next_is_sent(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver, channel={"payload": FHIR})
    receiver.answers = [500, 503]
    results(lab, "a", "b")
    run(lab)
    assert len(receiver.got) == 1
    assert queued(lab, "state", "attempts", "error") == [
        ("waiting", 1, "The receiver answered 500; 2xx is needed."),
        ("waiting", 0, None),
    ]
    deliver_due(lab)
    assert len(receiver.got) == 1
    pass_by(lab, BACKOFF_SECONDS[0])
    run(lab)
    assert len(receiver.got) == 2
    pass_by(lab, BACKOFF_SECONDS[1])
    run(lab)
    assert [got.body.split(b'"id":"')[1][:1] for got in receiver.got] == [b"a", b"a", b"a", b"b"]
    assert queued(lab, "state", "attempts", "error") == [("delivered", 3, None), ("delivered", 1, None)]


def test_after_the_last_attempt_the_subscription_is_in_error_until_the_client_asks_again(
    lab: Services, receiver: Receiver
) -> None:
    begin(lab, receiver)
    receiver.answers = [500] * (len(BACKOFF_SECONDS) + 1)
    results(lab, "a", "b")
    for pause in (0, *BACKOFF_SECONDS):
        pass_by(lab, pause)
        run(lab)
    assert len(receiver.got) == len(BACKOFF_SECONDS) + 1
    assert queued(lab, "state", "attempts") == [("dead", len(BACKOFF_SECONDS) + 1), ("waiting", 0)]
    document = stored(lab, "Subscription", "s")
    assert (document["status"], document["error"]) == ("error", "The receiver answered 500; 2xx is needed.")
    results(lab, "c")
    pass_by(lab, 100_000)
    run(lab)
    assert len(receiver.got) == len(BACKOFF_SECONDS) + 1
    create(lab, document | {"status": "requested"})
    run(lab)
    assert queued(lab, "number", "focus", "state") == [
        (1, "Observation/a", "dead"),
        (2, "Observation/b", "delivered"),
        (3, "Observation/c", "delivered"),
    ]
    document = stored(lab, "Subscription", "s")
    assert document["status"] == "active"
    assert "error" not in document


def test_a_redirect_is_not_followed(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver)
    receiver.answers = [302]
    results(lab, "a")
    run(lab)
    assert [got.path for got in receiver.got] == ["/hook"]
    assert queued(lab, "state", "error") == [("waiting", "The receiver answered 302; 2xx is needed.")]


def test_a_receiver_that_does_not_answer_in_time_is_tried_again(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver)
    receiver.delay = 1.5
    results(lab, "a")
    run(lab)
    assert queued(lab, "state", "error") == [("waiting", "The receiver did not answer in time.")]


def test_a_receiver_that_is_away_is_tried_again(lab: Services) -> None:
    create(lab, subscription("http://127.0.0.1:9/"))
    match(lab)
    results(lab, "a")
    run(lab)
    assert queued(lab, "state", "error") == [("waiting", "The receiver could not be reached: ConnectError.")]


def test_a_receiver_that_is_no_longer_allowed_gets_nothing(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver)
    results(lab, "a")
    match(lab)
    strict = Services(lab.settings.model_copy(update={"outbound_allow": ()}), lab.clock)
    deliver_due(strict)
    strict.close()
    assert receiver.got == []
    ((state, error),) = queued(lab, "state", "error")
    assert state == "waiting"
    assert "not on the public internet" in error


@pytest.mark.parametrize("end", ["off", "deleted"])
def test_nothing_is_sent_once_the_subscription_has_ended(lab: Services, receiver: Receiver, end: str) -> None:
    begin(lab, receiver)
    results(lab, "a")
    match(lab)
    if end == "off":
        create(lab, stored(lab, "Subscription", "s") | {"status": "off"})
    else:
        delete(lab, "Subscription", "s")
    run(lab)
    assert receiver.got == []
    assert queued(lab, "state") == [("dead",)]


def test_the_end_of_a_subscription_switches_it_off(lab: Services, receiver: Receiver) -> None:
    ends = from_micros(lab.clock.now()) + timedelta(hours=1)
    begin(lab, receiver, end=ends.isoformat())
    status.retire(lab)
    assert stored(lab, "Subscription", "s")["status"] == "active"
    pass_by(lab, 3600)
    status.retire(lab)
    assert stored(lab, "Subscription", "s")["status"] == "off"


def test_a_subscription_in_error_for_a_week_is_switched_off(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver)
    receiver.answers = [500] * 100
    results(lab, "a")
    for pause in (0, *BACKOFF_SECONDS):
        pass_by(lab, pause)
        run(lab)
    pass_by(lab, 7 * 24 * 3600 - 1)
    status.retire(lab)
    assert stored(lab, "Subscription", "s")["status"] == "error"
    pass_by(lab, 2)
    status.retire(lab)
    assert stored(lab, "Subscription", "s")["status"] == "off"


def test_what_the_author_may_no_longer_read_is_not_sent_and_does_not_stop_the_rest(
    lab: Services, receiver: Receiver
) -> None:
    for patient in ("1", "2"):
        create(lab, {"resourceType": "Patient", "id": patient})
    who = caller("user/Subscription.cruds patient/Observation.rs", patient="1")
    create(lab, subscription(f"{receiver.url}/hook", "Observation", channel={"payload": FHIR}), who)
    match(lab)
    for name in ("a", "b"):
        create(lab, observation(id=name, subject={"reference": "Patient/1"}))
    match(lab)
    create(lab, observation(id="a", subject={"reference": "Patient/2"}))
    run(lab)
    assert [got.body.split(b'"id":"')[1][:1] for got in receiver.got] == [b"b"]
    assert queued(lab, "focus", "state") == [("Observation/a", "dead"), ("Observation/b", "delivered")]


def test_workers_at_the_same_time_send_each_once_and_in_order(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver, channel={"payload": FHIR})
    names = [f"r{index:02d}" for index in range(20)]
    results(lab, *names)
    match(lab)
    workers = [threading.Thread(target=deliver_due, args=(lab,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [got.body.split(b'"id":"')[1][:3].decode() for got in receiver.got] == names


def test_a_run_leaves_a_turn_to_others(lab: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RUN", 3)
    begin(lab, receiver)
    results(lab, *"abcde")
    match(lab)
    pk = queued(lab, "subscription_pk")[0][0]
    assert deliver(lab, pk) is True
    assert len(receiver.got) == 3
    assert deliver(lab, pk) is False
    assert len(receiver.got) == 5
    assert [state for (state,) in queued(lab, "state")] == ["delivered"] * 5


def test_a_worker_that_died_while_sending_is_replaced_when_its_lease_ends(lab: Services, receiver: Receiver) -> None:
    begin(lab, receiver)
    results(lab, "a")
    match(lab)
    pk = queued(lab, "subscription_pk")[0][0]
    now = lab.clock.now()
    dead = lab.database.transact(lambda c: notifications.lease(c, pk, now=now, until=now + 5_000_000))
    assert dead is not None
    run(lab)
    assert receiver.got == []
    pass_by(lab, 5)
    run(lab)
    assert len(receiver.got) == 1
    assert lab.database.transact(lambda c: notifications.hold(c, dead, now)) is False
