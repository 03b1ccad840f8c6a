"""Export: what is in it, level by level and parameter by parameter. https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

from typing import Any

import pytest

from tests.support.api import Api, issues, observation, patient
from tests.support.bulk import downloaded, exported, ids, kick_off, manifest, work

Json = dict[str, Any]


def store(api: Api, *resources: Json) -> None:
    for resource in resources:
        response = api.put(f"/{resource['resourceType']}/{resource['id']}", resource)
        assert response.status_code in (200, 201), response.text


@pytest.fixture
def ward(api: Api) -> Api:
    """Two patients with results, an Observation of a device, and a directory of which a part is referred to."""
    store(
        api,
        {"resourceType": "Organization", "id": "lab", "name": "Lab"},
        {"resourceType": "Organization", "id": "clinic", "name": "Clinic", "partOf": {"reference": "Organization/lab"}},
        {"resourceType": "Organization", "id": "other", "name": "Other"},
        {"resourceType": "Practitioner", "id": "dr"},
        {"resourceType": "Practitioner", "id": "unknown"},
        {
            "resourceType": "PractitionerRole",
            "id": "role",
            "practitioner": {"reference": "Practitioner/dr"},
            "organization": {"reference": "Organization/clinic"},
        },
        {"resourceType": "Device", "id": "analyzer"},
        patient("a", gender="female"),
        patient("b", gender="male"),
        observation("Patient/a", id="a1", performer=[{"reference": "PractitionerRole/role"}]),
        observation("Patient/a", id="a2", status="preliminary", device={"reference": "Device/analyzer"}),
        observation("Patient/b", id="b1"),
        observation("Device/analyzer", id="qc"),
        {"resourceType": "ValueSet", "id": "vs", "status": "active"},
    )
    return api


def test_the_system_level_gives_everything(ward: Api) -> None:
    assert ids(exported(ward)) == {
        "Device": ["analyzer"],
        "Observation": ["a1", "a2", "b1", "qc"],
        "Organization": ["clinic", "lab", "other"],
        "Patient": ["a", "b"],
        "Practitioner": ["dr", "unknown"],
        "PractitionerRole": ["role"],
        "ValueSet": ["vs"],
    }


def test_a_line_is_the_stored_text(ward: Api) -> None:
    [line] = exported(ward, "/$export?_type=Device")["Device"]
    assert line == ward.get("/Device/analyzer").json()


def test_the_patient_level_gives_compartments_and_what_they_refer_to(ward: Api) -> None:
    assert ids(exported(ward, "/Patient/$export")) == {
        "Device": ["analyzer"],
        "Observation": ["a1", "a2", "b1"],
        "Organization": ["clinic", "lab"],
        "Patient": ["a", "b"],
        "Practitioner": ["dr"],
        "PractitionerRole": ["role"],
    }


def test_the_group_level_gives_its_members_alone(ward: Api) -> None:
    store(ward, group("g", member("Patient/b")))
    assert ids(exported(ward, "/Group/g/$export")) == {"Group": ["g"], "Observation": ["b1"], "Patient": ["b"]}


def group(group_id: str, *members: Json) -> Json:
    found = {"resourceType": "Group", "id": group_id, "type": "person", "actual": True}
    return found | ({"member": list(members)} if members else {})


def member(reference: str, **more: Any) -> Json:
    return {"entity": {"reference": reference}} | more


def test_members_count_while_they_are_active(ward: Api) -> None:
    store(ward, *(patient(each) for each in ("off", "past", "future", "now")))
    store(
        ward,
        group(
            "g",
            member("Patient/off", inactive=True),
            member("Patient/past", period={"end": "2020-01-01"}),
            member("Patient/future", period={"start": "2999-01-01"}),
            member("Patient/now", period={"start": "2020-01-01"}),
        ),
    )
    assert ids(exported(ward, "/Group/g/$export?_type=Patient")) == {"Patient": ["now"]}


def test_groups_of_groups_are_opened_once(ward: Api) -> None:
    store(ward, group("outer"))
    store(ward, group("inner", member("Patient/a"), member("Group/outer")))
    store(ward, group("outer", member("Group/inner"), member("Patient/b"), member("Practitioner/dr")))
    assert ids(exported(ward, "/Group/outer/$export?_type=Patient,Group")) == {
        "Group": ["inner", "outer"],
        "Patient": ["a", "b"],
    }


def test_an_empty_export_has_no_files(api: Api) -> None:
    url = kick_off(api)
    work(api.services, url)
    found = manifest(api, url)
    assert (found["output"], found["error"]) == ([], [])
    assert "deleted" not in found


def test_a_group_that_is_not_there_is_not_found(api: Api) -> None:
    assert api.get("/Group/none/$export").status_code == 404


def test_types_and_repeated_types(ward: Api) -> None:
    assert set(exported(ward, "/$export?_type=Patient,Device")) == {"Patient", "Device"}
    assert set(exported(ward, "/$export?_type=Patient&_type=Device")) == {"Patient", "Device"}


def test_type_filters_choose_and_leave_other_types_whole(ward: Api) -> None:
    found = exported(ward, "/$export?_type=Patient,Observation&_typeFilter=Observation%3Fstatus%3Dpreliminary")
    assert ids(found) == {"Observation": ["a2"], "Patient": ["a", "b"]}
    query = "_typeFilter=Patient%3Fgender%3Dmale,Observation%3Fstatus%3Dpreliminary,Observation%3F_id%3Da1"
    assert ids(exported(ward, f"/Patient/$export?_type=Patient,Observation&{query}")) == {
        "Observation": ["a1", "a2"],
        "Patient": ["b"],
    }


def test_elements_are_cut_and_tagged(ward: Api) -> None:
    found = exported(ward, "/$export?_type=Patient,Observation&_elements=Patient.gender,subject")
    assert all(each.keys() == {"resourceType", "id", "meta", "gender"} for each in found["Patient"])
    assert all(
        each.keys() == {"resourceType", "id", "meta", "status", "code", "subject"} for each in found["Observation"]
    )
    assert {each["meta"]["tag"][0]["code"] for each in found["Patient"]} == {"SUBSETTED"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_type=Patiant", 400),
        ("_outputFormat=application/fhir%2Bparquet", 400),
        ("_since=yesterday", 400),
        ("_since=2020-01-01", 400),
        ("_since=2020-02-31T00:00:00Z", 400),
        ("_typeFilter=Observation", 400),
        ("_typeFilter=Observation%3Fcolour%3Dred", 400),
        ("_typeFilter=Observation%3Fpatient.gender%3Dmale", 400),
        ("_typeFilter=Observation%3F_sort%3Ddate", 400),
        ("_typeFilter=Observation%3F_include%3DObservation:subject", 400),
        ("_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", 400),
        ("_elements=Patient.colour", 400),
        ("includeAssociatedData=Everything", 400),
        ("colour=red", 400),
        ("patient=Patient/a", 400),
    ],
)
def test_what_cannot_be_honoured_is_refused(api: Api, query: str, status: int) -> None:
    response = api.get(f"/Patient/$export?{query}", Prefer="respond-async")
    assert response.status_code == status
    assert issues(response)


def test_a_lenient_client_is_told_what_was_left_out(ward: Api) -> None:
    path = "/Patient/$export?_type=Patient,Basics,ValueSet&colour=red&includeAssociatedData=Everything"
    url = kick_off(ward, path, Prefer="respond-async, handling=lenient")
    work(ward.services, url)
    found = manifest(ward, url)
    assert ids(downloaded(ward, found)) == {"Patient": ["a", "b"]}
    told = downloaded(ward, found, "error")["OperationOutcome"]
    assert [issue["expression"] for outcome in told for issue in outcome["issue"]] == [
        ["http.colour"],
        ["http._type"],
        ["http._type"],
        ["http.includeAssociatedData"],
    ]


def test_since_gives_what_changed_later_and_lists_what_was_deleted(ward: Api) -> None:
    url = kick_off(ward)
    work(ward.services, url)
    since = manifest(ward, url)["transactionTime"]
    ward.put("/Patient/a", patient("a", gender="other"))
    ward.delete("/Observation/qc")
    ward.delete("/Observation/b1")
    ward.delete("/Patient/b")
    store(ward, patient("b"))
    url = kick_off(ward, f"/$export?_since={since}")
    work(ward.services, url)
    found = manifest(ward, url)
    assert ids(downloaded(ward, found)) == {"Patient": ["a", "b"]}
    entries = [entry for bundle in downloaded(ward, found, "deleted")["Bundle"] for entry in bundle["entry"]]
    assert sorted(entry["request"]["url"] for entry in entries) == ["Observation/b1", "Observation/qc"]
    assert {entry["request"]["method"] for entry in entries} == {"DELETE"}
    later = found["transactionTime"]
    assert exported(ward, f"/$export?_since={later}") == {}


def test_deletions_of_others_are_not_told(ward: Api) -> None:
    store(ward, group("g", member("Patient/b")))
    since = "2020-01-01T00:00:00Z"
    for each in ("a1", "b1"):
        ward.delete(f"/Observation/{each}")
    url = kick_off(ward, f"/Group/g/$export?_since={since}&_type=Observation")
    work(ward.services, url)
    [bundle] = downloaded(ward, manifest(ward, url), "deleted")["Bundle"]
    assert [entry["request"]["url"] for entry in bundle["entry"]] == ["Observation/b1"]


def test_by_post_with_patients(ward: Api) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueString": "Patient,Observation"},
            {"name": "patient", "valueReference": {"reference": "Patient/a"}},
        ],
    }
    response = ward.post("/Patient/$export", body, Prefer="respond-async")
    assert response.status_code == 202
    url = response.headers["content-location"]
    work(ward.services, url)
    assert ids(downloaded(ward, manifest(ward, url))) == {"Observation": ["a1", "a2"], "Patient": ["a"]}


def provenance(resource_id: str, target: str, recorded: str) -> Json:
    return {
        "resourceType": "Provenance",
        "id": resource_id,
        "target": [{"reference": target}],
        "recorded": recorded,
        "agent": [{"who": {"reference": "Practitioner/unknown"}}],
    }


def test_provenance_goes_along(ward: Api) -> None:
    store(
        ward,
        provenance("old", "Observation/a1", "2026-01-01T00:00:00Z"),
        provenance("new", "Observation/a1", "2026-01-01T02:00:00+01:00"),
        provenance("b", "Observation/b1", "2026-01-01T00:00:00Z"),
        provenance("qc", "Observation/qc", "2026-01-01T00:00:00Z"),
        group("g", member("Patient/a")),
    )
    assert ids(exported(ward, "/Group/g/$export"))["Provenance"] == ["new", "old"]
    assert ids(exported(ward, "/Group/g/$export"))["Practitioner"] == ["dr", "unknown"]
    assert "Provenance" not in exported(ward, "/Group/g/$export?_type=Observation")
    latest = "includeAssociatedData=LatestProvenanceResources"
    assert ids(exported(ward, f"/Group/g/$export?{latest}"))["Provenance"] == ["new"]
    assert ids(exported(ward, f"/$export?_type=Observation&{latest}"))["Provenance"] == ["b", "new", "qc"]
    every = "includeAssociatedData=RelevantProvenanceResources"
    assert ids(exported(ward, f"/$export?_type=Observation&{every}"))["Provenance"] == ["b", "new", "old", "qc"]


def test_scopes_bound_what_is_exported(ward: Api) -> None:
    patients = ward.scoped("system/Patient.rs system/Observation.rs?status=preliminary")
    assert ids(exported(patients)) == {"Observation": ["a2"], "Patient": ["a", "b"]}
    refused = patients.get("/$export?_type=Device", Prefer="respond-async")
    assert refused.status_code == 403
    assert ward.scoped("system/Patient.r").get("/$export").status_code == 403
    assert ward.scoped("system/Patient.cud").get("/$export").status_code == 403
    assert (
        ward.scoped("system/Patient.rs").get("/$export?includeAssociatedData=LatestProvenanceResources").status_code
        == 403
    )
    assert ids(exported(ward.scoped("system/*.read")))["Patient"] == ["a", "b"]


def test_a_group_beyond_the_scopes_is_forbidden(ward: Api) -> None:
    store(ward, group("g", member("Patient/a")))
    assert ward.scoped("system/Patient.rs").get("/Group/g/$export").status_code == 403


def test_a_patients_own_token_reaches_its_compartment(ward: Api) -> None:
    own = ward.scoped("patient/Patient.rs patient/Observation.rs", patient="a")
    assert ids(exported(own)) == {"Observation": ["a1", "a2"], "Patient": ["a"]}
    assert ids(exported(own, "/Patient/$export")) == {"Observation": ["a1", "a2"], "Patient": ["a"]}
