"""Fifty clients at once over real connections: nobody's write is lost, made twice, or answered with a server error."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx

from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from tests.support.api import Json, links
from tests.support.patches import operation, parameters
from tests.support.server import serving

CLIENTS = 50
PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "7"}]}
CRITERIA = "identifier=urn:mrn%7C7"


class Lab:
    """A server, and what its clients ask it."""

    def __init__(self, services: Services, url: str) -> None:
        self.base = f"{url}/fhir/R4"
        self._token = issue(services, subject="racer", scopes="system/*.cruds")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request over a connection of its own."""
        sent = {"Authorization": f"Bearer {self._token}"} | {
            name.replace("_", "-"): each for name, each in headers.items()
        }
        return httpx.request(method, f"{self.base}/{path}", json=body, headers=sent, timeout=120)

    def together(self, ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
        """What fifty clients are answered that begin at the same moment."""
        start = Barrier(CLIENTS)

        def client(number: int) -> httpx.Response:
            start.wait()
            return ask(number)

        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(client, range(CLIENTS)))

    def history(self, path: str) -> list[Json]:
        """Every version, newest first."""
        found: list[Json] = self.ask("GET", f"{path}/_history?_count=1000").json()["entry"]
        return found


def test_one_if_none_exist_makes_one_resource(services: Services) -> None:
    with serving(services) as url:
        lab = Lab(services, url)
        answers = lab.together(lambda _: lab.ask("POST", "Patient", PATIENT, If_None_Exist=CRITERIA))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: CLIENTS - 1}
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert len({answer.json()["id"] for answer in answers}) == 1
        found = lab.ask("GET", f"Patient?{CRITERIA}").json()
        assert (found["total"], len(lab.history("Patient"))) == (1, 1)
        assert links(found)["self"].startswith("http")


def test_conditional_updates_are_versions_of_one_resource(services: Services) -> None:
    with serving(services) as url:
        lab = Lab(services, url)

        def update(number: int) -> httpx.Response:
            return lab.ask("PUT", f"Patient?{CRITERIA}", PATIENT | {"name": [{"family": f"F{number}"}]})

        answers = lab.together(update)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: CLIENTS - 1}
        assert sorted(int(answer.json()["meta"]["versionId"]) for answer in answers) == list(range(1, CLIENTS + 1))
        versions = lab.history("Patient")
        assert len({entry["fullUrl"] for entry in versions}) == 1
        families = {entry["resource"]["name"][0]["family"] for entry in versions}
        assert families == {f"F{number}" for number in range(CLIENTS)}


def test_no_patch_is_lost(services: Services) -> None:
    with serving(services) as url:
        lab = Lab(services, url)
        lab.ask("PUT", "Patient/p", PATIENT | {"id": "p", "name": [{"family": "Fox"}]})

        def patch(number: int) -> httpx.Response:
            if number % 2:
                body = [{"op": "add", "path": "/identifier/-", "value": {"value": str(number)}}]
                return lab.ask("PATCH", "Patient/p", body, Content_Type="application/json-patch+json")
            added = operation("add", "Patient", name="identifier", value={"valueIdentifier": {"value": str(number)}})
            return lab.ask("PATCH", f"Patient?{CRITERIA}", parameters(added))

        answers = lab.together(patch)
        assert Counter(answer.status_code for answer in answers) == {200: CLIENTS}
        assert sorted(int(answer.json()["meta"]["versionId"]) for answer in answers) == list(range(2, CLIENTS + 2))
        values = [each["value"] for each in lab.ask("GET", "Patient/p").json()["identifier"]]
        assert sorted(values) == sorted(["7", *map(str, range(CLIENTS))])


def test_one_if_none_exist_in_transactions_makes_one_resource(services: Services) -> None:
    with serving(services) as url:
        lab = Lab(services, url)
        urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
        patient = {
            "fullUrl": urn,
            "resource": PATIENT,
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": CRITERIA},
        }
        result = {
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": urn},
            },
            "request": {"method": "POST", "url": "Observation"},
        }
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [result, patient]}
        answers = lab.together(lambda _: lab.ask("POST", "", bundle))
        assert Counter(answer.status_code for answer in answers) == {200: CLIENTS}
        created = Counter(answer.json()["entry"][1]["response"]["status"] for answer in answers)
        assert created == {"201 Created": 1, "200 OK": CLIENTS - 1}
        patients, results = lab.history("Patient"), lab.history("Observation")
        assert (len(patients), len(results)) == (1, CLIENTS)
        subject = f"Patient/{patients[0]['resource']['id']}"
        assert {entry["resource"]["subject"]["reference"] for entry in results} == {subject}
