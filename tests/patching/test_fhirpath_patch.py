"""FHIRPath Patch on documents, each kind of operation and each way to name a place."""

from typing import Any

import pytest

from fhir_lab.documents import dumps, parse
from fhir_lab.outcomes import BadRequest, Unprocessable
from fhir_lab.patching.fhirpath_patch import fhirpath_patch
from tests.support.patches import Json, operation, parameters

PATIENT = b"""{"resourceType":"Patient","id":"a","active":true,
  "contained":[{"resourceType":"Organization","id":"o","name":"Lab"}],
  "identifier":[{"system":"urn:s","value":"1"},{"system":"urn:t","value":"2","period":{"start":"2020"}}],
  "name":[{"use":"official","family":"Fox","given":["Ada","Bea"],"_given":[null,{"id":"second"}]},{"use":"nickname"}],
  "birthDate":"1970-03-30","_birthDate":{"extension":[{"url":"urn:time","valueString":"noon"}]},
  "multipleBirthInteger":2,
  "maritalStatus":{"text":"married"},
  "contact":[{"gender":"male","name":{"family":"Fox"}}]}"""
OBSERVATION = b"""{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},
  "valueQuantity":{"value":6.30,"unit":"mg"},
  "component":[{"code":{"text":"a"},"valueQuantity":{"value":1.50}},{"code":{"text":"b"},"valueString":"s"}]}"""


def patched(*operations: Json, document: bytes = PATIENT) -> Json:
    """The elements of the document that are different, None for those that are gone."""
    before = parse(document)
    after = fhirpath_patch(parse(dumps(parameters(*operations))))(before)
    assert before == parse(document)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: after.get(name) for name in names}


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        (operation("add", "Patient", name="gender", value={"valueCode": "male"}), {"gender": "male"}),
        (
            operation("add", "Patient.contact[0]", name="telecom", value={"valueContactPoint": {"value": "1"}}),
            {"contact": [{"gender": "male", "name": {"family": "Fox"}, "telecom": [{"value": "1"}]}]},
        ),
        (
            operation("add", "Patient.maritalStatus", name="coding", value={"valueCoding": {"code": "M"}}),
            {"maritalStatus": {"text": "married", "coding": [{"code": "M"}]}},
        ),
        (
            operation("add", "Patient", name="deceased", value={"valueBoolean": False}),
            {"deceasedBoolean": False},
        ),
        (
            operation("add", "Patient", name="deceased", value={"valueDateTime": "2020"}),
            {"deceasedDateTime": "2020"},
        ),
        (
            operation(
                "add",
                "Patient",
                name="contact",
                value={
                    "part": [
                        {"name": "name", "valueHumanName": {"family": "Oak"}},
                        {"name": "relationship", "valueCodeableConcept": {"text": "friend"}},
                        {"name": "relationship", "valueCodeableConcept": {"text": "boss"}},
                    ]
                },
            ),
            {
                "contact": [
                    {"gender": "male", "name": {"family": "Fox"}},
                    {"name": {"family": "Oak"}, "relationship": [{"text": "friend"}, {"text": "boss"}]},
                ]
            },
        ),
        (
            operation(
                "add",
                "Patient.birthDate",
                name="extension",
                value={"part": [{"name": "url", "valueUri": "urn:x"}, {"name": "value", "valueCode": "c"}]},
            ),
            {
                "_birthDate": {
                    "extension": [{"url": "urn:time", "valueString": "noon"}, {"url": "urn:x", "valueCode": "c"}]
                }
            },
        ),
        (
            operation("add", "Patient", name="contained", value={"resource": {"resourceType": "Basic", "id": "b"}}),
            {
                "contained": [
                    {"resourceType": "Organization", "id": "o", "name": "Lab"},
                    {"resourceType": "Basic", "id": "b"},
                ]
            },
        ),
        (
            operation("add", "Patient", name="gender", value={"_valueCode": {"id": "g"}}),
            {"_gender": {"id": "g"}},
        ),
    ],
)
def test_add(asked: Json, changed: Json) -> None:
    assert patched(asked) == changed


@pytest.mark.parametrize(("at", "order"), [(0, ["n", "1", "2"]), (1, ["1", "n", "2"]), (2, ["1", "2", "n"])])
def test_insert(at: int, order: list[str]) -> None:
    found = patched(operation("insert", "Patient.identifier", value={"valueIdentifier": {"value": "n"}}, index=at))
    assert [each["value"] for each in found["identifier"]] == order


def test_insert_into_an_empty_list_and_beside_extensions() -> None:
    new = operation("insert", "Patient.photo", value={"valueAttachment": {"title": "t"}}, index=0)
    assert patched(new) == {"photo": [{"title": "t"}]}
    name = operation("insert", "Patient.name[0].given", value={"valueString": "Cid"}, index=0)
    found = patched(name)["name"][0]
    assert (found["given"], found["_given"]) == (["Cid", "Ada", "Bea"], [None, None, {"id": "second"}])


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("Patient.birthDate", {"birthDate": None, "_birthDate": None}),
        ("Patient.multipleBirth", {"multipleBirthInteger": None}),
        ("Patient.maritalStatus.text", {"maritalStatus": None}),
        ("Patient.contact[0]", {"contact": None}),
        ("Patient.contact", {"contact": None}),
        ("Patient.contact.name.family", {"contact": [{"gender": "male"}]}),
        ("Patient.birthDate.extension('urn:time')", {"_birthDate": None}),
        ("Patient.gender", {}),
        ("Patient.where(active).contact", {"contact": None}),
        ("Patient.where(active = false).contact", {}),
        ("Patient.contact.where(%resource.active)", {"contact": None}),
        ("Patient.contact.where(name.family in %resource.name.family)", {"contact": None}),
        ("Patient.identifier.where(system = 'urn:none')", {}),
        ("Patient.contained.where(id = 'o').name", {"contained": [{"resourceType": "Organization", "id": "o"}]}),
    ],
)
def test_delete(path: str, changed: Json) -> None:
    assert patched(operation("delete", path)) == changed


def test_deleting_an_item_of_a_primitive_keeps_the_others_beside_their_extensions() -> None:
    found = patched(operation("delete", "Patient.name.where(use = 'official').given[0]"))["name"][0]
    assert (found["given"], found["_given"]) == (["Bea"], [{"id": "second"}])
    found = patched(operation("delete", "Patient.name.first().given.last()"))["name"][0]
    assert (found["given"], found.get("_given")) == (["Ada"], None)


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("Patient.active", {"valueBoolean": False}, {"active": False}),
        ("Patient.birthDate", {"valueDate": "1980"}, {"birthDate": "1980", "_birthDate": None}),
        (
            "Patient.multipleBirth",
            {"valueBoolean": True},
            {"multipleBirthInteger": None, "multipleBirthBoolean": True},
        ),
        (
            "Patient.contact[0]",
            {"part": [{"name": "gender", "valueCode": "female"}]},
            {"contact": [{"gender": "female"}]},
        ),
        (
            "Patient.maritalStatus",
            {"valueCodeableConcept": {"text": "single"}},
            {"maritalStatus": {"text": "single"}},
        ),
        (
            "identifier.where(system = 'urn:t' and period.exists()).value",
            {"valueString": "3"},
            {
                "identifier": [
                    {"system": "urn:s", "value": "1"},
                    {"system": "urn:t", "value": "3", "period": {"start": "2020"}},
                ]
            },
        ),
    ],
)
def test_replace(path: str, value: Json, changed: Json) -> None:
    assert patched(operation("replace", path, value=value)) == changed


@pytest.mark.parametrize(
    ("source", "destination", "order"), [(0, 1, ["Bea", "Ada"]), (1, 0, ["Bea", "Ada"]), (1, 1, ["Ada", "Bea"])]
)
def test_move(source: int, destination: int, order: list[str]) -> None:
    patch = operation("move", "Patient.name[0].given", source=source, destination=destination)
    found = patched(patch).get("name", [{"given": ["Ada", "Bea"], "_given": [None, {"id": "second"}]}])[0]
    assert found["given"] == order
    assert found["_given"][order.index("Bea")] == {"id": "second"}


@pytest.mark.parametrize(
    "path",
    [
        "Observation.value.value",
        "Observation.value.ofType(Quantity).value",
        "Observation.value.as(FHIR.Quantity).value",
        "(Observation.value as Quantity).value",
        "Observation.valueQuantity.value",
        "Observation.`value`.value",
    ],
)
def test_choices_and_decimals(path: str) -> None:
    found = patched(operation("replace", path, value={"valueDecimal": 7.5}), document=OBSERVATION)
    assert found == {"valueQuantity": {"value": parse("7.5"), "unit": "mg"}}
    body = parse(
        dumps(parameters(operation("replace", path, value={"valueDecimal": 0}))).replace(b'mal":0', b'mal":7.50')
    )
    assert b'"value":7.50' in dumps(fhirpath_patch(body)(parse(OBSERVATION)))


def test_a_filter_reads_choices_and_several_operations_see_each_other() -> None:
    found = patched(
        operation("delete", "Observation.component.where(value is string)"),
        operation("replace", "Observation.component.value", value={"valueString": "t"}),
        document=OBSERVATION,
    )
    assert found == {"component": [{"code": {"text": "a"}, "valueString": "t"}]}


PATH = "Parameters.parameter[0].part.where(name='path')"
VALUE = "Parameters.parameter[0].part.where(name='value')"


@pytest.mark.parametrize(
    ("asked", "where", "said"),
    [
        (operation("replace", "Patient.gender", value={"valueCode": "male"}), PATH, "names nothing"),
        (operation("replace", "Patient.identifier", value={"valueIdentifier": {}}), PATH, "names 2 elements"),
        (operation("delete", "Patient.identifier"), PATH, "names 2 elements"),
        (operation("delete", "Patient.birthdate"), PATH, "Did you mean 'birthDate'"),
        (operation("delete", "Patient"), PATH, "whole resource"),
        (operation("replace", "Patient", value={"valueString": "x"}), PATH, "whole resource"),
        (operation("delete", "Patient.name.single()"), PATH, "2 elements"),
        (operation("delete", "Patient.name.where(family / 'x' = 1)"), PATH, "cannot be answered"),
        (
            operation("add", "Patient", name="birthDate", value={"valueDate": "1980"}),
            "Parameters.parameter[0].part.where(name='name')",
            "use replace",
        ),
        (
            operation("add", "Patient", name="multipleBirth", value={"valueBoolean": True}),
            "Parameters.parameter[0].part.where(name='name')",
            "multipleBirthInteger is there already",
        ),
        (operation("add", "Patient", name="nonsense", value={"valueCode": "x"}), VALUE, "no element 'nonsense'"),
        (operation("add", "Patient", name="gender", value={"valueInteger": 1}), VALUE, "takes code, not Integer"),
        (operation("add", "Patient", name="deceased", value={"valueQuantity": {}}), VALUE, "boolean, dateTime"),
        (operation("add", "Patient", name="gender", value={"part": []}), VALUE, "not parts"),
        (operation("add", "Patient", name="contact", value={"valueString": "x"}), VALUE, "takes parts"),
        (operation("insert", "Patient.birthDate", value={"valueDate": "1980"}, index=0), PATH, "does not repeat"),
        (
            operation("insert", "Patient.name", value={"valueHumanName": {}}, index=3),
            "Parameters.parameter[0].part.where(name='index')",
            "from 0 to 2",
        ),
        (
            operation("insert", "Patient.name", value={"valueHumanName": {}}, index=-1),
            "Parameters.parameter[0].part.where(name='index')",
            "from 0 to 2",
        ),
        (
            operation("move", "Patient.name", source=0, destination=2),
            "Parameters.parameter[0].part.where(name='destination')",
            "from 0 to 1",
        ),
        (
            operation("move", "Patient.photo", source=0, destination=0),
            "Parameters.parameter[0].part.where(name='source')",
            "empty",
        ),
    ],
)
def test_what_does_not_fit_is_refused_at_its_part(asked: Json, where: str, said: str) -> None:
    with pytest.raises(Unprocessable, match=said) as refused:
        patched(asked)
    assert refused.value.issues[0].expression == (where,)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"name": "op", "part": []}, "Parameters.parameter[0].name"),
        ({"name": "operation"}, "Parameters.parameter[0].part"),
        (operation("remove", "Patient.name"), "Parameters.parameter[0].part"),
        (operation("add", "Patient", value={"valueCode": "x"}), "Parameters.parameter[0].part.where(name='name')"),
        (operation("replace", "Patient.active"), VALUE),
        (operation("replace", "Patient.active", value={}), VALUE),
        (operation("insert", "Patient.name", value={"valueCode": "x"}), PATH.replace("path", "index")),
        (operation("delete", "Patient.name[0]", index=1), PATH.replace("path", "index")),
        (
            {"name": "operation", "part": [*operation("delete", "Patient.name")["part"]] * 2},
            "Parameters.parameter[0].part",
        ),
        (operation("delete", "Patient..name"), PATH),
        (operation("delete", "Patient name"), PATH),
        (operation("delete", "Patient.name."), PATH),
        (operation("delete", "Patient.[0]"), PATH),
        (operation("delete", ".name"), PATH),
        (operation("delete", ""), PATH),
        (operation("delete", "Patient.name | Patient.contact"), PATH),
        (operation("delete", "Patient.name.where(use = 'x'"), PATH),
        (operation("delete", "Patient.name.where()"), PATH),
        (operation("delete", "Patient.name.where(((=)"), PATH),
        (operation("delete", "Patient.name.where(=)"), PATH),
        (operation("delete", "Patient.name.where(use = 'x' and)"), PATH),
        (operation("delete", "Patient.name.where(nonsense())"), PATH),
        (operation("delete", "Patient.name.first(1)"), PATH),
        (operation("delete", "Patient.name.where(given.matches('(a+)+$'))"), PATH),
        (operation("delete", "Patient.managingOrganization.resolve().name"), PATH),
        (operation("delete", "Patient.name.where(" + "(" * 900 + "true" + ")" * 900 + ")"), PATH),
        (operation("delete", "Patient.name" + "[0]" * 1000), PATH),
        (operation("insert", "Patient.name[0]", value={"valueHumanName": {}}, index=0), PATH),
    ],
)
def test_an_operation_that_is_none_is_refused(asked: Json, where: str) -> None:
    with pytest.raises(BadRequest) as refused:
        patched(asked)
    assert refused.value.issues[0].expression[0] == where


@pytest.mark.parametrize("body", [[], "x", {"resourceType": "Patient"}, {}])
def test_a_body_that_is_no_parameters_is_refused(body: Any) -> None:
    with pytest.raises(BadRequest):
        fhirpath_patch(body)
