"""Transactions of thousands of entries: they work, and an entry costs the same in a large one as in a small one."""

import time

import httpx

from tests.support.api import BASE, Api, Json
from tests.support.large import large_transaction


def timed(api: Api, bundle: Json) -> tuple[float, httpx.Response]:
    """Processor seconds of this process per entry, and the answer."""
    started = time.process_time()
    answered = api.post("", bundle)
    return (time.process_time() - started) / len(bundle["entry"]), answered


def test_five_thousand_linked_entries_are_stored_and_cost_as_much_each_as_five_hundred(api: Api) -> None:
    api.post("", large_transaction(100))  # definitions and statements are compiled once
    small = min(timed(api, large_transaction(500, offset=offset))[0] for offset in (1000, 2000, 3000))
    bundle = large_transaction(5000, offset=10_000)
    large, answered = timed(api, bundle)
    assert answered.status_code == 200, answered.text[:1000]
    responses = [entry["response"] for entry in answered.json()["entry"]]
    assert [response["status"] for response in responses] == ["201 Created"] * 5000
    assert api.get("/Patient?_summary=count").json()["total"] == 20 + 300 + 1000
    assert api.get("/Observation?_summary=count").json()["total"] == 80 + 1200 + 4000
    for index in (0, 2495, 4995):
        subject = responses[index]["location"].removeprefix(f"{BASE}/").split("/_history")[0]
        for result in range(1, 5):  # the last one refers to the patient by identifier
            found = api.get(responses[index + result]["location"]).json()
            assert found["subject"] == {"reference": subject}
    # If the cost of an entry grew with the number of the others, this would be ten.
    assert large < 2.5 * small


def test_updates_by_criteria_cost_as_much_each_in_a_large_transaction(api: Api) -> None:
    def updated(entries: int, offset: int) -> Json:
        bundle = large_transaction(entries, offset=offset)
        assert api.post("", bundle).status_code == 200
        for entry in bundle["entry"]:
            identifier = entry["resource"]["identifier"][0]
            entry["resource"]["language"] = "en"
            criteria = f"identifier={identifier['system']}|{identifier['value']}"
            entry["request"] = {"method": "PUT", "url": f"{entry['resource']['resourceType']}?{criteria}"}
        return bundle

    small = min(timed(api, updated(200, offset))[0] for offset in (0, 1000, 2000))
    large, answered = timed(api, updated(2000, 10_000))
    assert [entry["response"]["status"] for entry in answered.json()["entry"]] == ["200 OK"] * 2000
    assert large < 2.5 * small


def test_a_failure_at_the_end_of_a_large_transaction_stores_nothing(api: Api) -> None:
    bundle = large_transaction(1000)
    bundle["entry"][-1]["resource"]["subject"] = {"reference": "Patient/none"}
    refused = api.post("", bundle)
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[999].resource.subject.reference"]
    assert api.get("/Patient").json()["total"] == 0
