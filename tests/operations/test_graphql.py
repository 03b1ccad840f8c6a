"""$graphql: read, search, references and FHIR's directives. https://hl7.org/fhir/R4/graphql.html"""

import json
from typing import Any

import pytest

from tests.support.api import Api, Json, observation, patient

NAMES = [
    {"use": "official", "family": "Okoye", "given": ["Amara", "Grace"]},
    {"use": "nickname", "given": ["Mara"]},
]


def asked(api: Api, query: str, path: str = "", **variables: Any) -> Json:
    body: Json = {"query": query, "variables": variables}
    response = api.post(f"{path}/$graphql", body)
    assert response.headers["content-type"].startswith("application/json")
    found: Json = response.json()
    assert response.status_code == (200 if "data" in found else 400)
    return found


def data(api: Api, query: str, path: str = "", **variables: Any) -> Json:
    found = asked(api, query, path, **variables)
    assert "errors" not in found, found
    answer: Json = found["data"]
    return answer


def message(found: Json) -> str:
    [error] = found["errors"]
    text: str = error["message"]
    return text


@pytest.fixture
def people(api: Api) -> Api:
    api.put("/Practitioner/dr", {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Weller"}]})
    api.put("/Patient/a", patient("a", name=NAMES, birthDate="1970-01-01", active=True))
    api.put("/Patient/b", patient("b", name=[{"family": "Braun"}]))
    for number in range(3):
        value = {"value": number + 1, "unit": "mmol/L"}
        body = observation(
            "Patient/a", id=f"o{number}", valueQuantity=value, effectiveDateTime=f"2026-01-0{number + 1}"
        )
        api.put(f"/Observation/o{number}", body | {"performer": [{"reference": "Practitioner/dr"}]})
    return api


def test_one_resource_is_read_by_its_id(people: Api) -> None:
    query = '{ Patient(id: "a") { id active birthDate name { use given family } gender } }'
    assert data(people, query) == {
        "Patient": {
            "id": "a",
            "active": True,
            "birthDate": "1970-01-01",
            "name": [
                {"use": "official", "given": ["Amara", "Grace"], "family": "Okoye"},
                {"use": "nickname", "given": ["Mara"]},
            ],
        }
    }


def test_an_instance_is_asked_without_naming_it(people: Api) -> None:
    assert data(people, "{ id name { family } }", "/Patient/b") == {"id": "b", "name": [{"family": "Braun"}]}
    got = people.get("/Patient/b/$graphql?query={id}")
    assert got.json() == {"data": {"id": "b"}}


def test_the_query_may_be_the_body(people: Api) -> None:
    response = people.post("/Patient/b/$graphql", b"{ id }", content_type="application/graphql")
    assert response.json() == {"data": {"id": "b"}}
    refused = people.post("/Patient/b/$meta", b"{ id }", content_type="application/graphql")
    assert refused.status_code == 415


def test_it_has_no_place_in_a_bundle(people: Api) -> None:
    entry = {"request": {"method": "GET", "url": "Patient/b/$graphql?query={id}"}}
    batch = people.post("/", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert batch["entry"][0]["response"]["status"].startswith("400")


def test_decimals_keep_their_digits(people: Api) -> None:
    text = json.dumps(observation("Patient/a", id="exact", valueQuantity={"value": 0})).replace(": 0}", ": 6.30}")
    people.call("PUT", "/Observation/exact", text.encode(), content_type="application/fhir+json")
    response = people.post("/Observation/exact/$graphql", {"query": "{ valueQuantity { value } }"})
    assert response.text == '{"data":{"valueQuantity":{"value":6.30}}}'


def test_a_list_is_a_search_with_its_parameters(people: Api) -> None:
    query = '{ ObservationList(patient: "a", date: "ge2026-01-02", _sort: "-date") { id valueQuantity { value } } }'
    assert data(people, query) == {
        "ObservationList": [{"id": "o2", "valueQuantity": {"value": 3}}, {"id": "o1", "valueQuantity": {"value": 2}}]
    }
    assert data(people, '{ PatientList(birthdate: "1970-01-01") { id } }') == {"PatientList": [{"id": "a"}]}
    by_quantity = data(people, '{ ObservationList(value_quantity: ["gt1", "lt3"]) { id } }')
    assert by_quantity == {"ObservationList": [{"id": "o1"}]}


def test_a_connection_tells_the_count_and_leads_to_further_pages(people: Api) -> None:
    query = """query Page($at: String) { ObservationConnection(patient: "a", _count: 2, _sort: "date", _cursor: $at) {
        count pagesize next previous edges { mode resource { id } } } }"""
    first = data(people, query)["ObservationConnection"]
    assert (first["count"], first["pagesize"]) == (3, 2)
    assert first["edges"] == [{"mode": "match", "resource": {"id": "o0"}}, {"mode": "match", "resource": {"id": "o1"}}]
    assert "previous" not in first
    second = data(people, query, at=first["next"])["ObservationConnection"]
    assert [edge["resource"]["id"] for edge in second["edges"]] == ["o2"]
    assert second["previous"]


def test_references_are_followed(people: Api) -> None:
    query = """{ Observation(id: "o0") { subject { reference resource { ... on Patient { birthDate } } }
        performer { resource { resourceType ... on Practitioner { name { family } } ... on Patient { gender } } } } }"""
    assert data(people, query)["Observation"] == {
        "subject": {"reference": "Patient/a", "resource": {"birthDate": "1970-01-01"}},
        "performer": [{"resource": {"resourceType": "Practitioner", "name": [{"family": "Weller"}]}}],
    }
    typed = '{ Observation(id: "o0") { subject { resource(type: Practitioner) { id } } } }'
    assert data(people, typed) == {"Observation": {"subject": {}}}


def test_a_reference_that_leads_nowhere_is_an_error_unless_it_is_optional(people: Api) -> None:
    body = observation("Patient/a", id="away", specimen={"reference": "http://elsewhere.example/Specimen/1"})
    people.put("/Observation/away", body)
    found = asked(people, "{ status specimen { resource { id } } }", "/Observation/away")
    assert found["data"] == {"status": "final", "specimen": {"resource": None}}
    assert found["errors"][0]["path"] == ["specimen", "resource"]
    assert found["errors"][0]["locations"] == [{"line": 1, "column": 21}]
    optional = "{ status specimen { resource(optional: true) { id } } }"
    assert data(people, optional, "/Observation/away") == {"status": "final", "specimen": {}}


def test_what_refers_to_a_resource_is_listed_inside_of_it(people: Api) -> None:
    query = '{ id ObservationList(_reference: subject, date: "2026-01-02") { id } }'
    assert data(people, query, "/Patient/a") == {"id": "a", "ObservationList": [{"id": "o1"}]}
    assert "_reference" in message(asked(people, "{ ObservationList { id } }", "/Patient/a"))


def test_arguments_choose_from_a_list(people: Api) -> None:
    query = """{ official: name(use: "official") { family } second: name(_offset: 1, _count: 1) { given }
        two: name(fhirpath: "given.count() = 2") { use } }"""
    assert data(people, query, "/Patient/a") == {
        "official": [{"family": "Okoye"}],
        "second": [{"given": ["Mara"]}],
        "two": [{"use": "official"}],
    }


def test_fhirs_directives_shape_the_answer(people: Api) -> None:
    assert data(people, "{ name @first { given @first } }", "/Patient/a") == {"name": [{"given": ["Amara"]}]}
    assert data(people, "{ name @first @singleton { given } }", "/Patient/a") == {"name": {"given": ["Amara", "Grace"]}}
    assert data(people, "{ name @flatten { given family @singleton } }", "/Patient/a") == {
        "given": ["Amara", "Grace", "Mara"],
        "family": "Okoye",
    }
    sliced = '{ name @slice(path: "use") @singleton { use given @first @singleton } }'
    assert data(people, sliced, "/Patient/a") == {
        "name.official": {"use": "official", "given": "Amara"},
        "name.nickname": {"use": "nickname", "given": "Mara"},
    }
    assert "@singleton" in message(asked(people, "{ name @singleton { use } }", "/Patient/a"))


def test_fragments_variables_and_conditions(people: Api) -> None:
    query = """query One($id: String!, $all: Boolean = false) {
        Patient(id: $id) { ...who birthDate @include(if: $all) } }
        fragment who on Patient { id name @skip(if: $all) { family } }"""
    assert data(people, query, id="b") == {"Patient": {"id": "b", "name": [{"family": "Braun"}]}}
    assert data(people, query, id="a", all=True) == {"Patient": {"id": "a", "birthDate": "1970-01-01"}}
    assert "$id needs a value" in message(asked(people, query))
    two = 'query A { Patient(id: "a") { id } } query B { Patient(id: "b") { id } }'
    body = {"query": two, "operationName": "B"}
    assert people.post("/$graphql", body).json() == {"data": {"Patient": {"id": "b"}}}
    assert people.post("/$graphql", {"query": two}).status_code == 400


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('{ Patient(id: "a") { nmae { family } } }', "Did you mean 'name'?"),
        ('{ Patient(id: "a") { name } }', "needs a selection"),
        ('{ Patient(id: "a") { id { x } } }', "has no fields"),
        ("{ Patient { id } }", "needs an id"),
        ("{ Patience { id } }", "has no field"),
        ("{ PatientList(nothing: 1) { id } }", "no search parameter 'nothing'"),
        ('{ PatientList(birthdate: "soon") { id } }', "birthdate"),
        ('{ Patient(id: "none") { id } }', "no Patient with the id"),
        ("mutation { PatientCreate { id } }", "Only queries"),
        ('{ Patient(id: "a") { ...x } } fragment x on Patient { ...x }', "contains itself"),
        ('{ Patient(id: "a") { ...y } }', "no fragment 'y'"),
        ('{ Patient(id: "a") { ... on Observation { id } } }', "never fits"),
        ('{ Observation(id: "o0") { subject { resource { birthDate } } } }', "... on Patient"),
        ('{ Patient(id: "a") { id @nothing } }', "no directive @nothing"),
        ('{ Patient(id: "a") { name(nothing: 1) { use } } }', "no argument 'nothing'"),
        ('{ Patient(id: "a") { name(fhirpath: "((") { use } } }', "FHIRPath"),
        ('{ Patient(id: "a")', "Syntax Error"),
        ("{" + "a{" * 40 + "b" + "}" * 40 + "}", "has no field"),
    ],
)
def test_what_is_wrong_is_told_in_graphqls_own_form(people: Api, query: str, text: str) -> None:
    assert text in message(asked(people, query))


def test_a_query_with_no_bounds_is_refused(people: Api) -> None:
    fields = " ".join(f"a{n}: id" for n in range(2100))
    assert "more than 2000 fields" in message(asked(people, f'{{ Patient(id: "a") {{ {fields} }} }}'))
    searches = " ".join(f"a{n}: PatientList {{ id }}" for n in range(201))
    assert "searches more than 200 times" in message(asked(people, f"{{ {searches} }}"))


def test_nothing_is_read_beyond_the_callers_scopes(people: Api) -> None:
    mine = people.scoped("patient/Patient.rs patient/Observation.rs", patient="b")
    found = asked(mine, '{ Patient(id: "a") { id } PatientList { id } ObservationList { id } }')
    assert found["data"] == {"Patient": None, "PatientList": [{"id": "b"}], "ObservationList": []}
    assert len(found["errors"]) == 1
    assert mine.post("/Patient/a/$graphql", {"query": "{ id }"}).status_code == 403
    no_patients = people.scoped("user/Observation.rs")
    followed = asked(no_patients, "{ subject { resource(optional: true) { id } } }", "/Observation/o0")
    assert followed == {"data": {"subject": {}}}
    assert "data" not in people.call("POST", "/$graphql", {"query": "{ PatientList { id } }"}, Authorization="").json()


NO_QUERY: list[Any] = [
    *({}, {"query": ""}, {"query": 1}, {"query": "{ id }", "nothing": 1}, [1], {"query": "x", "variables": 3}),
]


@pytest.mark.parametrize("body", NO_QUERY)
def test_a_request_without_a_query_is_refused_as_fhir_does(people: Api, body: Any) -> None:
    response = people.post("/Patient/a/$graphql", body)
    assert (response.status_code, response.json()["resourceType"]) == (400, "OperationOutcome")
