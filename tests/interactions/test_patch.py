"""patch, in each format, by id, by criteria and in Bundles."""

import base64
import json
from typing import Any

import pytest

from fhir_lab.storage.tables import audit_event, change
from tests.interactions.test_batch import batch, entry, statuses
from tests.interactions.test_transaction import transaction
from tests.support.api import BASE, Api, Json, issues, observation, patient
from tests.support.patches import operation, parameters

ACTIVE = [{"op": "add", "path": "/active", "value": True}]
XML = b"<diff><replace sel='Patient/active/@value'>false</replace></diff>"


def binary(operations: Any, content_type: str = "application/json-patch+json") -> Json:
    data = operations if isinstance(operations, bytes) else json.dumps(operations).encode()
    return {"resourceType": "Binary", "contentType": content_type, "data": base64.b64encode(data).decode()}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ACTIVE, "application/json-patch+json"),
        (ACTIVE, "application/json-patch+json; charset=UTF-8"),
        (ACTIVE, "application/json"),
        (ACTIVE, ""),
        (
            parameters(operation("add", "Patient", name="active", value={"valueBoolean": True})),
            "application/fhir+json",
        ),
        (
            parameters(operation("add", "Patient", name="active", value={"valueBoolean": True})),
            "application/fhir+json; fhirVersion=4.0",
        ),
        (parameters(operation("add", "Patient", name="active", value={"valueBoolean": True})), "application/json"),
        ({"active": True, "gender": None}, "application/merge-patch+json"),
        ({"active": True, "gender": None}, "application/json"),
    ],
)
def test_each_format_makes_a_new_version(api: Api, body: Any, content_type: str) -> None:
    api.put("/Patient/a", patient("a", birthDate="1970"))
    sent = json.dumps(body).encode()
    answered = api.call("PATCH", "/Patient/a", sent, Content_Type=content_type)
    assert (answered.status_code, answered.headers["etag"]) == (200, 'W/"2"')
    assert answered.headers["location"] == f"{BASE}/Patient/a/_history/2"
    assert answered.headers["last-modified"]
    found = answered.json()
    assert (found["active"], found["birthDate"], found["meta"]["versionId"]) == (True, "1970", "2")
    assert api.get("/Patient/a").json() == found
    assert api.get("/Patient?active=true").json()["total"] == 1


def test_decimals_keep_their_text(api: Api) -> None:
    value = {"value": 6.5, "unit": "mg"}
    api.put("/Observation/o", json.dumps(_result("o", valueQuantity=value)).replace("6.5", "6.50").encode())
    patched = api.call(
        "PATCH",
        "/Observation/o",
        b'[{"op":"add","path":"/referenceRange","value":[{"low":{"value":1.00}}]},'
        b'{"op":"test","path":"/valueQuantity/value","value":6.5}]',
        Content_Type="application/json-patch+json",
    )
    assert b'"value":6.50' in patched.content
    assert b'"low":{"value":1.00}' in api.get("/Observation/o").content


def _result(resource_id: str, **more: Any) -> Json:
    return {"resourceType": "Observation", "id": resource_id, "status": "final", "code": {"text": "x"}} | more


def test_a_patch_that_changes_nothing_makes_no_version(api: Api) -> None:
    api.put("/Patient/a", patient("a", active=True))
    answered = api.patch("/Patient/a", ACTIVE)
    assert (answered.status_code, answered.headers["etag"], answered.json()["active"]) == (200, 'W/"1"', True)
    assert api.patch("/Patient/a", []).headers["etag"] == 'W/"1"'
    assert api.patch("/Patient/a", [{"op": "remove", "path": "/meta"}]).headers["etag"] == 'W/"1"'
    assert api.get("/Patient/a/_history").json()["total"] == 1


@pytest.mark.parametrize("content_type", ["application/xml-patch+xml", "text/plain", "text/turtle"])
def test_other_formats_are_415_and_told_which_are_read(api: Api, content_type: str) -> None:
    api.put("/Patient/a", patient("a"))
    refused = api.call("PATCH", "/Patient/a", XML, Content_Type=content_type)
    assert (refused.status_code, issues(refused)) == (415, [("not-supported", ["http.Content-Type"])])
    assert "application/json-patch+json" in refused.text
    assert refused.headers["accept-patch"].startswith("application/json-patch+json")


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ([{"op": "test", "path": "/active", "value": False}], 422, ["http.body[0]"]),
        ([*ACTIVE, {"op": "remove", "path": "/none"}], 422, ["http.body[1].path"]),
        ([{"op": "drop", "path": "/active"}], 400, ["http.body[0].op"]),
        ([{"op": "add", "path": "/gender", "value": "banana"}], 422, ["Patient.gender"]),
        ([{"op": "add", "path": "/nonsense", "value": 1}], 422, ["Patient.nonsense"]),
        ([{"op": "replace", "path": "/id", "value": "b"}], 422, ["Patient.id"]),
        ([{"op": "remove", "path": "/id"}], 422, ["Patient.id"]),
        ([{"op": "replace", "path": "/resourceType", "value": "Person"}], 422, ["Patient.resourceType"]),
        ([{"op": "replace", "path": "", "value": {"resourceType": "Patient"}}], 422, ["Patient.id"]),
        ([{"op": "add", "path": "/meta", "value": 5}], 422, ["Patient.meta"]),
        (
            [{"op": "add", "path": "/managingOrganization", "value": {"reference": "Organization/none"}}],
            422,
            ["Patient.managingOrganization.reference"],
        ),
        (
            [
                {
                    "op": "add",
                    "path": "/meta/tag",
                    "value": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
                            "code": "SUBSETTED",
                        }
                    ],
                }
            ],
            422,
            ["Patient.meta.tag"],
        ),
        ({"resourceType": "Parameters", "parameter": [{"part": []}]}, 400, None),
        (
            parameters(operation("delete", "Patient.nonsense")),
            422,
            ["Parameters.parameter[0].part.where(name='path')"],
        ),
        (parameters(operation("replace", "Patient.active", value={"valueString": "x"})), 422, None),
        ({"active": "x"}, 422, ["Patient.active"]),
        ({"id": None}, 422, ["Patient.id"]),
    ],
)
def test_what_cannot_be_done_is_refused_whole(api: Api, body: Any, status: int, where: list[str] | None) -> None:
    before = api.put("/Patient/a", patient("a", active=True)).json()
    refused = api.patch("/Patient/a", body)
    assert refused.status_code == status, refused.text
    if where:
        assert issues(refused)[0][1] == where
    assert api.get("/Patient/a").json() == before


@pytest.mark.parametrize("body", [b"", b"{", b"5", b'"x"', b"null"])
def test_a_body_that_is_no_patch_is_400(api: Api, body: bytes) -> None:
    api.put("/Patient/a", patient("a"))
    for content_type in ("application/json-patch+json", "application/json", "application/fhir+json"):
        assert api.call("PATCH", "/Patient/a", body, Content_Type=content_type).status_code == 400


def test_a_resource_as_fhir_json_is_no_patch(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    refused = api.call("PATCH", "/Patient/a", patient("a", active=True), Content_Type="application/fhir+json")
    assert (refused.status_code, issues(refused)[0][1]) == (400, ["Parameters"])


def test_what_is_not_there_is_404_and_what_is_deleted_410(api: Api) -> None:
    assert api.patch("/Patient/none", ACTIVE).status_code == 404
    api.put("/Patient/a", patient("a"))
    api.delete("/Patient/a")
    gone = api.patch("/Patient/a", ACTIVE)
    assert (gone.status_code, gone.headers["etag"]) == (410, 'W/"2"')
    assert api.get("/Patient/a/_history").json()["total"] == 2


@pytest.mark.parametrize(("tag", "status"), [('W/"1"', 412), ('W/"2"', 200), ("2", 200), ("*", 200), ('W/"', 400)])
def test_if_match(api: Api, tag: str, status: int) -> None:
    api.put("/Patient/a", patient("a"))
    api.put("/Patient/a", patient("a", gender="male"))
    answered = api.patch("/Patient/a", ACTIVE, If_Match=tag)
    assert answered.status_code == status
    if status != 200:
        assert issues(answered)[0][1] == ["http.If-Match"]
        assert "active" not in api.get("/Patient/a").json()


def test_by_criteria_one_is_patched_none_is_404_and_many_are_412(api: Api) -> None:
    api.put("/Patient/a", patient("a", identifier=[{"system": "urn:mrn", "value": "1"}], gender="male"))
    api.put("/Patient/b", patient("b", gender="male"))
    patched = api.patch("/Patient?identifier=urn:mrn%7C1", ACTIVE)
    assert (patched.status_code, patched.json()["id"], patched.headers["etag"]) == (200, "a", 'W/"2"')
    none = api.patch("/Patient?identifier=urn:mrn%7C2", ACTIVE)
    assert (none.status_code, issues(none)) == (404, [("not-found", ["http.query"])])
    many = api.patch("/Patient?gender=male", ACTIVE)
    assert (many.status_code, issues(many)[0][0]) == (412, "multiple-matches")
    assert api.patch("/Patient", ACTIVE).status_code == 400
    for lenient in ("", "handling=lenient"):
        assert api.patch("/Patient?nonsense=1", ACTIVE, Prefer=lenient).status_code == 400
    assert "active" not in api.get("/Patient/b").json()


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [("", "Patient"), ("return=representation", "Patient"), ("return=OperationOutcome", "OperationOutcome")],
)
def test_prefer_chooses_the_answer(api: Api, prefer: str, kind: str) -> None:
    api.put("/Patient/a", patient("a"))
    answered = api.patch("/Patient/a", ACTIVE, Prefer=prefer)
    assert (answered.status_code, answered.json()["resourceType"]) == (200, kind)
    minimal = api.patch("/Patient/a", [{"op": "remove", "path": "/active"}], Prefer="return=minimal")
    assert (minimal.status_code, minimal.content, minimal.headers["etag"]) == (200, b"", 'W/"3"')


def test_history_the_change_feed_and_the_audit_tell_of_a_patch(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    api.patch("/Patient/a", ACTIVE)
    [newest, _] = api.get("/Patient/a/_history").json()["entry"]
    assert (newest["request"], newest["response"]["status"]) == ({"method": "PUT", "url": "Patient/a"}, "200 OK")
    with api.services.database.read() as connection:
        changes = connection.execute(change.select().order_by(change.c.seq)).all()
        audits = connection.execute(audit_event.select().order_by(audit_event.c.version)).all()
    assert [row.interaction for row in changes] == ["update", "patch"]
    assert [(row.action, row.interaction) for row in audits] == [("U", "update"), ("U", "patch")]


def test_a_patch_needs_the_permission_to_update_and_shows_only_what_may_be_read(api: Api) -> None:
    api.put("/Patient/a", patient("a", gender="male"))
    assert api.scoped("user/Patient.crds").patch("/Patient/a", ACTIVE).status_code == 403
    blind = api.scoped("user/Patient.u").patch("/Patient/a", ACTIVE)
    assert (blind.status_code, blind.content, blind.headers["etag"]) == (200, b"", 'W/"2"')


def test_a_patch_neither_reaches_out_of_the_compartment_nor_moves_out_of_it(api: Api) -> None:
    for name in ("a", "b"):
        api.put(f"/Patient/{name}", patient(name))
        api.put(f"/Observation/{name}", observation(f"Patient/{name}", id=name))
    own = api.scoped("patient/Observation.ru patient/Patient.r", patient="a")
    status = [{"op": "replace", "path": "/status", "value": "amended"}]
    assert own.patch("/Observation/a", status).status_code == 200
    assert own.patch("/Observation/b", status).status_code == 403
    away = [{"op": "replace", "path": "/subject/reference", "value": "Patient/b"}]
    assert own.patch("/Observation/a", away).status_code == 403
    assert api.get("/Observation/a").json()["subject"]["reference"] == "Patient/a"
    assert api.get("/Observation/b").json()["status"] == "final"


@pytest.mark.parametrize(
    "body",
    [
        binary(ACTIVE),
        binary({"active": True}, "application/merge-patch+json"),
        parameters(operation("add", "Patient", name="active", value={"valueBoolean": True})),
    ],
)
def test_bundles_carry_patches(api: Api, body: Json) -> None:
    for kind in (batch, transaction):
        api.put("/Patient/a", patient("a"))
        answered = api.post("", kind(entry("PATCH", "Patient/a", body)), Prefer="return=representation")
        assert statuses(answered) == ["200 OK"]
        [found] = answered.json()["entry"]
        assert (found["resource"]["active"], found["response"]["etag"]) == (True, api.get("/Patient/a").headers["etag"])


def test_a_transaction_patches_after_it_creates_and_links_what_it_adds(api: Api) -> None:
    api.put("/Patient/a", patient("a", identifier=[{"system": "urn:mrn", "value": "1"}]))
    urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    linked = [{"op": "add", "path": "/generalPractitioner", "value": [{"reference": urn}]}]
    answered = api.post(
        "",
        transaction(
            entry("GET", "Patient/a"),
            entry("PATCH", "Patient?identifier=urn:mrn%7C1", binary(linked), ifMatch='W/"1"'),
            entry("POST", "Practitioner", {"resourceType": "Practitioner"}) | {"fullUrl": urn},
        ),
    )
    assert statuses(answered) == ["200 OK", "200 OK", "201 Created"]
    made = answered.json()["entry"][2]["response"]["location"].removeprefix(f"{BASE}/").split("/_history")[0]
    for found in (api.get("/Patient/a").json(), answered.json()["entry"][0]["resource"]):
        assert found["generalPractitioner"] == [{"reference": made}]


@pytest.mark.parametrize(
    ("asked", "status", "where"),
    [
        (entry("PATCH", "Patient/none", binary(ACTIVE)), 404, "Bundle.entry[0]"),
        (entry("PATCH", "Patient?gender=male", binary(ACTIVE)), 404, "Bundle.entry[0].request.url"),
        (entry("PATCH", "Patient/a", binary(ACTIVE), ifMatch='W/"7"'), 412, "Bundle.entry[0].request.ifMatch"),
        (entry("PATCH", "Patient/a", binary([{"op": "remove", "path": "/x"}])), 422, "Bundle.entry[0]"),
        (entry("PATCH", "Patient/a", binary([{"op": "add", "path": "/x", "value": 1}])), 422, "Bundle.entry[0]"),
        (entry("PATCH", "Patient/a", binary(b"{")), 400, "Bundle.entry[0]"),
        (entry("PATCH", "Patient/a", binary(XML, "application/xml-patch+xml")), 415, "Bundle.entry[0]"),
        (
            entry("PATCH", "Patient/a", {"resourceType": "Binary", "contentType": "text/x", "data": "?"}),
            400,
            "Bundle.entry[0]",
        ),
        (entry("PATCH", "Patient/a", patient("a")), 400, "Bundle.entry[0]"),
        (entry("PATCH", "Patient/a"), 400, "Bundle.entry[0]"),
        (entry("PATCH", "Patient", binary(ACTIVE)), 400, "Bundle.entry[0]"),
    ],
)
def test_an_entry_that_cannot_be_patched_refuses_the_transaction(
    api: Api, asked: Json, status: int, where: str
) -> None:
    api.put("/Patient/a", patient("a"))
    refused = api.post("", transaction(asked, entry("PUT", "Patient/other", patient("other"))))
    assert (refused.status_code, issues(refused)[0][1][0]) == (status, where), refused.text
    assert api.get("/Patient/other").status_code == 404


def test_one_transaction_patches_a_resource_once_and_not_beside_an_update(api: Api) -> None:
    api.put("/Patient/a", patient("a", identifier=[{"system": "urn:mrn", "value": "1"}]))
    by_id = entry("PATCH", "Patient/a", binary(ACTIVE))
    by_criteria = entry("PATCH", "Patient?identifier=urn:mrn%7C1", binary(ACTIVE))
    for other in (by_criteria, entry("PUT", "Patient/a", patient("a")), entry("DELETE", "Patient/a")):
        refused = api.post("", transaction(by_id, other))
        assert (refused.status_code, issues(refused)) == (400, [("duplicate", ["Bundle.entry[1]"])])
    assert api.get("/Patient/a").headers["etag"] == 'W/"1"'
