"""The searches that US Core 7 and 8 ask of a server, as Inferno tries them: GET and POST, both forms of references.

https://hl7.org/fhir/us/core/CapabilityStatement-us-core-server.html
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json

LOINC = "http://loinc.org"
V2_0074 = "http://terminology.hl7.org/CodeSystem/v2-0074"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SNOMED = "http://snomed.info/sct"
FORM = "application/x-www-form-urlencoded"


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def to(reference: str) -> Json:
    return {"reference": reference}


def resources() -> Iterator[Json]:
    """One resource of each kind that matches, and one of each that must not."""
    mrn = {"system": "http://hospital.example/mrn", "value": "4711"}
    yield {
        "resourceType": "Organization",
        "id": "org",
        "name": "Linden Laboratory",
        "address": [{"city": "Rivermouth"}],
    }
    yield {"resourceType": "Organization", "id": "other-org", "name": "Elsewhere"}
    address = {"line": ["4 Linden Court"], "city": "Rivermouth", "state": "MA", "postalCode": "02101"}
    yield {"resourceType": "Location", "id": "loc", "name": "Ward 3", "address": address}
    yield {"resourceType": "Location", "id": "other-loc", "name": "Attic"}
    npi = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9941339108"}
    yield {"resourceType": "Practitioner", "id": "dr", "identifier": [npi], "name": [{"family": "Weller"}]}
    yield {"resourceType": "Practitioner", "id": "other-dr", "name": [{"family": "Nobody"}]}
    yield {
        "resourceType": "Endpoint",
        "id": "end",
        "status": "active",
        "connectionType": {"code": "hl7-fhir-rest"},
        "payloadType": [{"text": "any"}],
        "address": "http://ehr.example/fhir",
    }
    yield {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": to("Practitioner/dr"),
        "specialty": [concept("http://nucc.org/provider-taxonomy", "207ZP0102X")],
        "endpoint": [to("Endpoint/end")],
    }
    yield {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [mrn],
        "gender": "female",
        "birthDate": "1970-03-05",
        "name": [{"family": "Okoye", "given": ["Amara"]}],
        "deceasedDateTime": "2026-05-01T10:00:00Z",
    }
    yield {
        "resourceType": "Patient",
        "id": "q",
        "gender": "male",
        "birthDate": "1980-01-01",
        "name": [{"family": "Braun"}],
    }
    for name, who in (("", "p"), ("other-", "q")):
        yield from clinical(name, who)


def clinical(prefix: str, patient: str) -> Iterator[Json]:
    subject = to(f"Patient/{patient}")
    yield {"resourceType": "RelatedPerson", "id": f"{prefix}rel", "patient": subject, "name": [{"family": "Okafor"}]}
    yield {
        "resourceType": "Encounter",
        "id": f"{prefix}enc",
        "status": "finished",
        "subject": subject,
        "identifier": [{"system": "http://hospital.example/visit", "value": f"{prefix}V1"}],
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [concept(SNOMED, "308646001")],
        "location": [{"location": to("Location/loc")}],
        "period": {"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T09:00:00Z"},
    }
    yield {
        "resourceType": "ServiceRequest",
        "id": f"{prefix}req",
        "status": "active",
        "intent": "order",
        "subject": subject,
        "category": [concept(SNOMED, "108252007")],
        "code": concept(LOINC, "24323-8"),
        "authoredOn": "2026-03-01T08:00:00Z",
    }
    yield {"resourceType": "Specimen", "id": f"{prefix}spec", "subject": subject, "type": concept(SNOMED, "119297000")}
    yield {
        "resourceType": "Observation",
        "id": f"{prefix}obs",
        "status": "final",
        "subject": subject,
        "category": [concept(OBSERVATION_CATEGORY, "laboratory")],
        "code": concept(LOINC, "2951-2"),
        "effectiveDateTime": "2026-03-01T08:30:00Z",
        "valueQuantity": {"value": 140},
    }
    yield {
        "resourceType": "DiagnosticReport",
        "id": f"{prefix}rep",
        "status": "final",
        "subject": subject,
        "category": [concept(V2_0074, "LAB")],
        "code": concept(LOINC, "24323-8"),
        "effectiveDateTime": "2026-03-01T08:30:00Z",
        "issued": "2026-03-01T10:00:00Z",
        "result": [to(f"Observation/{prefix}obs")],
    }
    yield {
        "resourceType": "Procedure",
        "id": f"{prefix}proc",
        "status": "completed",
        "subject": subject,
        "code": concept(SNOMED, "82078001"),
        "performedDateTime": "2026-03-01T08:10:00Z",
    }
    targets = ("obs", "rep", "req", "enc", "proc", "spec")
    kinds = ("Observation", "DiagnosticReport", "ServiceRequest", "Encounter", "Procedure", "Specimen")
    for kind, name in zip(kinds, targets, strict=True):
        yield {
            "resourceType": "Provenance",
            "id": f"{prefix}prov-{name}",
            "target": [to(f"{kind}/{prefix}{name}")],
            "recorded": "2026-03-01T12:00:00Z",
            "agent": [{"who": to("Practitioner/dr")}],
        }


# Type -> the searches, each of which finds just the one resource of patient p.
SEARCHES: dict[str, tuple[str, list[dict[str, str]]]] = {
    "Patient": (
        "p",
        [
            {"_id": "p"},
            {"identifier": "http://hospital.example/mrn|4711"},
            {"identifier": "4711"},
            {"name": "Okoye"},
            {"name": "amara"},
            {"birthdate": "1970-03-05", "name": "Okoye"},
            {"gender": "female", "name": "Okoye"},
            {"birthdate": "1970-03-05", "family": "Okoye"},
            {"family": "Okoye", "gender": "female"},
            {"death-date": "gt2026-01-01", "family": "Okoye"},
        ],
    ),
    "Observation": (
        "obs",
        [
            {"patient": "p", "category": "laboratory"},
            {"patient": "p", "category": f"{OBSERVATION_CATEGORY}|laboratory"},
            {"patient": "p", "category": "laboratory", "date": "ge2026-03-01"},
            {"patient": "p", "code": f"{LOINC}|2951-2"},
            {"patient": "p", "code": "2951-2,2823-3"},
            {"patient": "p", "code": "2951-2", "date": "lt2026-03-02"},
            {"patient": "p", "category": "laboratory", "status": "final,amended"},
            {"patient": "p", "category": "laboratory", "_lastUpdated": "gt2020-01-01T00:00:00Z"},
        ],
    ),
    "DiagnosticReport": (
        "rep",
        [
            {"patient": "p"},
            {"patient": "p", "category": f"{V2_0074}|LAB"},
            {"patient": "p", "code": "24323-8"},
            {"patient": "p", "category": "LAB", "date": "le2026-03-01"},
            {"patient": "p", "status": "final,preliminary"},
            {"patient": "p", "code": "24323-8", "date": "gt2026-02-28"},
            {"patient": "p", "category": "LAB", "_lastUpdated": "ge2020"},
        ],
    ),
    "Specimen": ("spec", [{"_id": "spec"}, {"patient": "p"}]),
    "ServiceRequest": (
        "req",
        [
            {"_id": "req"},
            {"patient": "p"},
            {"patient": "p", "category": f"{SNOMED}|108252007"},
            {"patient": "p", "code": "24323-8"},
            {"patient": "p", "category": "108252007", "authored": "ge2026-03-01"},
            {"patient": "p", "status": "active,completed"},
            {"patient": "p", "code": "24323-8", "authored": "lt2026-03-02"},
        ],
    ),
    "Practitioner": (
        "dr",
        [{"identifier": "http://hl7.org/fhir/sid/us-npi|9941339108"}, {"name": "Weller"}, {"_id": "dr"}],
    ),
    "PractitionerRole": (
        "role",
        [
            {"practitioner": "dr"},
            {"practitioner": "Practitioner/dr"},
            {"specialty": "http://nucc.org/provider-taxonomy|207ZP0102X"},
            {"practitioner.name": "Weller"},
            {"practitioner.identifier": "http://hl7.org/fhir/sid/us-npi|9941339108"},
        ],
    ),
    "Organization": ("org", [{"name": "linden"}, {"address": "rivermouth"}]),
    "Location": (
        "loc",
        [
            {"name": "Ward"},
            {"address": "4 linden"},
            {"address-city": "Rivermouth"},
            {"address-state": "MA"},
            {"address-postalcode": "02101"},
        ],
    ),
    "Encounter": (
        "enc",
        [
            {"_id": "enc"},
            {"patient": "p"},
            {"patient": "p", "date": "ge2026-03-01T08:00:00Z"},
            {"identifier": "V1"},
            {"class": "AMB", "patient": "p"},
            {"patient": "p", "type": f"{SNOMED}|308646001"},
            {"patient": "p", "status": "finished"},
            {"patient": "p", "location": "Location/loc"},
            {"patient": "p", "_lastUpdated": "ge2020"},
        ],
    ),
    "Procedure": (
        "proc",
        [
            {"patient": "p"},
            {"patient": "p", "date": "2026-03-01"},
            {"patient": "p", "status": "completed"},
            {"patient": "p", "code": f"{SNOMED}|82078001", "date": "ge2026-03-01"},
        ],
    ),
    "RelatedPerson": ("rel", [{"_id": "rel"}, {"patient": "p"}, {"patient": "p", "name": "Okafor"}]),
}
DATES = {
    "Observation": "date",
    "DiagnosticReport": "date",
    "ServiceRequest": "authored",
    "Encounter": "date",
    "Procedure": "date",
}


@pytest.fixture
def api(services: Services) -> Iterator[Api]:
    api = Api(services)
    entries = [
        {"resource": body, "request": {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}"}}
        for body in resources()
    ]
    stored = api.post("/", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert stored.status_code == 200, stored.text
    yield api
    api.close()


def found(response: Any, mode: str = "match") -> list[str]:
    assert response.status_code == 200, response.text
    entries = response.json().get("entry", [])
    return [entry["resource"]["id"] for entry in entries if entry["search"]["mode"] == mode]


def test_every_search_finds_the_one_resource_by_get_and_by_post(api: Api) -> None:
    for kind, (expected, searches) in SEARCHES.items():
        for parameters in searches:
            query = urlencode(parameters)
            got = found(api.get(f"/{kind}?{query}"))
            posted = found(api.call("POST", f"/{kind}/_search", query.encode(), content_type=FORM))
            assert (got, posted) == ([expected], [expected]), (kind, parameters)


def test_a_patient_is_named_by_id_and_by_reference_alike(api: Api) -> None:
    for kind, (expected, searches) in SEARCHES.items():
        for parameters in searches:
            if "patient" in parameters:
                by_reference = urlencode(parameters | {"patient": "Patient/p"})
                by_url = urlencode(parameters | {"patient": f"{api.services.settings.fhir_base}/Patient/p"})
                assert found(api.get(f"/{kind}?{by_reference}")) == [expected]
                assert found(api.get(f"/{kind}?{by_url}")) == [expected]


@pytest.mark.parametrize(("kind", "code"), DATES.items())
def test_dates_are_compared_with_every_comparator(api: Api, kind: str, code: str) -> None:
    expected = [SEARCHES[kind][0]]
    for value in ("gt2026-02-28", "ge2026-03-01", "lt2026-03-02", "le2026-03-01", "2026-03-01"):
        assert found(api.get(f"/{kind}?patient=p&{code}={value}")) == expected, value
    for value in ("gt2026-03-01", "ge2026-03-02", "lt2026-03-01", "le2026-02-28", "2026-03-02"):
        assert found(api.get(f"/{kind}?patient=p&{code}={value}")) == [], value
    assert found(api.get(f"/{kind}?patient=p&{code}=ge2026-03-01&{code}=lt2026-03-02")) == expected


@pytest.mark.parametrize(
    "kind", ["Observation", "DiagnosticReport", "ServiceRequest", "Encounter", "Procedure", "Specimen"]
)
def test_provenance_comes_with_what_it_is_about(api: Api, kind: str) -> None:
    [expected] = found(api.get(f"/{kind}?patient=p"))
    response = api.get(f"/{kind}?patient=p&_revinclude=Provenance:target")
    assert found(response) == [expected]
    assert found(response, "include") == [f"prov-{expected}"]


def test_a_role_comes_with_its_practitioner_and_endpoint(api: Api) -> None:
    query = "practitioner=dr&_include=PractitionerRole:endpoint&_include=PractitionerRole:practitioner"
    assert sorted(found(api.get(f"/PractitionerRole?{query}"), "include")) == ["dr", "end"]


def test_unknown_codes_and_patients_find_nothing_and_are_no_errors(api: Api) -> None:
    assert found(api.get("/Observation?patient=nobody&category=laboratory")) == []
    assert found(api.get("/Observation?patient=p&code=0000-0")) == []
    assert found(api.get("/DiagnosticReport?patient=p&status=cancelled")) == []


def test_every_resource_found_is_readable_with_its_versions(api: Api) -> None:
    for kind, (expected, _) in SEARCHES.items():
        read = api.get(f"/{kind}/{expected}")
        assert read.status_code == 200
        assert api.get(f"/{kind}/{expected}/_history/1").json() == read.json()
        assert api.get(f"/{kind}/{expected}/_history").json()["total"] == 1


def test_a_report_can_be_created(api: Api) -> None:
    body = next(each for each in resources() if each["resourceType"] == "DiagnosticReport")
    assert api.post("/DiagnosticReport", {k: v for k, v in body.items() if k != "id"}).status_code == 201
