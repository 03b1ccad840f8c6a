"""Patches that nobody sane would send: each is refused or done, and none is a server error."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json, patient
from tests.support.patches import operation, parameters

VALUES = (
    *(None, True, 0, -1, 1e400, 10**30, 1.5, "", "x", "\ud800", "\0", [], {}, [None], {"": {}}, [[[]]], {"id": "a"}),
    *({"resourceType": "Patient"}, {"extension": [{"url": "x"}]}, {"reference": 5}, {"div": "<div>"}, "Patient/a"),
)
POINTERS = (
    "",
    "/",
    "//",
    "/name",
    "/name/0",
    "/name/-",
    "/name/0/given/1",
    "/meta",
    "/id",
    "/resourceType",
    "/_birthDate",
)
PATHS = (
    *("Patient", "Patient.name", "name[0]", "Patient.name.given", "Patient.birthDate", "Patient.id", "Patient.meta"),
    *(
        "Patient.name[0].given[1]",
        "Patient.birthDate.extension",
        "Patient.deceased",
        "Patient.contained",
        "Patient.text",
    ),
    *("Patient.name.where(use='official')", "Patient.contained[0].name", "Patient.where(true)", "Patient.name.last()"),
    *("Patient.name.where(1/0 = 1)", "Patient.name.where(given.count() > 10000000000000000000000)", "[0]", "()", "'"),
    *("Patient.name.where(given.aggregate($this + $total) = 'x')", "Patient.name.where(now() > today())", "Patient.`"),
)
LABELS = (
    "name",
    "given",
    "birthDate",
    "value",
    "deceased",
    "contained",
    "id",
    "meta",
    "text",
    "extension",
    "",
    "a.b",
    "*",
)
STORED = patient(
    "a",
    name=[{"use": "official", "given": ["A", "B"], "_given": [None, {"id": "x"}]}, {"family": "C"}],
    birthDate="1970-03-30",
    _birthDate={"extension": [{"url": "urn:x", "valueString": "y"}]},
    contained=[{"resourceType": "Organization", "id": "o", "name": "Lab"}],
    managingOrganization={"reference": "#o"},
    deceasedBoolean=False,
)


@pytest.fixture
def api(sqlite_services: Services) -> Iterator[Api]:
    api = Api(sqlite_services)
    yield api
    api.close()


def json_operation(chance: random.Random) -> Any:
    found: Json = {
        "op": chance.choice(("add", "remove", "replace", "move", "copy", "test", "nothing", None)),
        "path": chance.choice((*POINTERS, *VALUES)) if chance.random() < 0.2 else chance.choice(POINTERS),
        "from": chance.choice(POINTERS),
        "value": chance.choice(VALUES),
    }
    for name in list(found):
        if chance.random() < 0.05:
            del found[name]
    return found if chance.random() < 0.97 else chance.choice(VALUES)


def fhirpath_operation(chance: random.Random) -> Any:
    kind = chance.choice(("add", "insert", "delete", "replace", "move"))
    parts: Json = {}
    if kind == "add":
        parts["name"] = chance.choice(LABELS)
    if kind in ("add", "insert", "replace"):
        named = chance.choice(
            ("valueString", "valueHumanName", "valueBoolean", "valueDate", "_valueString", "resource")
        )
        parts["value"] = {named: chance.choice((*VALUES, "1980", {"family": "Z"}))}
        if chance.random() < 0.3:
            parts["value"] = {"part": [{"name": chance.choice(LABELS) or "x", **parts["value"]}]}
    if kind == "insert":
        parts["index"] = chance.choice((0, 1, -1, 10**9))
    if kind == "move":
        parts |= {"source": chance.choice((0, 1, 5)), "destination": chance.choice((0, 1, -1))}
    return operation(kind, chance.choice(PATHS), **parts)


def patches(kind: str) -> Iterator[tuple[str, Any]]:
    chance = random.Random(kind)
    for _ in range(400):
        length = chance.randrange(1, 4)
        if kind == "json":
            yield "application/json-patch+json", [json_operation(chance) for _ in range(length)]
        elif kind == "fhirpath":
            yield "application/fhir+json", parameters(*(fhirpath_operation(chance) for _ in range(length)))
        else:
            yield "application/json", {chance.choice((*LABELS, "_given")): chance.choice(VALUES) for _ in range(length)}


@pytest.mark.parametrize("kind", ["json", "fhirpath", "merge"])
def test_no_patch_is_a_server_error_and_what_is_stored_stays_valid(api: Api, kind: str) -> None:
    assert api.put("/Patient/a", STORED).status_code == 201
    answered: dict[int, int] = {}
    for media_type, body in patches(kind):
        sent = json.dumps(body).replace("Infinity", "1e400").encode("utf-8", "surrogatepass")
        answer = api.call("PATCH", "/Patient/a", sent, Content_Type=media_type)
        assert answer.status_code in (200, 400, 422), (body, answer.text)
        answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
        if answer.status_code == 200:
            assert api.services.validator.check(answer.json(), "Patient") == [], body
            assert answer.json()["id"] == "a"
            api.put("/Patient/a", STORED)
    assert answered.keys() == {200, 400, 422}, answered


def test_a_patch_of_many_operations_is_done_in_time(api: Api) -> None:
    api.put("/Patient/a", STORED)
    many = [{"op": "add", "path": "/name/-", "value": {"family": str(number)}} for number in range(3000)]
    assert len(api.patch("/Patient/a", many).json()["name"]) == 3002
    named = [operation("add", "Patient", name="name", value={"valueHumanName": {"family": str(n)}}) for n in range(500)]
    assert len(api.patch("/Patient/a", parameters(*named)).json()["name"]) == 3502
