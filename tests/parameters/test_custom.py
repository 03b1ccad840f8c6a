"""Posted SearchParameters: checked on write, indexed at once, answered after a rebuild, gone when deleted."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from fhir_lab.search.registry import FIRST_CUSTOM
from fhir_lab.services import Services
from fhir_lab.storage.indexing import INDEX_TABLES
from fhir_lab.storage.tables import search_parameter
from tests.support.api import Api, issues, observation, patient
from tests.support.parameters import RACE, URL, parameter, rebuild

Json = dict[str, Any]
Another = Callable[[], Services]


@pytest.fixture
def api(services: Services) -> Iterator[Api]:
    api = Api(services)
    yield api
    api.close()


def ids(bundle: Json) -> list[str]:
    return sorted(entry["resource"]["id"] for entry in bundle.get("entry", []))


def found(api: Api, path: str) -> list[str]:
    response = api.get(path)
    assert response.status_code == 200, response.text
    return ids(response.json())


def put(api: Api, resource: Json) -> None:
    response = api.put(f"/{resource['resourceType']}/{resource['id']}", resource)
    assert response.status_code in (200, 201), response.text


def raced(patient_id: str, code: str | None, **more: Any) -> Json:
    """A Patient with a race extension."""
    extension = [{"url": RACE, "valueCoding": {"system": "urn:x", "code": code}}] if code else []
    return patient(patient_id, **({"extension": extension} if extension else {}), **more)


RACE_CODE = parameter("race", "token", f"Patient.extension.where(url = '{RACE}').value.as(Coding)")


def index_rows(services: Services) -> int:
    with services.database.read() as connection:
        return sum(
            connection.execute(
                select(func.count()).select_from(table).where(func.abs(table.c.param) > FIRST_CUSTOM)
            ).scalar_one()
            for table in INDEX_TABLES
        )


def test_it_is_refused_until_the_rebuild_and_then_exact(api: Api) -> None:
    for name, code in (("a", "1"), ("b", "2"), ("c", None)):
        put(api, raced(name, code))
    put(api, RACE_CODE)
    put(api, raced("d", "1"))
    refused = api.get("/Patient?race=1")
    assert (refused.status_code, issues(refused)) == (400, [("not-supported", ["http.race"])])
    assert f"Run: fhir-lab reindex --parameter {URL}race" in refused.text
    lenient = api.get("/Patient?race=1", Prefer="handling=lenient").json()
    assert lenient["total"] == 4
    assert "race" not in lenient["link"][0]["url"]

    assert rebuild(api.services) == 5
    assert found(api, "/Patient?race=1") == ["a", "d"]
    assert found(api, "/Patient?race=urn:x|2") == ["b"]
    assert found(api, "/Patient?race:missing=true") == ["c"]
    assert found(api, "/Patient?race:not=1") == ["b", "c"]
    assert [entry["resource"]["id"] for entry in api.get("/Patient?_sort=-race,_id").json()["entry"]] == [
        "b",
        "a",
        "d",
        "c",
    ]


def test_what_is_written_afterwards_is_indexed_by_every_process(api: Api, another: Another) -> None:
    other = Api(another())
    put(other, raced("old", "1"))  # the other process has its registry by now
    put(api, RACE_CODE)
    put(other, raced("new", "1"))
    rebuild(api.services, URL + "race")
    put(other, raced("old", "2"))
    put(other, raced("newer", "2"))
    for process in (api, other, Api(another())):
        assert found(process, "/Patient?race=2") == ["newer", "old"]
        assert found(process, "/Patient?race=1") == ["new"]
    other.delete("/SearchParameter/race")
    for process in (api, other):
        assert process.get("/Patient?race=1").status_code == 400
    assert "race" not in str(api.get("/metadata").json())


def test_a_deleted_one_leaves_no_rows_behind(api: Api) -> None:
    put(api, RACE_CODE)
    put(api, raced("a", "1"))
    rebuild(api.services)
    assert index_rows(api.services) == 1
    api.delete("/SearchParameter/race")
    put(api, raced("b", "1"))  # still indexed, so that nothing is left that no version has
    put(api, raced("a", "2"))
    assert index_rows(api.services) == 2
    rebuild(api.services)
    assert index_rows(api.services) == 0
    put(api, raced("a", "3"))
    assert index_rows(api.services) == 0
    with api.services.database.read() as connection:
        assert connection.execute(select(search_parameter)).all() == []


@pytest.mark.parametrize("change", [{"status": "retired"}, {"expression": "Patient.extension.value.as(Coding)"}])
def test_a_changed_one_needs_the_rebuild_again(api: Api, change: Json) -> None:
    put(api, RACE_CODE)
    put(api, raced("a", "1"))
    rebuild(api.services)
    put(api, RACE_CODE | {"description": "Only the words changed."})
    assert found(api, "/Patient?race=1") == ["a"]
    put(api, RACE_CODE | change)
    assert api.get("/Patient?race=1").status_code == 400
    rebuild(api.services)
    assert api.get("/Patient?race=1").status_code == (400 if "status" in change else 200)
    assert index_rows(api.services) == (0 if "status" in change else 1)


def test_each_kind_is_answered(api: Api) -> None:
    ours = "http://x"
    grams = {"value": 5, "system": "http://unitsofmeasure.org", "code": "g"}
    kinds: dict[str, tuple[str, Any, str, str]] = {
        "token": ("valueCode", "abc", "abc", "abd"),
        "string": ("valueString", "Müller", "mull", "mulx"),
        "date": ("valueDate", "2026-02-03", "ge2026-02", "lt2026-02"),
        "number": ("valueDecimal", 1.5, "gt1", "gt2"),
        "quantity": ("valueQuantity", grams, "5000|http://unitsofmeasure.org|mg", "gt5"),
        "reference": ("valueReference", {"reference": "Patient/target"}, "Patient/target", "Patient/p"),
        "uri": ("valueUri", "http://a/b", "http://a/b", "http://a"),
    }
    put(api, patient("target", active=True))
    for kind in kinds:
        put(api, parameter(f"own-{kind}", kind, f"Patient.extension('{ours}/{kind}').value"))
    put(api, patient("p", extension=[{"url": f"{ours}/{kind}", row[0]: row[1]} for kind, row in kinds.items()]))
    put(api, patient("q", extension=[{"url": f"{ours}/{kind}", "valueMarkdown": "5"} for kind in kinds]))
    rebuild(api.services)
    for kind, (_, _, hit, miss) in kinds.items():
        assert found(api, f"/Patient?own-{kind}={hit}") == ["p"], kind
        assert found(api, f"/Patient?own-{kind}={miss}") == [], kind
    assert found(api, "/Patient?own-reference:Patient.active=true") == ["p"]
    assert found(api, "/Patient?_has:Patient:own-reference:own-token=abc") == ["target"]
    assert found(api, "/Patient?_id=p&_include=Patient:own-reference") == ["p", "target"]
    assert found(api, "/Patient?_id=target&_revinclude=Patient:own-reference") == ["p", "target"]
    assert found(api, "/Patient?_id=p&_include=*") == ["p", "target"]
    assert api.delete("/Patient/target").status_code == 409


def test_a_composite_pairs_within_its_element(api: Api) -> None:
    put(api, parameter(
        "contact-city-family", "composite", "Patient.contact",
        component=[
            {"definition": "http://hl7.org/fhir/SearchParameter/individual-address-city", "expression": "address.city"},
            {"definition": "http://hl7.org/fhir/SearchParameter/individual-family|4.0.1", "expression": "name.family"},
        ],
    ))  # fmt: skip
    put(api, parameter(
        "gender-born", "composite", "Patient",
        component=[
            {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "gender"},
            {"definition": "http://hl7.org/fhir/SearchParameter/individual-birthdate", "expression": "birthDate"},
        ],
    ))  # fmt: skip
    contact = [
        {"address": {"city": "Ulm"}, "name": {"family": "Roth"}},
        {"address": {"city": "Bonn"}, "name": {"family": "Weiss"}},
    ]
    put(api, patient("p", contact=contact, gender="male", birthDate="1980-05-01"))
    rebuild(api.services)
    assert found(api, "/Patient?contact-city-family=ulm$roth") == ["p"]
    assert found(api, "/Patient?contact-city-family=bonn$roth") == []
    assert found(api, "/Patient?gender-born=male$lt1990") == ["p"]
    assert found(api, "/Patient?gender-born=female$lt1990") == []
    api.delete("/SearchParameter/contact-city-family")
    rebuild(api.services)
    assert found(api, "/Patient?gender-born=male$1980") == ["p"]


def test_one_for_several_types_takes_the_paths_of_each(api: Api) -> None:
    several = parameter("lang", "token", "Patient.communication.language | Practitioner.communication")
    put(api, several | {"base": ["Patient", "Practitioner"]})
    language = {"coding": [{"code": "de"}]}
    put(api, patient("p", communication=[{"language": language}]))
    put(api, {"resourceType": "Practitioner", "id": "d", "communication": [language]})
    rebuild(api.services, URL + "lang")
    assert found(api, "/Patient?lang=de") == ["p"]
    assert found(api, "/Practitioner?lang=de") == ["d"]
    assert found(api, "/?_type=Patient,Practitioner&lang=de") == ["d", "p"]


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"expression": "Patient.nothing"}, "SearchParameter.expression", "Patient has no element nothing"),
        ({"expression": "Patient.name.repeat(given)"}, "SearchParameter.expression", "repeat() is not in the subset"),
        ({"expression": "Observation.code"}, "SearchParameter.expression", "no path begins at Patient"),
        ({"expression": "Patient.name"}, "SearchParameter.expression", "HumanName, which a token"),
        ({"expression": "(" * 900 + "Patient.id" + ")" * 900}, "SearchParameter.expression", "too wide"),
        ({"expression": "(" * 450 + "Patient.id" + ")" * 450}, "SearchParameter.expression", "cannot be read"),
        ({"expression": "Patient" + ".extension.value" * 3}, "SearchParameter.expression", "too wide"),
        ({"code": "gender"}, "SearchParameter.code", "http://hl7.org/fhir/SearchParameter/individual-gender"),
        ({"code": "_count"}, "SearchParameter.code", "after a letter"),
        ({"code": "combo-x"}, "SearchParameter.code", "not combo-"),
        ({"code": "a.b"}, "SearchParameter.code", "after a letter"),
        ({"type": "special"}, "SearchParameter.type", "not supported"),
        ({"type": "composite"}, "SearchParameter.component", "two components"),
        ({"expression": None}, "SearchParameter.expression", "needed"),
    ],
)  # fmt: skip
def test_what_cannot_be_indexed_is_refused_with_the_reason(api: Api, change: Json, where: str, said: str) -> None:
    body = {name: value for name, value in (RACE_CODE | change).items() if value is not None}
    refused = api.put("/SearchParameter/race", body)
    assert refused.status_code == 422, refused.text
    assert where in issues(refused)[0][1]
    assert said in refused.text
    assert api.get("/SearchParameter/race").status_code == 404


def test_a_composite_of_nothing_known_is_refused(api: Api) -> None:
    part = {"definition": URL + "nothing", "expression": "name"}
    body = parameter("x", "composite", "Patient.contact", component=[part, part])
    assert issues(api.put("/SearchParameter/x", body))[0] == ("not-found", ["SearchParameter.component[0].definition"])
    deep = body | {"expression": "Patient.contact.telecom"}
    assert "repeats within what repeats" in api.put("/SearchParameter/x", deep).text


def test_two_resources_cannot_define_the_same_code(api: Api) -> None:
    put(api, RACE_CODE)
    other = RACE_CODE | {"id": "other", "url": URL + "other"}
    assert issues(api.put("/SearchParameter/other", other)) == [("duplicate", ["SearchParameter.code"])]
    assert api.put("/SearchParameter/other", other | {"base": ["Person"], "expression": "Person.id"}).status_code == 201
    twice = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": RACE_CODE | {"code": "two", "id": name},
                "request": {"method": "PUT", "url": f"SearchParameter/{name}"},
            }
            for name in ("t1", "t2")
        ],
    }  # fmt: skip
    assert api.post("/", twice).status_code == 409


def test_one_that_repeats_a_parameter_of_r4_changes_nothing(api: Api) -> None:
    given = api.get("/SearchParameter/individual-given").json()
    put(api, given)
    derived = parameter("us-name", "string", "Patient.name") | {
        "code": "name",
        "derivedFrom": "http://hl7.org/fhir/SearchParameter/Patient-name",
    }
    put(api, derived)
    with api.services.database.read() as connection:
        assert connection.execute(select(search_parameter)).all() == []


def test_it_is_told_of_once_it_is_usable(api: Api, another: Another) -> None:
    def told() -> list[str]:
        rows = api.get("/metadata").json()["rest"][0]["resource"]
        (row,) = [row for row in rows if row["type"] == "Patient"]
        return [found["definition"] for found in row["searchParam"] if found["name"] == "race"]

    def in_openapi() -> bool:
        return (
            "race" in api.call("GET", "http://127.0.0.1:8000/openapi/Patient.json").json()["components"]["parameters"]
        )

    put(api, RACE_CODE)
    assert (told(), in_openapi()) == ([], False)
    rebuild(another())
    assert (told(), in_openapi()) == ([URL + "race"], True)
    assert found(api, f"/SearchParameter?url={URL}race") == ["race"]


def test_conditions_and_scopes_use_it(api: Api, another: Another) -> None:
    put(api, RACE_CODE)
    put(api, raced("a", "1"))
    put(api, raced("b", "2"))
    rebuild(api.services)
    assert api.put("/Patient?race=1", raced("a", "1", active=True)).status_code == 200
    narrow = Api(another()).scoped("user/Patient.rs?race=2")
    assert found(narrow, "/Patient?race=1,2") == ["b"]
    assert narrow.get("/Patient/a").status_code == 403


def test_a_rolled_back_one_is_not_remembered(api: Api) -> None:
    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": RACE_CODE, "request": {"method": "PUT", "url": "SearchParameter/race"}},
            {"request": {"method": "GET", "url": "Patient?nonsense=1"}},
        ],
    }
    assert api.post("/", body).status_code == 400
    put(api, raced("a", "1"))
    assert index_rows(api.services) == 0
    assert "has no search parameter 'race'" in api.get("/Patient?race=1").text


def test_a_hot_type_is_rebuilt_too(api: Api) -> None:
    put(api, patient("p"))
    put(api, observation("Patient/p", id="o", method={"text": "x", "coding": [{"code": "pcr"}]}))
    put(api, parameter("how", "token", "Observation.method", "Observation"))
    assert rebuild(api.services, resource_type="Patient") == 1
    assert api.get("/Observation?how=pcr").status_code == 400
    assert rebuild(api.services, resource_type="Observation") == 1
    assert found(api, "/Observation?how=pcr&code=718-7&patient=p") == ["o"]


def test_identifiers_are_found_by_their_type_and_leave_nothing_behind(api: Api) -> None:
    kind = {"coding": [{"system": "urn:types", "code": "MR"}]}
    put(api, patient("p", contact=[{"organization": {"identifier": {"type": kind, "value": "42"}}}]))
    put(api, parameter("own-id", "token", "Patient.contact.organization.identifier"))
    rebuild(api.services, URL + "own-id")
    assert found(api, "/Patient?own-id:of-type=urn:types|MR|42") == ["p"]
    rebuild(api.services, URL + "own-id")
    assert index_rows(api.services) == 2
    api.delete("/SearchParameter/own-id")
    rebuild(api.services)
    assert index_rows(api.services) == 0
