"""_summary and _elements."""

from collections.abc import Iterator

import pytest

from fhir_lab.interactions.subset import SUBSETTED, cut_of
from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.api import Api, Json, issues

OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {"tag": [{"code": "mine"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">K</div>'},
    "status": "final",
    "code": {"text": "Potassium"},
    "effectiveDateTime": "2026-01-01",
    "note": [{"text": "haemolytic"}],
}
BODY = (
    b'{"resourceType":"Observation","id":"o","meta":{"tag":[{"code":"mine"}]},"text":{"status":"generated","div":'
    b'"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">K</div>"},"status":"final","code":{"text":"Potassium"},'
    b'"effectiveDateTime":"2026-01-01","valueQuantity":{"value":6.30},"note":[{"text":"haemolytic"}]}'
)
ALWAYS = {"resourceType", "id", "meta", "status", "code"}
WHOLE = {*ALWAYS, "text", "effectiveDateTime", "valueQuantity", "note"}


@pytest.fixture
def api(sqlite_services: Services) -> Iterator[Api]:
    """The app on SQLite with one Observation: none of this depends on the database."""
    api = Api(sqlite_services)
    assert api.put("/Observation/o", BODY, Content_Type="application/json").status_code == 201
    yield api
    api.close()


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("_elements=effective", {*ALWAYS, "effectiveDateTime"}),
        ("_elements=value,note", {*ALWAYS, "valueQuantity", "note"}),
        ("_elements=Observation.note", {*ALWAYS, "note"}),
        ("_summary=true", {*ALWAYS, "effectiveDateTime", "valueQuantity"}),
        ("_summary=text", {*ALWAYS, "text"}),
        ("_summary=data", WHOLE - {"text"}),
    ],
)
@pytest.mark.parametrize("path", ["/Observation/o?", "/Observation/o/_history/1?", "/Observation?_id=o&"])
def test_a_part_has_what_was_asked_for_and_what_is_mandatory_and_says_so(
    api: Api, path: str, query: str, kept: set[str]
) -> None:
    answer = api.get(path + query)
    assert answer.status_code == 200
    found = answer.json()
    resource = found["entry"][0]["resource"] if found["resourceType"] == "Bundle" else found
    assert set(resource) == kept
    assert resource["meta"]["tag"] == [{"code": "mine"}, SUBSETTED]
    assert resource["meta"]["versionId"] == "1"
    assert (b"6.30" in answer.content) is ("valueQuantity" in kept)


@pytest.mark.parametrize("query", ["_summary=false", "_summary=", "_elements="])
def test_nothing_is_cut_where_nothing_was_asked(api: Api, query: str) -> None:
    assert api.get(f"/Observation/o?{query}").content == api.get("/Observation/o").content


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("_summary=short", "http._summary"),
        ("_elements=nonsense", "http._elements"),
        ("_elements=status&_summary=true", "http._elements"),
    ],
)
@pytest.mark.parametrize("path", ["/Observation/o", "/Observation"])
def test_what_cannot_be_cut_is_refused(api: Api, path: str, query: str, where: str) -> None:
    refused = api.get(f"{path}?{query}")
    assert (refused.status_code, issues(refused)[0][1]) == (400, [where])


def test_links_keep_the_parameter(api: Api) -> None:
    [link] = [each for each in api.get("/Observation?_elements=status").json()["link"] if each["relation"] == "self"]
    assert "_elements=status" in link["url"]


def test_a_part_is_not_stored_over_the_whole(api: Api) -> None:
    part = api.get("/Observation/o?_elements=status").json()
    refused = api.put("/Observation/o", part)
    assert (refused.status_code, issues(refused)) == (400, [("invalid", ["Observation.meta.tag"])])


def test_elements_speak_of_the_searched_type_only(api: Api) -> None:
    api.put("/Patient/p", {"resourceType": "Patient", "id": "p", "active": True, "birthDate": "1980-01-01"})
    api.put("/Observation/o", OBSERVATION | {"subject": {"reference": "Patient/p"}})
    bundle = api.get("/Observation?_include=Observation:subject&_elements=subject").json()
    match, included = (each["resource"] for each in bundle["entry"])
    assert set(match) == {*ALWAYS, "subject"}
    assert included == api.get("/Patient/p").json()
    _, included = (
        each["resource"] for each in api.get("/Observation?_include=Observation:subject&_summary=true").json()["entry"]
    )
    assert set(included) == {"resourceType", "id", "meta", "active", "birthDate"}


def test_every_type_can_be_summarised(sqlite_services: Services) -> None:
    for resource_type in sqlite_services.registry.types:
        cut = cut_of([("_summary", "true")], resource_type)
        assert cut is not None
        assert cut({"resourceType": resource_type, "id": "x", "nonsense": 1}) == {
            "resourceType": resource_type,
            "id": "x",
        }
    with pytest.raises(BadRequest, match="Did you mean 'status'"):
        cut_of([("_elements", "statos")], "Observation")
