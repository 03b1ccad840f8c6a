"""fhirpy, unmodified, writes over real HTTP: by id, by criteria and in parts. https://github.com/beda-software/fhir-py"""

from collections.abc import Iterator

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from tests.support.server import serving

MRN = {"system": "urn:mrn", "value": "1"}


@pytest.fixture
def client(services: Services) -> Iterator[SyncFHIRClient]:
    token = issue(services, subject="tester", scopes="system/*.cruds")
    with serving(services) as url:
        yield SyncFHIRClient(f"{url}/fhir/R4", authorization=f"Bearer {token}")


def test_a_patch_of_parts_changes_them_and_null_removes(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", id="a", gender="male", birthDate="1970-03-30")
    patient.save()
    patient.patch(active=True, gender=None)
    assert (patient["active"], patient.get("gender"), patient["birthDate"]) == (True, None, "1970-03-30")
    read = client.resources("Patient").search(_id="a").get()
    assert (read["active"], read.get("gender"), read["meta"]["versionId"]) == (True, None, "2")
    read["gender"] = "female"
    read.save(fields=["gender"])
    assert client.reference("Patient", "a").to_resource()["gender"] == "female"


def test_a_patch_that_makes_the_resource_invalid_is_told(client: SyncFHIRClient) -> None:
    client.resource("Patient", id="a").save()
    with pytest.raises(OperationOutcome, match=r"Patient\.gender"):
        client.patch("Patient", "a", gender="banana")


def test_writes_by_criteria(client: SyncFHIRClient) -> None:
    found = client.resources("Patient").search(identifier="urn:mrn|1")
    first, created = found.get_or_create(client.resource("Patient", identifier=[MRN]))
    again, twice = found.get_or_create(client.resource("Patient", identifier=[MRN]))
    assert (created, twice, again["id"]) == (True, False, first["id"])
    updated, created = found.update(client.resource("Patient", identifier=[MRN], active=False))
    assert (created, updated["id"], updated["active"]) == (False, first["id"], False)
    assert found.patch(active=True)["active"] is True
    with pytest.raises(ResourceNotFound):
        client.resources("Patient").search(identifier="urn:mrn|2").patch(active=True)
    client.resource("Patient", identifier=[MRN]).create()
    with pytest.raises(MultipleResourcesFound):
        found.patch(active=False)


def test_a_copy_that_is_current_is_refreshed_without_a_body(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", id="a", active=True)
    patient.save()
    patient.refresh()
    client.patch("Patient", "a", active=False)
    patient.refresh()
    assert patient["active"] is False
