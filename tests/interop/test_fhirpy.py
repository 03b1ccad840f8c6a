"""fhirpy, unmodified and synchronous: searches, pages, references, operations. https://github.com/beda-software/fhir-py"""

import uuid
from typing import Any

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import (
    AuthorizationError,
    ForbiddenError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)
from fhirpy.base.searchset import Raw

from tests.support.laboratory import Laboratory

Json = dict[str, Any]
AMARA = "Patient/amara-okoye"
LOINC = "http://loinc.org"


@pytest.fixture
def client(laboratory: Laboratory) -> SyncFHIRClient:
    return SyncFHIRClient(laboratory.base, authorization=laboratory.authorization)


@pytest.fixture
def family(client: SyncFHIRClient) -> str:
    """Seven patients of one family, whose name is this test's own."""
    name = f"F{uuid.uuid4().hex[:12]}"
    for number in range(7):
        client.resource(
            "Patient",
            identifier=[{"system": f"urn:{name}", "value": str(number)}],
            name=[{"family": name, "given": [f"Given{number}"]}],
            gender="female" if number % 2 else "male",
            active=number != 6,
            birthDate=f"19{number}0-01-01",
        ).create()
    return name


def given(resources: list[Any]) -> list[str]:
    return sorted(resource["name"][0]["given"][0][-1] for resource in resources)


def test_a_count_reads_the_total_of_a_search_without_resources(client: SyncFHIRClient, family: str) -> None:
    assert client.resources("Patient").search(family=family).count() == 7
    assert client.resources("Patient").search(family=family, gender="female").count() == 3
    assert client.resources("Patient").search(family="Nobody-at-all").count() == 0


def test_every_style_of_search(client: SyncFHIRClient, family: str) -> None:
    patients = client.resources("Patient").search(family__exact=family)
    expected: list[tuple[Json, str]] = [
        ({"gender": "female"}, "135"),
        ({"gender": "female,male"}, "0123456"),
        ({"gender__not": "female"}, "0246"),
        ({"active": True}, "012345"),
        ({"active": False}, "6"),
        ({"birthdate__ge": "1940", "birthdate__lt": "1960"}, "45"),
        ({"birthdate__ne": "1940"}, "012356"),
        ({"birthdate__sa": "1950"}, "6"),
        ({"birthdate__eb": "1910"}, "0"),
        ({"given__contains": "iven3"}, "3"),
        ({"given": ["Given", "Given2"]}, "2"),
        ({"given__exact": "given2"}, ""),
        ({"death_date__missing": True}, "0123456"),
        ({"general_practitioner__missing": False}, ""),
        ({"identifier": f"urn:{family}|4"}, "4"),
        ({"_lastUpdated__gt": 2019}, "0123456"),
        ({"_lastUpdated__lt": 2019}, ""),
    ]
    for criteria, wanted in expected:
        assert "".join(given(patients.search(**criteria).fetch())) == wanted, criteria
    raw = Raw(**{"_filter": "gender eq male and birthdate gt 1920", "name:contains": family[1:]})
    assert given(patients.search(raw).fetch()) == ["4", "6"]


def test_chains_and_reverse_chains(client: SyncFHIRClient) -> None:
    observations = client.resources("Observation")
    by_name = observations.search(patient__Patient__name="Okoye").fetch_all()
    assert {each["subject"]["reference"] for each in by_name} == {AMARA}
    assert len(by_name) == observations.search(subject=client.reference(reference=AMARA)).count() > 5
    assert len(observations.search(specimen__Specimen__type__missing=False, patient=AMARA).fetch_all()) > 5
    young = observations.search(patient__Patient__birthdate__ge="1900", subject=AMARA).count()
    assert young == len(by_name)
    known = client.resources("Patient").has("Observation", "patient", code=f"{LOINC}|718-7").fetch_all()
    assert "amara-okoye" in {each["id"] for each in known}
    nested = client.resources("Patient").has("Observation", "patient", "DiagnosticReport", "result", status="final")
    assert {each["id"] for each in nested.fetch_all()} >= {"amara-okoye"}


def test_includes_are_answered_beside_the_matches(client: SyncFHIRClient) -> None:
    report = client.resources("DiagnosticReport").search(subject=AMARA).limit(1)
    bundle = report.include("DiagnosticReport", "result").include("DiagnosticReport", "subject", "Patient").fetch_raw()
    modes = [(entry["search"]["mode"], entry["resource"]["resourceType"]) for entry in bundle["entry"]]
    assert modes.count(("match", "DiagnosticReport")) == 1
    assert modes.count(("include", "Patient")) == 1
    assert modes.count(("include", "Observation")) >= 1
    bundle = report.include("DiagnosticReport", "result").include("Observation", "device", iterate=True).fetch_raw()
    assert "Device" in {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert len(report.include("*").fetch()) == 1
    patients = client.resources("Patient").search(_id="amara-okoye").revinclude("Observation", "subject")
    assert [each["id"] for each in patients.fetch()] == ["amara-okoye"]
    assert len(patients.fetch_raw()["entry"]) == 1 + client.resources("Observation").search(subject=AMARA).count()


def test_pages_are_walked_to_the_end_in_order(client: SyncFHIRClient, family: str) -> None:
    patients = client.resources("Patient").search(family=family).sort("-birthdate")
    assert [each["birthDate"][2] for each in patients.limit(2).fetch()] == ["6", "5"]
    for size in (1, 2, 3, 7, 1000):
        assert [each["birthDate"][2] for each in patients.limit(size).fetch_all()] == list("6543210")
    assert [each["birthDate"][2] for each in patients.limit(3)] == list("6543210")
    first = patients.first()
    assert first is not None
    assert first["birthDate"] == "1960-01-01"
    assert client.resources("Patient").search(family="Nobody-at-all").first() is None


def test_one_is_got_and_several_are_refused(client: SyncFHIRClient, family: str) -> None:
    patients = client.resources("Patient")
    assert patients.search(identifier=f"urn:{family}|3").get()["name"][0]["given"] == ["Given3"]
    with pytest.raises(MultipleResourcesFound):
        patients.search(family=family).get()
    with pytest.raises(ResourceNotFound):
        patients.search(family="Nobody-at-all").get()
    with pytest.warns(DeprecationWarning, match="id"):
        assert patients.get(id="amara-okoye")["id"] == "amara-okoye"


def test_parts_of_resources_are_asked_for(client: SyncFHIRClient, family: str) -> None:
    [part] = client.resources("Patient").search(identifier=f"urn:{family}|3").elements("gender").fetch()
    assert set(part) == {"resourceType", "id", "meta", "gender", "active"}  # active changes the meaning: it stays
    with pytest.raises(OperationOutcome, match="_elements"):  # leaving elements out is no FHIR, and not ignored
        client.resources("Patient").search(family=family).elements("gender", exclude=True).fetch()


def test_writes_and_deletes_by_id_and_by_criteria(client: SyncFHIRClient, family: str) -> None:
    found = client.resources("Patient").search(identifier=f"urn:{family}|0")
    patient = found.get()
    patient["gender"] = "other"
    patient.update()
    assert (patient["gender"], patient["meta"]["versionId"]) == ("other", "2")
    patient.refresh()
    assert client.get("Patient", patient.id)["gender"] == "other"
    patient.delete()
    with pytest.raises(ResourceNotFound):
        patient.to_reference().to_resource()
    several = client.resources("Patient").search(family=family)
    for change in (several.delete, lambda: several.update(client.resource("Patient", active=True))):
        with pytest.raises(MultipleResourcesFound):
            change()
    assert several.count() == 6
    _, status = client.resources("Patient").search(identifier=f"urn:{family}|1").delete()
    assert (status, several.count()) == (200, 5)
    with pytest.raises(OperationOutcome):  # no criteria would mean every Patient
        client.resources("Patient").delete()


def test_references_lead_to_resources_and_are_kept_in_them(client: SyncFHIRClient) -> None:
    observation = client.resources("Observation").search(subject=AMARA, specimen__missing=False).first()
    assert observation is not None
    assert observation["subject"].to_resource()["name"][0]["family"] == "Okoye"
    assert observation.get_by_path(["code", "coding", {"system": LOINC}, "code"])
    made = client.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": LOINC, "code": "718-7"}]},
        subject=observation["subject"].to_resource(),
        specimen=observation["specimen"],
    )
    made.save()
    assert made["subject"].reference == AMARA
    made.to_reference().patch(status="corrected")
    made.refresh()
    assert made["status"] == "corrected"
    made.to_reference().delete()


def test_validation_answers_for_valid_and_invalid_resources(client: SyncFHIRClient) -> None:
    assert client.resource("Patient", gender="male").is_valid()
    assert not client.resource("Patient", gender="banana").is_valid()
    with pytest.raises(OperationOutcome, match="gender"):
        client.resource("Patient", gender="banana").is_valid(raise_exception=True)


def test_operations_are_executed_at_every_level(client: SyncFHIRClient) -> None:
    everything = client.reference(reference=AMARA).execute("$everything", method="get")
    assert {"Patient", "Observation"} <= {entry["resource"]["resourceType"] for entry in everything["entry"]}
    patient = client.resources("Patient").search(_id="amara-okoye").get()
    assert patient.execute("$meta", method="get")["parameter"][0]["name"] == "return"
    query = {"patient": AMARA, "category": "laboratory", "max": 1}
    newest = client.resources("Observation").execute("$lastn", method="get", params=query)
    assert {entry["resource"]["subject"]["reference"] for entry in newest["entry"]} == {AMARA}
    assert client.execute("metadata", method="get")["fhirVersion"] == "4.0.1"
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": AMARA}}]}
    assert client.execute("", data=batch)["entry"][0]["resource"]["id"] == "amara-okoye"


def test_refusals_are_the_errors_the_client_knows(client: SyncFHIRClient, laboratory: Laboratory) -> None:
    with pytest.raises(AuthorizationError):
        SyncFHIRClient(laboratory.base, authorization="Bearer nonsense").resources("Patient").fetch()
    narrow = SyncFHIRClient(laboratory.base, authorization=f"Bearer {laboratory.narrow}")
    with pytest.raises(ForbiddenError):
        narrow.resources("Patient").fetch()
    with pytest.raises(ResourceNotFound):
        client.get("Patient", "nobody")
    with pytest.raises(OperationOutcome, match="birthdate"):
        client.resources("Patient").search(birthdat="1970").fetch()
    with pytest.raises(OperationOutcome, match=r"Patient\.gender"):
        client.resource("Patient", gender="banana").save()
