"""_summary and _elements."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from fhir_lab.documents import dumps, parse
from fhir_lab.interactions.subset import SUBSETTED, cut_of, reduced
from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.any_documents import TYPES, AnyDocument
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
        ("_elements= id , meta", ALWAYS),
        ("_summary=true", {*ALWAYS, "effectiveDateTime", "valueQuantity"}),
        ("_summary=text", {*ALWAYS, "text"}),
        ("_summary=data", WHOLE - {"text"}),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        *("/Observation/o?", "/Observation/o/_history/1?", "/Observation?_id=o&"),
        *("/Observation/o/_history?", "/Observation/_history?", "/_history?"),
    ],
)
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
        ("_elements=code.text", "http._elements"),
        ("_elements=status&_elements=code", "http._elements"),
        ("_elements=status&_summary=true", "http._elements"),
    ],
)
@pytest.mark.parametrize("path", ["/Observation/o", "/Observation", "/Observation/o/_history", "/_history"])
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


def test_a_summary_goes_down_into_the_elements() -> None:
    cut = cut_of([("_summary", "true")], "DocumentReference")
    assert cut is not None
    attachment = {"contentType": "text/plain", "data": "eA==", "url": "http://example.org/x", "title": "x"}
    whole: Json = {
        "resourceType": "DocumentReference",
        "id": "d",
        "meta": {"source": "urn:x"},
        "extension": [{"url": "http://example.org/x", "valueCode": "x"}],
        "status": "current",
        "_status": {"extension": [{"url": "http://example.org/y", "valueCode": "y"}]},
        "content": [{"id": "c", "attachment": attachment, "format": {"code": "f"}}],
        "context": {"event": [{"text": "not in a summary"}]},
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/e"}}],
    }
    assert cut(whole) == {
        "resourceType": "DocumentReference",
        "id": "d",
        "meta": {"source": "urn:x"},
        "status": "current",
        "_status": whole["_status"],
        "content": [
            {
                "id": "c",
                "attachment": {"contentType": "text/plain", "url": "http://example.org/x", "title": "x"},
                "format": {"code": "f"},
            }
        ],
        "relatesTo": whole["relatesTo"],
    }


def test_a_summary_of_an_observation_has_no_ranges_in_its_components() -> None:
    cut = cut_of([("_summary", "true")], "Observation")
    assert cut is not None
    component = {"code": {"text": "a"}, "valueQuantity": {"value": 1, "unit": "x"}, "_valueString": {"id": "v"}}
    more = {"interpretation": [{"text": "high"}], "referenceRange": [{"text": "0-1"}]}
    value = {"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": "1 2 3"}
    whole = OBSERVATION | {
        "component": [component | more],
        "valueSampledData": value,
        "referenceRange": [{"text": "0"}],
    }
    found = cut(whole)
    assert found["component"] == [component]
    assert found["valueSampledData"] == {"origin": {"value": 0}, "period": 1, "dimensions": 1}
    assert "referenceRange" not in found


def test_a_resource_inside_a_summary_stays_whole() -> None:
    cut = cut_of([("_summary", "true")], "Bundle")
    assert cut is not None
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": OBSERVATION}]}
    assert cut(bundle) == bundle


def test_the_summary_of_every_document_is_a_part_of_it_and_never_empty() -> None:
    def checked(part: Any, whole: Any) -> None:
        assert type(part) is type(whole)
        if isinstance(part, dict):
            assert part
            for name, child in part.items():
                checked(child, whole[name])
        elif isinstance(part, list):
            assert 0 < len(part) <= len(whole)
            if len(part) == len(whole):
                for child, other in zip(part, whole, strict=True):
                    checked(child, other)
        else:
            assert part == whole

    for name in TYPES:
        cut = cut_of([("_summary", "true")], name)
        assert cut is not None
        for seed in range(3):
            whole = AnyDocument(Random(seed)).resource(name)
            checked(cut(whole), whole)


def test_a_history_can_be_counted(api: Api) -> None:
    counted = api.get("/Observation/o/_history?_summary=count").json()
    assert (counted["total"], "entry" in counted) == (1, False)


def test_links_of_a_history_keep_what_was_asked_for(api: Api) -> None:
    api.put("/Observation/o", OBSERVATION)
    first = api.get("/Observation/o/_history?_elements=note&_count=1").json()
    [following] = [each["url"] for each in first["link"] if each["relation"] == "next"]
    second = api.get(following).json()
    for page in (first, second):
        assert set(page["entry"][0]["resource"]) == {*ALWAYS, "note"}


def test_nested_elements_are_refused_with_the_reason() -> None:
    with pytest.raises(BadRequest, match="Only elements at the top"):
        cut_of([("_elements", "name.family")], "Patient")


def test_a_part_is_tagged_once() -> None:
    def tags(content: str) -> Any:
        return parse(reduced(content, lambda resource: resource))["meta"]["tag"]

    assert tags('{"resourceType":"Patient"}') == [SUBSETTED]
    tagged = dumps({"resourceType": "Patient", "meta": {"tag": [SUBSETTED]}}).decode()
    assert tags(tagged) == [SUBSETTED]
