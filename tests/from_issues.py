"""What the users of other servers complain about, replayed against this one. Each test names the threads it answers.

The numbers are those of the project's list of pains; the threads are at GitHub.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fhir_lab.app import create_app
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from tests.support.client import Client

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Lindqvist"}], "birthDate": "1961-04-30"}


@pytest.fixture
def client(services: Services) -> Client:
    """A client with every scope."""
    token = issue(services, subject="tester", scopes="system/*.cruds")
    return Client(create_app(services=services), token)


def observation(code: str = "718-7", **more: Any) -> dict[str, Any]:
    concept = {"coding": [{"system": LOINC, "code": code}]}
    subject = {"reference": "Patient/p"}
    return {"resourceType": "Observation", "status": "final", "code": concept, "subject": subject} | more


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def put(client: Client, resource: dict[str, Any]) -> None:
    answer = client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


def ids(client: Client, query: str) -> list[str]:
    answer = client.get(query)
    assert answer.status_code == 200, answer.text
    found = [entry for entry in answer.json().get("entry", []) if entry["search"]["mode"] != "outcome"]
    return [entry["resource"]["id"] for entry in found]


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def test_1_clients_that_create_the_same_thing_at_once_make_one(client: Client) -> None:
    """hapifhir/hapi-fhir#3141 #4597, hapi-fhir-jpaserver-starter#459 #826"""
    body = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "9"}]}

    def create(_: int) -> tuple[int, str]:
        answer = client.post("Patient", json=body, headers={"If-None-Exist": "identifier=urn:mrn|9"})
        return answer.status_code, answer.headers["Location"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(24)))
    assert sorted(status for status, _ in answers) == [200] * 23 + [201]
    assert len({location for _, location in answers}) == 1


def test_2_a_transaction_answers_every_entry_even_those_that_look_alike(client: Client) -> None:
    """hapifhir/hapi-fhir#8183"""
    entry = {"resource": PATIENT | {"id": "x"}, "request": {"method": "POST", "url": "Patient"}}
    answer = client.post("", json=transaction(entry, entry))
    locations = {item["response"]["location"] for item in answer.json()["entry"]}
    assert len(locations) == 2


def test_3_a_large_transaction_is_one_transaction(client: Client) -> None:
    """medplum/medplum#7045, pull 9811, pull 9477"""
    entries = [{"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}} for _ in range(300)]
    broken = {"resource": PATIENT | {"gender": "banana"}, "request": {"method": "POST", "url": "Patient"}}
    refused = client.post("", json=transaction(*entries, broken))
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[300].resource.gender"]
    assert client.get("Patient?_summary=count").json()["total"] == 0
    assert client.post("", json=transaction(*entries)).status_code == 200
    assert client.get("Patient?_summary=count").json()["total"] == 300


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"channel": {"type": "rest-hook", "payload": "application/fhir+json"}}, "Subscription.channel"),
        ({"criteria": "Observations?code=1"}, "Subscription.criteria"),
        ({"criteria": "Observation?colour=red"}, "Subscription.criteria"),
    ],
)
def test_5_and_6_a_subscription_that_could_never_fire_is_refused(
    client: Client, change: dict[str, Any], where: str
) -> None:
    """hapifhir/hapi-fhir#675, medplum/medplum#2400, hapi-fhir-jpaserver-starter#964"""
    subscription = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "new results",
        "criteria": "Observation?status=final",
        "channel": {"type": "rest-hook", "endpoint": "https://ehr.example/hook", "payload": "application/fhir+json"},
    }
    assert client.post("Subscription", json=subscription).status_code == 201
    refused = client.post("Subscription", json=subscription | change)
    assert refused.status_code in (400, 422)
    assert refused.json()["issue"][0]["expression"][0].startswith(where)


def test_9_a_search_sees_what_was_written_a_moment_ago(client: Client) -> None:
    """hapifhir/hapi-fhir#647 #2277 #1389 #1929"""
    for family in ("Ek", "Alm", "Gran"):
        put(client, PATIENT | {"name": [{"family": family}]})
        assert ids(client, f"Patient?family={family}") == ["p"]
    assert ids(client, "Patient?family=Ek") == []


def test_10_paging_neither_repeats_nor_loses_while_others_write(client: Client) -> None:
    """hapifhir/hapi-fhir#616 #6549 #4027 #1300 #5237 #5599 #3780"""
    put(client, PATIENT)
    for number in range(9):
        put(client, observation(id=f"o{number}", effectiveDateTime=f"2026-01-0{number + 1}"))
    answer, seen = client.get("Observation?_sort=-date&_count=2").json(), []
    while True:
        seen += [entry["resource"]["id"] for entry in answer["entry"]]
        put(client, observation(id=f"later{len(seen)}", effectiveDateTime="2026-02-01"))
        links = {link["relation"]: link["url"] for link in answer["link"]}
        if "next" not in links:
            break
        answer = client.get(links["next"]).json()
    assert seen == [f"o{number}" for number in range(8, -1, -1)]


def test_11_links_show_the_public_url_whatever_host_the_request_came_to(client: Client, services: Services) -> None:
    """microsoft/fhir-server#1317 #1080, hapifhir/hapi-fhir#2885, samply/blaze#330, opensrp/fhircore#1714"""
    put(client, PATIENT)
    answer = client.get("Patient", headers={"Host": "10.0.0.7:8080", "X-Forwarded-Host": "evil.example"}).json()
    urls = [link["url"] for link in answer["link"]] + [entry["fullUrl"] for entry in answer["entry"]]
    assert all(url.startswith(services.settings.fhir_base + "/Patient") for url in urls)


def test_12_a_misspelt_parameter_is_an_error_that_names_the_right_one(client: Client) -> None:
    """microsoft/fhir-server#1050, LinuxForHealth/FHIR#1952"""
    put(client, PATIENT)
    refused = client.get("Patient?famly=Lindqvist")
    assert refused.status_code == 400
    assert "'family'" in refused.json()["issue"][0]["details"]["text"]
    lenient = client.get("Patient?famly=Lindqvist", headers={"Prefer": "handling=lenient"}).json()
    assert "famly" not in next(link["url"] for link in lenient["link"] if link["relation"] == "self")
    assert [entry["search"]["mode"] for entry in lenient["entry"]] == ["match", "outcome"]


def test_14_a_component_search_pairs_code_and_value_within_one_component(client: Client) -> None:
    """hapifhir/hapi-fhir#7318, medplum/medplum#8764 #5785, LinuxForHealth/FHIR#2327 #3797, FirelyTeam/spark#308"""
    put(client, PATIENT)
    parts = [("8480-6", 118.0), ("8462-4", 95.0)]
    components = [
        {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in parts
    ]
    put(client, observation("85354-9", id="bp", component=components))
    assert ids(client, f"Observation?component-code-value-quantity={LOINC}|8462-4$gt90") == ["bp"]
    assert ids(client, f"Observation?component-code-value-quantity={LOINC}|8480-6$lt100") == []
    assert ids(client, "Observation?combo-code-value-quantity=8480-6$118") == ["bp"]
    assert ids(client, "Observation?code=8480-6") == []
    [hint] = client.get("Observation?code=8480-6").json()["entry"]
    assert "combo-code" in hint["resource"]["issue"][0]["details"]["text"]


def test_14_quantities_are_compared_across_units(client: Client) -> None:
    """LinuxForHealth/FHIR#3797, medplum/medplum#8764"""
    put(client, PATIENT)
    put(client, observation(id="g", valueQuantity=quantity(13.5, "g/dL")))
    assert ids(client, f"Observation?value-quantity=gt130|{UCUM}|g/L") == ["g"]
    assert ids(client, f"Observation?value-quantity=gt136|{UCUM}|g/L") == []


def test_15_a_date_search_knows_zones_and_precision(client: Client) -> None:
    """hapifhir/hapi-fhir#1334 #1499 #6749, samply/blaze#1498, medplum/medplum#4058, LinuxForHealth/FHIR#1680"""
    put(client, PATIENT)
    put(client, observation(id="late", effectiveDateTime="2020-01-01T23:30:00-05:00"))
    put(client, observation(id="month", effectiveDateTime="2020-01"))
    assert ids(client, "Observation?date=2020-01-02") == ["late"]
    assert ids(client, "Observation?date=2020-01-01") == []
    assert sorted(ids(client, "Observation?date=2020-01")) == ["late", "month"]
    assert ids(client, "Observation?date=2020-01-02T04:30:00Z") == ["late"]


def test_16_a_broken_resource_is_told_everything_at_once(client: Client) -> None:
    """FirelyTeam/firely-net-sdk#745, hapifhir/hapi-fhir#6882 #2105 #7194"""
    refused = client.post(
        "Observation", json={"resourceType": "Observation", "status": "banana", "subject": {"reference": "Claim/1"}}
    )
    assert refused.status_code == 400
    told = {issue["expression"][0]: issue["details"]["text"] for issue in refused.json()["issue"]}
    assert {"Observation.status", "Observation.code"} <= told.keys()
    assert any(where.startswith("Observation.subject") for where in told)
    assert "registered" in told["Observation.status"]


def test_18_nothing_but_the_capability_statement_is_told_without_a_token(client: Client) -> None:
    """hapi-fhir-jpaserver-starter#196, pull 287, pull 331"""
    del client.headers["Authorization"]
    assert client.get("metadata").status_code == 200
    for path in ("Patient", "Patient/p", "Patient/p/_history", "_history"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_25_every_digit_is_kept(client: Client) -> None:
    """nazrulworld/fhir.resources#203 #23, nazrulworld/fhir-core#19"""
    put(client, PATIENT)
    for literal in ("6.30", "0.010", "1e3", "1.0E+2", "123456789012345678901234567890.5", "100"):
        text = (
            '{"resourceType":"Observation","id":"d","status":"final","code":{"text":"x"},"valueQuantity":{"value":%s}}'
        )
        answer = client.put("Observation/d", content=text % literal, headers={"Content-Type": "application/fhir+json"})
        assert answer.status_code in (200, 201), answer.text
        for path in ("Observation/d", f"Observation/d/_history/{answer.headers['ETag'][3:-1]}", "Observation?_id=d"):
            assert f'"valueQuantity":{{"value":{literal}}}' in client.get(path).text
