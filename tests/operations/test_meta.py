"""$meta, $meta-add and $meta-delete. https://hl7.org/fhir/R4/resource-operation-meta.html"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import Api, Json, patient

TAG = {"system": "http://tags.example", "code": "checked"}
OTHER = {"system": "http://tags.example", "code": "other"}
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def _labels(response: Json) -> Json:
    [found] = response["parameter"]
    assert found["name"] == "return"
    return {name: value for name, value in found["valueMeta"].items() if name in ("profile", "security", "tag")}


def _given(**labels: list[object]) -> Json:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": labels}]}


def test_meta_of_an_instance_is_its_meta(api: Api) -> None:
    api.put("/Patient/a", {**patient("a"), "meta": {"tag": [TAG]}})
    found = api.get("/Patient/a/$meta").json()
    assert _labels(found) == {"tag": [TAG]}
    assert found["parameter"][0]["valueMeta"]["versionId"] == "1"
    assert api.post("/Patient/a/$meta").json() == found


def test_meta_of_a_type_and_of_the_system_are_the_labels_in_use(api: Api) -> None:
    api.put("/Patient/a", {**patient("a"), "meta": {"tag": [TAG]}})
    api.put("/Patient/b", {**patient("b"), "meta": {"tag": [TAG, OTHER], "security": [LABEL]}})
    api.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "O", "meta": {"tag": [OTHER]}})
    assert _labels(api.get("/Organization/$meta").json()) == {"tag": [OTHER]}
    assert _labels(api.get("/$meta").json()) == {"security": [LABEL], "tag": [TAG, OTHER]}
    api.delete("/Patient/b")
    assert _labels(api.get("/Patient/$meta").json()) == {"tag": [TAG]}


def test_meta_of_a_type_tells_only_of_what_the_caller_may_read(api: Api) -> None:
    api.put("/Patient/a", {**patient("a"), "meta": {"tag": [TAG]}})
    api.put("/Patient/b", {**patient("b"), "meta": {"tag": [OTHER]}})
    mine = api.scoped("patient/Patient.rs", patient="a")
    assert _labels(mine.get("/Patient/$meta").json()) == {"tag": [TAG]}
    assert mine.get("/Patient/b/$meta").status_code == 403
    assert mine.get("/Observation/$meta").status_code == 403


def test_labels_are_added_as_a_new_version_and_taken_away_again(api: Api) -> None:
    api.put("/Patient/a", {**patient("a"), "meta": {"tag": [TAG]}})
    added = api.post("/Patient/a/$meta-add", _given(tag=[TAG, OTHER], security=[LABEL]))
    assert (added.status_code, _labels(added.json())) == (200, {"tag": [TAG, OTHER], "security": [LABEL]})
    assert api.get("/Patient?_tag=http://tags.example|other").json()["total"] == 1
    again = api.post("/Patient/a/$meta-add", _given(tag=[OTHER])).json()
    assert again["parameter"][0]["valueMeta"]["versionId"] == "2"
    left = api.post("/Patient/a/$meta-delete", _given(tag=[TAG], security=[LABEL])).json()
    assert _labels(left) == {"tag": [OTHER]}
    stored = api.get("/Patient/a").json()
    assert {name: value for name, value in stored.items() if name != "meta"} == patient("a")


def test_labels_added_at_the_same_time_are_all_kept(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    tags = [{"system": "http://tags.example", "code": f"t{number}"} for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda tag: api.post("/Patient/a/$meta-add", _given(tag=[tag])), tags))
    assert [answer.status_code for answer in answers] == [200] * 8
    found = _labels(api.get("/Patient/a/$meta").json())["tag"]
    assert sorted(tag["code"] for tag in found) == [tag["code"] for tag in tags]


def test_adding_labels_needs_the_right_to_update(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    assert api.scoped("user/Patient.rs").post("/Patient/a/$meta-add", _given(tag=[TAG])).status_code == 403


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"resourceType": "Parameters"}, "'meta' is missing"),
        ({"resourceType": "Parameters", "parameter": [{"name": "meat", "valueMeta": {}}]}, "Parameters"),
        ({"resourceType": "Parameters", "parameter": [{"name": "mata", "valueString": "x"}]}, "Did you mean 'meta'?"),
        ({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueString": "x"}]}, "'meta' is a Meta"),
        ({"resourceType": "Patient"}, "takes a body of type Parameters"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_told(api: Api, body: Json, text: str) -> None:
    api.put("/Patient/a", patient("a"))
    response = api.post("/Patient/a/$meta-add", body)
    assert response.status_code == 400
    assert text in str(response.json())


def test_the_wrong_level_method_type_and_name_are_refused(api: Api) -> None:
    assert api.get("/Patient/a/$meta-add").status_code == 405
    assert api.get("/Patient/a/$meta-add").headers["allow"] == "OPTIONS, POST"
    assert api.get("/Patient/$meta-add").status_code == 404
    assert api.get("/Nothing/$meta").status_code == 404
    assert "Did you mean '$meta'?" in str(api.get("/Patient/a/$mata").json())
    assert api.get("/$meta?x=1").status_code == 400
