"""create, also conditional, and what Prefer makes of the answer."""

import pytest

from tests.support.api import BASE, Api, issues, patient


def test_a_create_answers_201_with_the_resource_and_where_it_is(api: Api) -> None:
    made = api.post("/Patient", patient("ignored", active=True, meta={"versionId": "9", "tag": [{"code": "x"}]}))
    resource = made.json()
    assert made.status_code == 201
    assert resource["id"] != "ignored"
    assert resource["meta"]["versionId"] == "1"
    assert resource["meta"]["tag"] == [{"code": "x"}]
    assert made.headers["location"] == f"{BASE}/Patient/{resource['id']}/_history/1"
    assert (made.headers["etag"], "last-modified" in made.headers) == ('W/"1"', True)
    assert api.get(made.headers["location"]).content == made.content


def test_the_client_chooses_how_much_comes_back(api: Api) -> None:
    minimal = api.post("/Patient", patient(), Prefer="return=minimal")
    assert (minimal.status_code, minimal.content, minimal.headers["etag"]) == (201, b"", 'W/"1"')
    assert minimal.headers["preference-applied"] == "return=minimal"
    told = api.post("/Patient", patient(), Prefer="return=OperationOutcome")
    assert (told.status_code, issues(told)) == (201, [("informational", [])])
    assert api.post("/Patient", patient(), Prefer="return=representation").json()["resourceType"] == "Patient"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"resourceType":"Observation"}', ["Patient.resourceType"]),
        (b"{}", ["Patient.resourceType"]),
        (b"[]", []),
        (b'"text"', []),
    ],
)
def test_a_body_that_is_no_such_resource_is_400(api: Api, body: bytes, where: list[str]) -> None:
    refused = api.post("/Patient", body, Content_Type="application/json")
    assert (refused.status_code, issues(refused)) == (400, [("invalid", where)])


def test_all_errors_of_a_resource_come_in_one_answer_with_their_paths(api: Api) -> None:
    body = {"resourceType": "Observation", "status": "banana", "foo": 1, "code": {"text": "x"}}
    refused = api.post("/Observation", body)
    assert refused.status_code == 400
    assert {place for _, expression in issues(refused) for place in expression} == {
        "Observation.status",
        "Observation.foo",
    }


def test_a_reference_to_nothing_is_422_and_names_the_element(api: Api) -> None:
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/no"},
    }
    refused = api.post("/Observation", body)
    assert refused.status_code == 422
    assert issues(refused)[0][1] == ["Observation.subject.reference"]


def test_if_none_exist_creates_once_and_then_finds(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    criteria = "identifier=urn:mrn|1"
    first = api.post("/Patient", body, If_None_Exist=criteria)
    second = api.post("/Patient", body, If_None_Exist=criteria)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["etag"] == 'W/"1"'
    assert second.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("criteria", ["?identifier=urn:mrn|1", "Patient?identifier=urn:mrn%7C1"])
def test_if_none_exist_is_understood_as_the_end_of_a_url(api: Api, criteria: str) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    first = api.post("/Patient", body, If_None_Exist="identifier=urn:mrn|1")
    second = api.post("/Patient", body, If_None_Exist=criteria)
    assert (first.status_code, second.status_code) == (201, 200)


def test_criteria_in_the_url_mean_the_same(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    first, second = (api.post("/Patient?identifier=urn:mrn%7C1", body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert api.post("/Patient?nonsense=1", body).status_code == 400
    assert api.post("/Patient", body, If_None_Exist="?").status_code == 400


def test_if_none_exist_that_several_match_is_412(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    api.post("/Patient", body)
    api.post("/Patient", body)
    refused = api.post("/Patient", body, If_None_Exist="identifier=urn:mrn|1")
    assert (refused.status_code, issues(refused)[0][0]) == (412, "multiple-matches")


def test_if_none_exist_is_always_strict(api: Api) -> None:
    refused = api.post("/Patient", patient(), If_None_Exist="nonsense=1", Prefer="handling=lenient")
    assert refused.status_code == 400


def test_a_caller_who_may_not_read_does_not_see_what_a_condition_matched(api: Api) -> None:
    body = patient(identifier=[{"system": "urn:mrn", "value": "1"}])
    api.post("/Patient", body)
    found = api.scoped("user/Patient.cs").post("/Patient", body, If_None_Exist="identifier=urn:mrn|1")
    assert (found.status_code, found.content) == (200, b"")
