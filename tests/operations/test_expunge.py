"""$expunge: gone for good, and nothing else is."""

from typing import Any

import pytest
from sqlalchemy import select

from fhir_lab.storage.tables import audit_event, change, outbox, resource, resource_history
from fhir_lab.subscriptions.notify import match_changes
from tests.support.api import Api, Json, observation, patient
from tests.support.subscribing import subscription


def asked(api: Api, path: str, **flags: Any) -> Any:
    kinds = {bool: "valueBoolean", int: "valueInteger"}
    parts = [{"name": name, kinds[type(value)]: value} for name, value in flags.items()]
    return api.post(f"{path}/$expunge", {"resourceType": "Parameters", "parameter": parts})


def answer(api: Api, path: str, **flags: Any) -> dict[str, int]:
    response = asked(api, path, **flags)
    assert response.status_code == 200, response.text
    return {each["name"]: each["valueInteger"] for each in response.json()["parameter"]}


def gone(api: Api, path: str = "", **flags: Any) -> int:
    response = asked(api, path, **flags)
    assert response.status_code == 200, response.text
    count: int = response.json()["parameter"][0]["valueInteger"]
    return count


@pytest.fixture
def stored(api: Api) -> Api:
    """Patient a with three versions, b deleted with two, and an Observation with two."""
    for born in ("1970", "1971", "1972"):
        api.put("/Patient/a", patient("a", birthDate=born))
    api.put("/Patient/b", patient("b"))
    api.delete("/Patient/b")
    api.put("/Observation/o", observation("Patient/a", id="o"))
    api.put("/Observation/o", observation("Patient/a", id="o", status="amended"))
    while match_changes(api.services):
        pass
    return api


def test_a_deleted_resource_is_gone_with_its_history(stored: Api) -> None:
    assert gone(stored, "/Patient/b", expungeDeletedResources=True) == 2
    assert stored.get("/Patient/b").status_code == 404
    assert stored.get("/Patient/b/_history").status_code == 404
    assert stored.get("/Patient/_history").json()["total"] == 3
    with stored.services.database.read() as connection:
        for table in (resource, resource_history, change):
            key = table.c.resource_pk if "resource_pk" in table.c else table.c.pk
            assert len({row[0] for row in connection.execute(select(key))}) <= 2
    assert stored.put("/Patient/b", patient("b")).headers["etag"] == 'W/"1"'


def test_a_resource_that_is_not_deleted_stays(stored: Api) -> None:
    assert gone(stored, "/Patient/a", expungeDeletedResources=True) == 0
    assert stored.get("/Patient/a").json()["birthDate"] == "1972"


def test_earlier_versions_go_and_the_current_one_stays(stored: Api) -> None:
    assert gone(stored, "/Patient/a", expungePreviousVersions=True) == 2
    assert stored.get("/Patient/a").json()["meta"]["versionId"] == "3"
    assert stored.get("/Patient/a/_history/1").status_code == 404
    history = stored.get("/Patient/a/_history").json()
    assert (history["total"], [entry["response"]["etag"] for entry in history["entry"]]) == (1, ['W/"3"'])
    assert stored.put("/Patient/a", patient("a", birthDate="1973")).headers["etag"] == 'W/"4"'


def test_a_type_or_everything_at_once_up_to_a_limit(stored: Api) -> None:
    assert gone(stored, "/Patient", expungePreviousVersions=True, expungeDeletedResources=True) == 4
    assert stored.get("/Observation/o/_history").json()["total"] == 2
    assert gone(stored, "", expungePreviousVersions=True, limit=1) == 1
    assert gone(stored, "", expungePreviousVersions=True) == 0


def test_the_audit_trail_keeps_that_it_was_done(stored: Api) -> None:
    gone(stored, "/Patient/b", expungeDeletedResources=True)
    with stored.services.database.read() as connection:
        rows = connection.execute(
            select(audit_event.c.agent, audit_event.c.action, audit_event.c.type, audit_event.c.resource_id).where(
                audit_event.c.interaction == "expunge"
            )
        ).all()
    assert [tuple(row) for row in rows] == [("tester", "D", "Patient", "b")]


def test_what_subscribers_are_still_to_be_told_of_waits_and_the_answer_says_so(api: Api) -> None:
    assert api.post("/Subscription", subscription("https://a.example/in", "Patient?gender=male")).status_code == 201
    api.put("/Patient/b", patient("b"))
    api.put("/Patient/b", patient("b", birthDate="1970"))
    assert answer(api, "/Patient/b", expungePreviousVersions=True) == {"count": 0, "waiting": 1}
    api.put("/Basic/b", {"resourceType": "Basic", "id": "b", "code": {"text": "x"}})
    for path in ("/Patient/b", "/Basic/b"):
        assert api.delete(path).status_code == 200
    assert answer(api, "/Patient/b", expungeDeletedResources=True) == {"count": 0, "waiting": 1}
    assert answer(api, "", expungeDeletedResources=True) == {"count": 2, "waiting": 1}
    assert [api.get(path).status_code for path in ("/Patient/b", "/Basic/b")] == [410, 404]
    while match_changes(api.services):
        pass
    assert answer(api, "/Patient/b", expungeDeletedResources=True) == {"count": 3}


def test_nothing_waits_where_no_subscriber_listens(api: Api) -> None:
    assert api.post("/Subscription", subscription("https://a.example/in", "Observation?_id=b")).status_code == 201
    for born in ("1970", "1971"):
        for name in ("a", "b"):
            api.put(f"/Patient/{name}", patient(name, birthDate=born))
    api.delete("/Patient/b")
    assert answer(api, "/Patient/a", expungePreviousVersions=True) == {"count": 1}
    assert answer(api, "/Patient/b", expungeDeletedResources=True) == {"count": 3}
    with api.services.database.read() as connection:
        queued, fed = (set(connection.scalars(select(table.c.seq))) for table in (outbox, change))
    assert queued <= fed


@pytest.mark.parametrize("scopes", ["user/Patient.rs", "user/Patient.crus", "user/Patient.cruds?gender=male"])
def test_it_is_for_those_who_may_delete_everything_of_the_type(stored: Api, scopes: str) -> None:
    assert asked(stored.scoped(scopes), "/Patient/b", expungeDeletedResources=True).status_code == 403
    assert (
        asked(stored.scoped("patient/*.cruds", patient="a"), "/Patient/a", expungePreviousVersions=True).status_code
        == 403
    )
    assert asked(stored.scoped("user/Patient.cruds"), "", expungeDeletedResources=True).status_code == 403
    assert gone(stored.scoped("user/Patient.cruds"), "/Patient", expungeDeletedResources=True) == 2


def test_it_must_be_said_what_shall_go(stored: Api) -> None:
    nothing: Json = {}
    assert asked(stored, "/Patient/a", **nothing).status_code == 400
    assert asked(stored, "/Patient/a", expungeDeletedResources=False).status_code == 400
    assert asked(stored, "/Patient/a", expungeEverything=True).status_code == 400
