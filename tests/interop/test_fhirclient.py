"""fhirclient, unmodified: its strict models read what the server says. https://github.com/smart-on-fhir/client-py

Its models raise on any unknown element, wrong type or missing mandatory element, so a read is a check of the document.
"""

from typing import Any

import pytest
import requests
from fhirclient import client as smart
from fhirclient.models.bundle import Bundle, BundleEntry, BundleEntryRequest
from fhirclient.models.codeableconcept import CodeableConcept
from fhirclient.models.fhirelementfactory import FHIRElementFactory
from fhirclient.models.fhirreference import FHIRReference
from fhirclient.models.humanname import HumanName
from fhirclient.models.observation import Observation
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRPermissionDeniedException, FHIRUnauthorizedException

from fhir_lab.security.scopes import parse_scopes
from tests.support.laboratory import Laboratory

SAMPLES = [
    "Patient",
    "ServiceRequest",
    "Specimen",
    "Observation",
    "DiagnosticReport",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Device",
    "Location",
]


def connect(laboratory: Laboratory, token: str, **settings: Any) -> smart.FHIRClient:
    """A client that was given a token elsewhere."""
    found = smart.FHIRClient({"app_id": "tests", "api_base": laboratory.base, **settings})
    found.server.session.headers["Authorization"] = f"Bearer {token}"
    return found


@pytest.fixture
def server(laboratory: Laboratory) -> Any:
    found = connect(laboratory, laboratory.token)
    yield found.server
    found.server.session.close()


def model(name: str) -> Any:
    """The class of a resource type."""
    return type(FHIRElementFactory.instantiate(name, None))


def test_authorization_is_discovered_from_the_capability_statement(laboratory: Laboratory) -> None:
    client = smart.FHIRClient({"app_id": "tests", "api_base": laboratory.base, "jwt_token": "assertion"})
    statement = client.server.capabilityStatement
    assert (statement.kind, statement.fhirVersion) == ("instance", "4.0.1")
    assert statement.implementation.url == laboratory.base
    [rest] = statement.rest
    assert {resource.type for resource in rest.resource} >= set(SAMPLES)
    well_known = requests.get(f"{laboratory.base}/.well-known/smart-configuration", timeout=10).json()
    assert client.server.auth.auth_type == "oauth2"
    assert client.server.auth._token_uri == well_known["token_endpoint"] == f"{laboratory.url}/oauth2/token"
    client.server.session.close()


def test_the_scopes_it_asks_for_by_default_are_understood() -> None:
    user, patient = parse_scopes(smart.scope_default)
    assert all(user.covers("Observation", permission) for permission in "cruds")
    assert [patient.covers("Observation", permission) for permission in "cruds"] == [False, True, False, False, True]
    assert (user.context, patient.context) == ("user", "patient")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_read_by_the_strict_models_across_pages(server: Any, name: str) -> None:
    search = model(name).where({"_count": "3", "_sort": "_id", "_id:missing": "false"})
    bundles = list(search.perform_iter(server))
    assert all(bundle.type == "searchset" and bundle.total == bundles[0].total for bundle in bundles)
    assert [len(bundle.entry) for bundle in bundles[:-1]] == [3] * (len(bundles) - 1)
    found = [entry.resource for bundle in bundles for entry in bundle.entry]
    assert [each.id for each in found] == sorted({each.id for each in found})
    assert len(found) == bundles[0].total > 0
    for each in found[:20]:
        read = type(each).read(each.id, server)
        assert read.as_json() == each.as_json()
        assert read.as_json() == server.request_json(read.relativePath())


def test_includes_and_operators_of_its_search(server: Any) -> None:
    search = Observation.where({"subject": "Patient/amara-okoye", "_count": "5"}).include("subject").include("device")
    found = list(search.perform_resources_iter(server))
    kinds = [each.resource_type for each in found]
    assert (
        kinds.count("Observation") == Observation.where({"subject": "Patient/amara-okoye"})._read_bundle(server).total
    )
    assert {"Patient", "Device"} <= set(kinds)
    patients = Patient.where({"_id": "amara-okoye"}).include("subject", Observation, reverse=True)
    kinds = [each.resource_type for each in patients.perform_resources_iter(server)]
    assert kinds.count("Patient") == 1
    assert kinds.count("Observation") > 5
    names = Patient.where({"family": {"$exact": "Okoye"}, "gender": {"$or": ["female", "male"]}})
    assert [each.id for each in names.perform_resources_iter(server)] == ["amara-okoye"]
    chained = Observation.where({"subject": {"$type": "Patient", "family": "okoye"}, "_summary": "count"})
    assert chained._read_bundle(server).total > 5
    assert Patient.where({"death-date": {"$missing": "true"}})._read_bundle(server).total > 5
    with pytest.raises(requests.HTTPError, match="400"):  # its $gt writes `>2020`, which is no prefix of R4
        Patient.where({"birthdate": {"$gt": "2020"}})._read_bundle(server)


def test_create_update_and_delete(server: Any) -> None:
    patient = Patient()
    patient.name = [HumanName({"family": "Strict", "given": ["Model"]})]
    created = Patient(patient.create(server))
    assert (created.name[0].family, created.meta.versionId) == ("Strict", "1")
    created.gender = "female"
    updated = Patient(created.update(server))
    assert (updated.gender, updated.meta.versionId) == ("female", "2")
    history = Bundle.read_from(f"Patient/{created.id}/_history", server)
    assert (history.type, [entry.request.method for entry in history.entry]) == ("history", ["PUT", "POST"])
    assert OperationOutcome(updated.delete(server)).issue[0].severity == "information"
    with pytest.raises(requests.HTTPError, match="410"):
        Patient.read(created.id, server)
    with pytest.raises(FHIRNotFoundException):
        Patient.read("nobody", server)


def test_a_transaction_and_a_batch(server: Any) -> None:
    place = "urn:uuid:0ee1f5b5-6d1f-4b8f-8d2e-4c1f9a2c4b11"
    patient = Patient({"resourceType": "Patient", "name": [{"family": "Bundled"}]})
    result = Observation()
    result.status, result.code = "final", CodeableConcept({"text": "Glucose"})
    result.subject = FHIRReference({"reference": place})
    bundle = Bundle()
    bundle.type = "transaction"
    bundle.entry = [entry("POST", "Observation", result), entry("POST", "Patient", patient)]
    bundle.entry[1].fullUrl = place
    answer = Bundle(bundle.create(server))
    assert (answer.type, [each.response.status for each in answer.entry]) == (
        "transaction-response",
        ["201 Created"] * 2,
    )
    [kind, number] = answer.entry[1].response.location.split("/")[-4:-2]
    assert kind == "Patient"
    stored = Observation.where({"subject": f"Patient/{number}"}).perform_resources_iter(server)
    assert [each.code.text for each in stored] == ["Glucose"]
    batch = Bundle()
    batch.type = "batch"
    batch.entry = [entry("GET", f"Patient/{number}"), entry("GET", "Patient/nobody"), entry("GET", "Patient?_count=1")]
    answer = Bundle(batch.create(server))
    assert [each.response.status[:3] for each in answer.entry] == ["200", "404", "200"]
    assert answer.entry[0].resource.name[0].family == "Bundled"
    assert answer.entry[1].response.outcome.resource_type == "OperationOutcome"
    assert answer.entry[2].resource.resource_type == "Bundle"


def entry(method: str, url: str, resource: Any = None) -> BundleEntry:
    """An entry of a batch or transaction."""
    found = BundleEntry()
    found.request = BundleEntryRequest({"method": method, "url": url})
    found.resource = resource
    return found


def test_refusals_are_outcomes_that_the_models_read(laboratory: Laboratory, server: Any) -> None:
    for path, status in (("Patient?birthdat=1970", "400"), ("Patient/a_b", "400")):
        with pytest.raises(requests.HTTPError, match=status) as refused:
            Patient.read_from(path, server)
        assert OperationOutcome(refused.value.response.json()).issue[0].severity == "error"
    with pytest.raises(requests.HTTPError, match=r"400|422") as refused:
        server.post_json("Patient", {"resourceType": "Patient", "gender": "banana"})
    assert OperationOutcome(refused.value.response.json()).issue[0].expression == ["Patient.gender"]
    strangers = {"nonsense": FHIRUnauthorizedException, laboratory.narrow: FHIRPermissionDeniedException}
    for token, error in strangers.items():
        stranger = connect(laboratory, token).server
        with pytest.raises(error) as denied:
            Patient.read("amara-okoye", stranger)
        assert OperationOutcome(denied.value.response.json()).issue[0].severity == "error"
        stranger.session.close()
