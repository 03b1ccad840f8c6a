"""A claim of a profile in meta.profile must hold when the resource is written, for profiles shipped or stored."""

from typing import Any

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, issues, patient
from tests.support.profiles import HERE, profile

LAB_PATIENT = "http://fhir-lab.example/StructureDefinition/lab-patient"
CLAIM = {"meta": {"profile": [LAB_PATIENT]}}
WHOLE: dict[str, Any] = {
    "identifier": [{"system": "http://example.org/mrn", "value": "1"}],
    "name": [{"family": "A"}],
    "gender": "female",
}
NAMED = f"{HERE}named"


def named(**more: Any) -> dict[str, Any]:
    """A profile that asks for one name."""
    return profile("named", "Patient", {"path": "Patient.name", "min": 1}, id="named") | more


def claiming(url: str = NAMED, **more: Any) -> dict[str, Any]:
    return patient(meta={"profile": [url]}, **more)


def test_a_claim_that_holds_is_stored_and_one_that_does_not_is_422(api: Api) -> None:
    assert api.post("/Patient", patient(**CLAIM, **WHOLE)).status_code == 201
    refused = api.post("/Patient", patient(**CLAIM, name=[{"use": "official"}]))
    assert refused.status_code == 422
    assert issues(refused) == [
        ("required", ["Patient.identifier"]),
        ("invariant", ["Patient.name[0]"]),
        ("required", ["Patient.gender"]),
    ]
    assert api.get("/Patient").json()["total"] == 1


def test_what_breaks_the_base_specification_is_400_first(api: Api) -> None:
    refused = api.post("/Patient", patient(**CLAIM, foo=1))
    assert (refused.status_code, issues(refused)) == (400, [("structure", ["Patient.foo"])])


def test_a_profile_that_is_not_known_is_not_checked(api: Api) -> None:
    assert api.post("/Patient", claiming()).status_code == 201


def test_a_posted_profile_counts_at_once_also_for_other_processes(api: Api, services: Services) -> None:
    other = Api(Services(services.settings))
    try:
        assert other.post("/Patient", claiming()).status_code == 201
        assert api.put("/StructureDefinition/named", named()).status_code == 201
        for each in (api, other):
            assert issues(each.post("/Patient", claiming())) == [("required", ["Patient.name"])]
        looser = named(differential={"element": [{"id": "Patient", "path": "Patient"}]})
        assert other.put("/StructureDefinition/named", looser).status_code == 200
        for each in (api, other):
            assert each.post("/Patient", claiming()).status_code == 201
        assert api.put("/StructureDefinition/named", named()).status_code == 200
        assert other.post("/Patient", claiming()).status_code == 422
        assert other.delete("/StructureDefinition/named").status_code == 200
        for each in (api, other):
            assert each.post("/Patient", claiming()).status_code == 201
    finally:
        other.close()


def test_a_version_in_the_claim_is_that_profile_only(api: Api) -> None:
    api.put("/StructureDefinition/named", named(version="2"))
    assert api.post("/Patient", claiming(f"{NAMED}|1")).status_code == 201
    assert api.post("/Patient", claiming(f"{NAMED}|2")).status_code == 422


def test_of_several_versions_the_newest_active_one_counts(api: Api) -> None:
    strict = profile("named", "Patient", {"path": "Patient.name", "min": 1}, version="1.10.0")
    loose = profile("named", "Patient", {"path": "Patient"}, version="1.9.0")
    draft = loose | {"version": "2.0.0", "status": "draft"}
    for each in (strict, loose, draft):
        assert api.post("/StructureDefinition", each).status_code == 201
    assert api.post("/Patient", claiming()).status_code == 422
    assert api.post("/Patient", claiming(f"{NAMED}|1.9.0")).status_code == 201


def test_a_binding_asks_the_value_sets_that_are_stored(api: Api) -> None:
    bound = {"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": f"{HERE}vs"}}
    assert api.post("/StructureDefinition", profile("named", "Patient", bound)).status_code == 201
    married = claiming(maritalStatus={"coding": [{"system": "urn:x", "code": "M"}]})
    assert api.post("/Patient", married).status_code == 201
    value_set = {"resourceType": "ValueSet", "id": "vs", "url": f"{HERE}vs", "status": "active"}
    codes = {"include": [{"system": "urn:x", "concept": [{"code": "S"}]}]}
    assert api.put("/ValueSet/vs", value_set | {"compose": codes}).status_code == 201
    refused = api.post("/Patient", married)
    assert (refused.status_code, issues(refused)) == (422, [("code-invalid", ["Patient.maritalStatus"])])
    codes["include"][0]["concept"].append({"code": "M"})
    assert api.put("/ValueSet/vs", value_set | {"compose": codes}).status_code == 200
    assert api.post("/Patient", married).status_code == 201


def test_updates_patches_and_transactions_must_hold_their_claims(api: Api) -> None:
    api.put("/StructureDefinition/named", named())
    assert api.put("/Patient/a", claiming(id="a", name=[{"family": "A"}])).status_code == 201
    assert api.put("/Patient/a", claiming(id="a")).status_code == 422
    patched = api.patch("/Patient/a", [{"op": "remove", "path": "/name"}])
    assert (patched.status_code, issues(patched)) == (422, [("required", ["Patient.name"])])
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
            {"resource": claiming(), "request": {"method": "POST", "url": "Patient"}},
        ],
    }
    refused = api.post("", bundle)
    assert refused.status_code == 422
    assert issues(refused) == [("required", ["Bundle.entry[1].resource.name"])]
    assert api.get("/Patient").json()["total"] == 1


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (
            named(differential={"element": [{"id": "Patient.nmae", "path": "Patient.nmae"}]}),
            ("value", "StructureDefinition.differential.element[0].path", "Did you mean 'name'?"),
        ),
        (
            profile("x", "Patient", {"path": "Patient.birthDate", "max": "2"}),
            ("value", "StructureDefinition.differential.element[0]", "within 0..1 is allowed"),
        ),
        (
            profile("x", "Observation", {"path": "Observation.status", "min": 0}),
            ("value", "StructureDefinition.differential.element[0]", "is 0..1; within 1..1 is allowed"),
        ),
        (
            profile("x", "Patient", {"path": "Patient.deceased[x]", "type": [{"code": "string"}]}),
            ("value", "StructureDefinition.differential.element[0]", "'string'; allowed: boolean, dateTime."),
        ),
        (
            profile("x", "Patint", {"path": "Patint"}),
            ("value", "StructureDefinition.type", "'Patint' is no resource or data type of R4."),
        ),
        (
            profile("x", "Patient", base="http://fhir-lab.example/StructureDefinition/lab-observation"),
            ("value", "StructureDefinition.baseDefinition", "is a profile of 'Observation', not of Patient."),
        ),
        (
            named(url=LAB_PATIENT),
            ("business-rule", "StructureDefinition.url", "is a profile of this server; choose another URL."),
        ),
    ],
)
def test_a_profile_that_cannot_be_followed_is_422_and_says_where(
    api: Api, definition: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    if not definition["differential"]["element"]:
        definition["differential"]["element"] = [{"id": definition["type"], "path": definition["type"]}]
    refused = api.post("/StructureDefinition", definition)
    code, where, message = expected
    assert (refused.status_code, issues(refused)) == (422, [(code, [where])])
    assert message in refused.json()["issue"][0]["details"]["text"]


def test_definitions_that_are_no_profiles_are_stored(api: Api) -> None:
    base = named(url="http://example.org/Base", type="Base", kind="logical", derivation="specialization")
    base["differential"] = {"element": [{"id": "Base", "path": "Base"}, {"id": "Base.x", "path": "Base.x"}]}
    assert api.post("/StructureDefinition", base).status_code == 201


def test_the_profiles_of_the_laboratory_can_be_read_and_searched(api: Api) -> None:
    found = api.get("/StructureDefinition/lab-patient")
    assert (found.status_code, found.json()["url"]) == (200, LAB_PATIENT)
    bundle = api.get(f"/StructureDefinition?url={LAB_PATIENT}").json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["lab-patient"]


def test_the_capability_statement_lists_the_profiles_that_are_there(api: Api) -> None:
    resources = api.get("/metadata").json()["rest"][0]["resource"]
    supported = {each["type"]: each["supportedProfile"] for each in resources if "supportedProfile" in each}
    assert sorted(supported) == ["DiagnosticReport", "Observation", "Patient", "ServiceRequest", "Specimen"]
    for urls in supported.values():
        for url in urls:
            assert api.get(f"/StructureDefinition/{url.rpartition('/')[2]}").json()["url"] == url


def test_a_caller_who_may_not_read_definitions_is_held_to_them(api: Api) -> None:
    api.put("/StructureDefinition/named", named())
    writer = api.scoped("system/Patient.cruds")
    assert writer.get("/StructureDefinition/named").status_code == 403
    assert writer.post("/Patient", claiming()).status_code == 422
