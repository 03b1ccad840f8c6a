"""Which changes become notifications: those that match, since the subscription began, that its author may read."""

import threading
from typing import Any

import pytest
from sqlalchemy import select, update

from fhir_lab.services import Services
from fhir_lab.storage.tables import outbox, subscription_state
from fhir_lab.storage.transaction import Entry
from fhir_lab.subscriptions import notify
from tests.support.subscribing import caller, create, delete, match, observation, queued, stored, subscription, write

URL = "http://127.0.0.1:9/"


def told(lab: Services) -> list[str]:
    """The focus of every notification."""
    return [focus for (focus,) in queued(lab, "focus")]


def begin(lab: Services, criteria: str = "Observation?status=final", **more: Any) -> None:
    create(lab, subscription(URL, criteria, **more))
    match(lab)


def states(lab: Services, *columns: str) -> list[tuple[Any, ...]]:
    with lab.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(*(subscription_state.c[name] for name in columns)))]


def empty(lab: Services) -> bool:
    with lab.database.read() as connection:
        return connection.execute(select(outbox.c.seq)).all() == []


def test_only_what_matches_is_told(lab: Services) -> None:
    begin(lab)
    create(lab, observation(id="a"))
    create(lab, observation(id="b", status="preliminary"))
    create(lab, {"resourceType": "Patient", "id": "c"})
    match(lab)
    assert told(lab) == ["Observation/a"]
    assert empty(lab)


def test_a_type_without_query_is_told_of_everything(lab: Services) -> None:
    begin(lab, "Patient")
    create(lab, {"resourceType": "Patient", "id": "c"})
    match(lab)
    assert told(lab) == ["Patient/c"]


def test_each_version_that_matches_is_told_and_a_delete_is_not(lab: Services) -> None:
    begin(lab)
    create(lab, observation(id="a", status="preliminary"))
    create(lab, observation(id="a"))
    create(lab, observation(id="a", note=[{"text": "seen"}]))
    delete(lab, "Observation", "a")
    match(lab)
    assert queued(lab, "focus", "version", "interaction") == [
        ("Observation/a", 2, "update"),
        ("Observation/a", 3, "update"),
    ]


def test_nothing_from_before_the_subscription_is_told_and_everything_after(lab: Services) -> None:
    create(lab, observation(id="before"))
    create(lab, subscription(URL))
    create(lab, observation(id="after"))
    match(lab)
    assert told(lab) == ["Observation/after"]


def test_one_transaction_may_subscribe_and_create(lab: Services) -> None:
    write(
        lab,
        Entry("PUT", "Observation", id="same", resource=observation(id="same")),
        Entry("POST", "Subscription", resource=subscription(URL)),
    )
    create(lab, observation(id="later"))
    match(lab)
    assert "Observation/later" in told(lab)


def test_an_off_or_deleted_subscription_is_told_nothing(lab: Services) -> None:
    begin(lab, id="s")
    create(lab, observation(id="a"))
    match(lab)
    create(lab, subscription(URL, id="s", status="off"))
    create(lab, observation(id="b"))
    match(lab)
    assert queued(lab, "focus", "state") == [("Observation/a", "dead")]
    begin(lab, id="t")
    delete(lab, "Subscription", "t")
    create(lab, observation(id="c"))
    match(lab)
    assert told(lab) == ["Observation/a"]


def test_a_new_endpoint_misses_nothing_that_was_not_matched_yet(lab: Services) -> None:
    begin(lab, id="s")
    create(lab, observation(id="a"))
    create(lab, subscription("http://127.0.0.1:10/", id="s"))
    create(lab, observation(id="b"))
    match(lab)
    assert told(lab) == ["Observation/a", "Observation/b"]


def test_numbers_have_no_gaps_and_go_on_for_each_subscription(lab: Services) -> None:
    begin(lab, "Observation?status=final", id="s")
    begin(lab, "Observation", id="t")
    for index in range(7):
        create(lab, observation(id=f"o{index}", status="final" if index % 2 else "preliminary"))
        if index == 3:
            match(lab)
            create(lab, subscription(URL, id="s"))
            match(lab)
    match(lab)
    assert queued(lab, "subscription_pk", "number", "focus") == sorted(
        [(queued(lab, "subscription_pk")[0][0], 1 + n, f"Observation/o{2 * n + 1}") for n in range(3)]
        + [(queued(lab, "subscription_pk")[-1][0], 1 + n, f"Observation/o{n}") for n in range(7)]
    )


def test_a_batch_is_no_limit(lab: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "BATCH", 3)
    monkeypatch.setattr(notify, "PASSES", 2)
    begin(lab)
    for index in range(20):
        create(lab, observation(id=f"o{index}"))
    match(lab)
    assert told(lab) == [f"Observation/o{index}" for index in range(20)]
    assert empty(lab)


def test_matchers_at_the_same_time_tell_each_change_once(lab: Services) -> None:
    begin(lab)
    for index in range(30):
        create(lab, observation(id=f"o{index}"))
    workers = [threading.Thread(target=match, args=(lab,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [number for (number,) in queued(lab, "number")] == list(range(1, 31))
    assert sorted(told(lab)) == sorted(f"Observation/o{index}" for index in range(30))


def test_only_what_the_author_may_read_is_told(lab: Services) -> None:
    for patient in ("1", "2"):
        create(lab, {"resourceType": "Patient", "id": patient})
    create(lab, subscription(URL, "Observation"), caller("user/Subscription.c patient/Observation.rs", patient="1"))
    create(lab, subscription(URL, "Observation"), caller("user/Subscription.c user/Observation.rs?status=final"))
    match(lab)
    for patient in ("1", "2"):
        for status in ("final", "preliminary"):
            more = {"id": f"{status}-{patient}", "status": status, "subject": {"reference": f"Patient/{patient}"}}
            create(lab, observation(**more))
    match(lab)
    assert told(lab) == [
        "Observation/final-1",
        "Observation/preliminary-1",
        "Observation/final-1",
        "Observation/final-2",
    ]


def test_criteria_that_can_no_longer_be_judged_do_not_stop_the_others(lab: Services) -> None:
    begin(lab, id="bad")
    begin(lab, id="good")
    first = min(pk for (pk,) in states(lab, "pk"))
    with lab.database.write() as connection:
        # As after an upgrade that took a search parameter away.
        gone = update(subscription_state).where(subscription_state.c.pk == first).values(criteria="Observation?gone=1")
        connection.execute(gone)
    create(lab, observation(id="a"))
    match(lab)
    assert told(lab) == ["Observation/a"]
    document = stored(lab, "Subscription", "bad")
    assert document["status"] == "off"
    assert "'gone'" in document["error"]
