"""$validate: 200 with what is to be said of a resource. https://hl7.org/fhir/R4/resource-operation-validate.html"""

from typing import Any

import pytest

from tests.support.api import Api, Json, observation, patient

LAB_PATIENT = "http://fhir-lab.example/StructureDefinition/lab-patient"


def said(response: Any) -> list[tuple[str, str, list[str]]]:
    """(severity, code, expression) of each issue."""
    assert response.status_code == 200, response.text
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return [(each["severity"], each["code"], each.get("expression", [])) for each in outcome["issue"]]


def errors(response: Any) -> list[tuple[str, list[str]]]:
    return [(code, expression) for severity, code, expression in said(response) if severity == "error"]


def given(resource: Any = None, **more: str) -> Json:
    parts: list[Json] = [] if resource is None else [{"name": "resource", "resource": resource}]
    kinds = {"mode": "valueCode", "profile": "valueUri"}
    parts += [{"name": name, kinds[name]: value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": parts}


BAD = {"resourceType": "Patient", "gender": "banana", "nmae": []}


def test_a_resource_alone_or_in_parameters_is_judged_alike(api: Api) -> None:
    alone = api.post("/Patient/$validate", BAD)
    assert sorted(errors(alone)) == sorted(errors(api.post("/Patient/$validate", given(BAD))))
    assert {code for code, _ in errors(alone)} >= {"code-invalid", "structure"}
    assert ("code-invalid", ["Patient.gender"]) in errors(alone)


def test_a_valid_resource_has_no_error_and_nothing_is_stored(api: Api) -> None:
    assert errors(api.post("/Patient/$validate", patient(birthDate="1970-01-01"))) == []
    assert api.get("/Patient").json()["total"] == 0


def test_all_errors_are_told_at_once(api: Api) -> None:
    body = observation("Patient/a", status="banana", effectiveDateTime="soon", valueQuantity={"value": "5"})
    assert len(errors(api.post("/Observation/$validate", body))) == 3


def test_another_type_than_the_url_says_is_an_error_of_the_resource(api: Api) -> None:
    assert errors(api.post("/Patient/$validate", {"resourceType": "Observation"}))
    assert errors(api.post("/Patient/$validate", {"no": "type"}))


def test_a_stored_resource_is_validated_where_it_is(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    assert errors(api.get("/Patient/a/$validate")) == []
    assert errors(api.post("/Patient/a/$validate")) == []
    assert errors(api.get(f"/Patient/a/$validate?profile={LAB_PATIENT}")) != []
    assert api.get("/Patient/none/$validate").status_code == 404


def test_a_profile_is_held_against_it(api: Api) -> None:
    assert errors(api.post("/Patient/$validate", patient())) == []
    broken = api.post(f"/Patient/$validate?profile={LAB_PATIENT}", patient())
    assert ("required", ["Patient.identifier"]) in errors(broken)
    assert sorted(errors(broken)) == sorted(
        errors(api.post("/Patient/$validate", given(patient(), profile=LAB_PATIENT)))
    )
    unknown = api.post("/Patient/$validate?profile=http://nowhere.example/x", patient())
    assert errors(unknown) == [("not-found", ["http.profile"])]
    assert errors(api.post("/Patient/$validate", given(patient(), mode="profile"))) == [("required", ["http.profile"])]


def test_modes_try_whether_it_would_be_done(api: Api) -> None:
    dangling = observation("Patient/none")
    assert errors(api.post("/Observation/$validate", given(dangling))) == []
    created = errors(api.post("/Observation/$validate", given(dangling, mode="create")))
    assert created == [("not-found", ["Observation.subject.reference"])]
    api.put("/Patient/a", patient("a"))
    api.put("/Observation/o", observation("Patient/a", id="o"))
    assert errors(api.post("/Observation/$validate", given(observation("Patient/a"), mode="create"))) == []
    assert errors(api.post("/Patient/a/$validate", given(patient("a"), mode="update"))) == []
    assert errors(api.post("/Patient/a/$validate", given(patient("b"), mode="update"))) == [("value", ["Patient.id"])]
    assert errors(api.post("/Patient/$validate", given(patient(), mode="update"))) == [("required", ["Patient.id"])]
    assert [code for code, _ in errors(api.post("/Patient/a/$validate", given(mode="delete")))] == ["conflict"]
    assert errors(api.post("/Observation/o/$validate", given(mode="delete"))) == []
    history = api.get("/_history").json()
    assert history["total"] == 2


def test_what_the_caller_may_not_do_is_told_as_an_error(api: Api) -> None:
    reader = api.scoped("user/Patient.rs")
    assert errors(reader.post("/Patient/$validate", given(patient()))) == []
    assert [code for code, _ in errors(reader.post("/Patient/$validate", given(patient(), mode="create")))] == [
        "forbidden"
    ]


def test_a_parameters_resource_can_be_validated_itself(api: Api) -> None:
    fine = {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "y"}]}
    assert errors(api.post("/Parameters/$validate", fine)) == []
    assert errors(api.post("/Parameters/$validate", {"resourceType": "Parameters", "parameter": [{}]}))
    assert errors(api.post("/Parameters/$validate", given(fine))) == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/Patient/$validate", None, 400),
        ("/Patient/$validate", {"resourceType": "Parameters"}, 400),
        ("/Patient/$validate?mode=banana", patient(), 400),
        ("/Patient/$validate?nothing=1", patient(), 400),
        ("/Nothing/$validate", patient(), 404),
        ("/Patient/$validate", b"{", 400),
    ],
)
def test_a_request_that_cannot_be_understood_is_an_error_of_its_own(
    api: Api, path: str, body: Any, status: int
) -> None:
    response = api.call("POST", path, body, content_type="application/fhir+json")
    assert response.status_code == status
    assert response.json()["resourceType"] == "OperationOutcome"
