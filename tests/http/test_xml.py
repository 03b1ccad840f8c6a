"""XML in and out of every kind of interaction, and the choice between XML and JSON.

https://hl7.org/fhir/R4/http.html#mime-type
"""

import gzip
from base64 import b64encode
from typing import Any

import httpx
import pytest
from lxml import etree

from fhir_lab.documents import dumps, parse
from fhir_lab.services import Services
from fhir_lab.xml import from_xml, to_xml
from tests.support.api import BASE, Api, Json, observation, patient

XML = "application/fhir+xml"
XML_ANSWER = "application/fhir+xml; charset=utf-8"
JSON_ANSWER = "application/fhir+json; charset=utf-8"
FHIR = "{http://hl7.org/fhir}"
OBSERVATION = (
    b'<?xml version="1.0" encoding="UTF-8"?><Observation xmlns="http://hl7.org/fhir"><id value="o"/>'
    b'<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">K 6.30<br /></div></text>'
    b'<status value="final"/><code><text value="Potassium"/></code>'
    b'<valueQuantity><value value="6.30"/><unit value="mmol/L"/></valueQuantity></Observation>'
)


def read(answer: httpx.Response, status: int = 200) -> Json:
    """The resource of an XML answer."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, XML_ANSWER), answer.text
    return from_xml(answer.content, 1000)


def issues(answer: httpx.Response, status: int) -> list[tuple[str, list[str]]]:
    outcome = read(answer, status)
    assert outcome["resourceType"] == "OperationOutcome"
    return [(issue["code"], issue.get("expression", [])) for issue in outcome["issue"]]


def test_what_is_sent_as_xml_is_stored_as_if_it_were_json_and_read_as_either(api: Api) -> None:
    made = api.put("/Observation/o", OBSERVATION, Content_Type=XML, Accept=XML)
    assert read(made, 201)["meta"]["versionId"] == "1"
    assert made.headers["etag"] == 'W/"1"'
    as_json = api.get("/Observation/o")
    assert as_json.headers["content-type"] == JSON_ANSWER
    assert b'"value":6.30' in as_json.content
    stored = parse(as_json.content)
    assert {name: each for name, each in stored.items() if name != "meta"} == from_xml(OBSERVATION)
    as_xml = api.get("/Observation/o", Accept=XML)
    assert dumps(read(as_xml), sort_keys=True) == dumps(stored, sort_keys=True)
    assert b'<div xmlns="http://www.w3.org/1999/xhtml">K 6.30<br /></div>' in as_xml.content
    assert (as_xml.headers["etag"], as_xml.headers["last-modified"]) == ('W/"1"', as_json.headers["last-modified"])


def test_a_body_in_xml_is_answered_in_json_unless_xml_is_asked_for(api: Api) -> None:
    answer = api.post("/Observation", OBSERVATION, Content_Type="text/xml")
    assert (answer.status_code, answer.headers["content-type"]) == (201, JSON_ANSWER)
    answer = api.post("/Patient", patient(), Accept="application/xml")
    assert read(answer, 201)["resourceType"] == "Patient"


@pytest.mark.parametrize(
    "name",
    ["xml", "text/xml", "application/xml", "application/fhir+xml", "application/fhir%2Bxml", "application%2Fxml"],
)
def test_format_overrides_accept_with_every_name_of_xml(api: Api, name: str) -> None:
    api.put("/Patient/a", patient("a"))
    assert read(api.get(f"/Patient/a?_format={name}", Accept="application/fhir+json"))["id"] == "a"
    found = read(api.get(f"/Patient?_format={name}", Accept="text/html"))
    assert found["total"] == 1
    assert all("_format=" in link["url"] for link in found["link"])
    [link] = [each["url"] for each in found["link"] if each["relation"] == "self"]
    assert read(api.get(link))["total"] == 1


@pytest.mark.parametrize("name", ["json", "text/json", "application/json", "application/fhir+json"])
def test_format_overrides_accept_with_every_name_of_json(api: Api, name: str) -> None:
    assert api.get(f"/Patient?_format={name}", Accept=XML).headers["content-type"] == JSON_ANSWER


@pytest.mark.parametrize("name", ["ttl", "text/turtle", "turtle", "application/foobar", "html"])
def test_another_format_is_406_in_json(api: Api, name: str) -> None:
    for refused in (api.get(f"/Patient?_format={name}", Accept=XML), api.get("/Patient", Accept=name)):
        assert (refused.status_code, refused.headers["content-type"]) == (406, JSON_ANSWER)
        assert refused.json()["issue"][0]["code"] == "not-supported"


def test_searches_by_get_and_post_and_histories_are_told_in_xml(api: Api) -> None:
    api.put("/Patient/a", patient("a", active=True))
    api.put("/Patient/a", patient("a", active=False))
    found = read(api.get("/Patient?active=false", Accept=XML))
    assert [entry["resource"]["active"] for entry in found["entry"]] == [False]
    form = "application/x-www-form-urlencoded"
    for body, accept in ((b"active=false", XML), (b"active=false&_format=xml", "")):
        found = read(api.post("/Patient/_search", body, Content_Type=form, Accept=accept))
        assert (found["total"], found["entry"][0]["search"]) == (1, {"mode": "match"})
    found = read(api.get("/Patient/a/_history", Accept=XML))
    assert [entry["resource"]["meta"]["versionId"] for entry in found["entry"]] == ["2", "1"]
    assert read(api.get("/Patient/a/_history/1", Accept=XML))["active"] is True


def test_a_transaction_goes_in_and_comes_back_in_xml(api: Api) -> None:
    sent = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
                "resource": patient(name=[{"family": "A & B"}]),
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "resource": observation("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
                "request": {"method": "POST", "url": "Observation"},
            },
            {"request": {"method": "GET", "url": "Patient?family=A"}},
        ],
    }
    answer = api.post("", to_xml(sent), Content_Type=XML, Accept=XML, Prefer="return=representation")
    found = read(answer)
    assert [entry["response"]["status"] for entry in found["entry"]] == ["201 Created", "201 Created", "200 OK"]
    patients, observations = (entry["resource"] for entry in found["entry"][:2])
    assert observations["subject"]["reference"] == f"Patient/{patients['id']}"
    assert found["entry"][2]["resource"]["entry"][0]["resource"]["name"] == [{"family": "A & B"}]


def test_an_entry_may_ask_for_the_format_of_its_bundle_and_no_other(api: Api) -> None:
    entries = [{"request": {"method": "GET", "url": f"Patient?_format={name}"}} for name in ("xml", "json", "ttl")]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    statuses = {
        accept: [entry["response"]["status"][:3] for entry in body["entry"]]
        for accept, body in {
            "xml": read(api.post("", batch, Accept=XML)),
            "json": api.post("", batch).json(),
        }.items()
    }
    assert statuses == {"xml": ["200", "406", "406"], "json": ["406", "200", "406"]}


def test_errors_are_told_in_the_format_that_was_asked_for(api: Api) -> None:
    assert issues(api.get("/Patient/none", Accept=XML), 404) == [("not-found", [])]
    assert issues(api.get("/Pateint?_format=xml"), 404) == [("not-supported", [])]
    assert issues(api.get("/Patient?nonsense=1", Accept=XML), 400)[0][1] == ["http.nonsense"]
    assert issues(api.call("TRACE", "/Patient", Accept=XML), 405)[0][0] == "not-supported"
    assert issues(api.get("/Patient/a", Accept=XML, Authorization=""), 401)[0][0] == "login"
    assert issues(api.scoped("user/Patient.r").get("/Observation/x", Accept=XML), 403)[0][0] == "forbidden"
    body = b'<Patient xmlns="http://hl7.org/fhir"><gendre value="male"/></Patient>'
    assert issues(api.post("/Patient", body, Content_Type=XML, Accept=XML), 400) == [("structure", ["Patient.gendre"])]
    api.put("/Patient/a", patient("a"))
    api.delete("/Patient/a")
    assert issues(api.get("/Patient/a", Accept=XML), 410)[0][0] == "deleted"
    strange = read(api.get("/Patient?_summary=%01%EF%BF%BF&_format=xml"), 400)
    assert "\ufffd" in strange["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "http.body"),
        (b"{}", "http.body"),
        (b"<Patient/>", "http.body"),
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"/>', "http.body"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active value="yes"/></Patient>', "Patient.active"),
        (b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="1980-13"/></Patient>', "Patient.birthDate"),
        (b'<Patient xmlns="http://hl7.org/fhir"><name/></Patient>', "Patient.name[0]"),
        (b'<Observation xmlns="http://hl7.org/fhir"/>', "Patient.resourceType"),
    ],
)
def test_a_body_that_is_no_valid_resource_is_refused_with_its_place(api: Api, body: bytes, where: str) -> None:
    refused = api.post("/Patient", body, Content_Type=XML)
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == [where]
    assert "root:" not in refused.text
    assert api.get("/Patient?_summary=count").json()["total"] == 0


def test_pretty_indents_xml_and_changes_nothing_else(api: Api) -> None:
    api.put("/Observation/o", OBSERVATION, Content_Type=XML)
    pretty, plain = (api.get(f"/Observation/o?_format=xml&_pretty={value}") for value in ("true", "false"))
    assert "\n  <status value=" in pretty.text
    assert "\n" not in plain.text
    assert read(pretty) == read(plain)


def test_conditional_reads_head_and_gzip_work_in_xml(api: Api) -> None:
    api.put("/Patient/a", patient("a", name=[{"text": "x" * 2000}]))
    fresh = api.get("/Patient/a", Accept=XML, If_None_Match='W/"1"')
    assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", 'W/"1"')
    whole = api.get("/Patient/a", Accept=XML, Accept_Encoding="identity")
    head = api.call("HEAD", "/Patient/a", Accept=XML, Accept_Encoding="identity")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    packed = api.get("/Patient/a", Accept=XML, Accept_Encoding="gzip")
    assert (packed.headers["content-encoding"], packed.content) == ("gzip", whole.content)
    assert {"Accept", "Accept-Encoding"} <= set(packed.headers["vary"].split(", "))
    assert gzip.compress(packed.content)


def test_the_statement_tells_both_formats_and_is_one_itself(api: Api) -> None:
    told = {"application/fhir+json", "json", "application/fhir+xml", "xml"}
    assert set(api.get("/metadata").json()["format"]) == told
    statement = read(api.get("/metadata?_format=xml", Authorization=""))
    assert (statement["resourceType"], set(statement["format"])) == ("CapabilityStatement", told)
    assert statement["rest"] == api.get("/metadata").json()["rest"]


def test_minimal_answers_have_no_body_in_xml_either(api: Api) -> None:
    made = api.post("/Patient", patient(), Accept=XML, Prefer="return=minimal")
    assert (made.status_code, made.content, "content-type" in made.headers) == (201, b"", False)
    told = api.post("/Patient", patient(), Accept=XML, Prefer="return=OperationOutcome")
    assert read(told, 201)["issue"][0]["severity"] == "information"


def test_summaries_and_parts_are_told_in_xml(api: Api) -> None:
    api.put("/Observation/o", OBSERVATION, Content_Type=XML)
    part = api.get("/Observation/o?_elements=value&_format=xml")
    assert set(read(part)) == {"resourceType", "id", "meta", "status", "code", "valueQuantity"}
    refused = api.put("/Observation/o", part.content, Content_Type=XML)
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["Observation.meta.tag"])


def test_operations_take_and_give_xml(api: Api) -> None:
    api.put("/Patient/a", patient("a"))
    tags: Any = {"tag": [{"system": "http://example.org", "code": "t"}]}
    sent = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": tags}]}
    answer = api.post("/Patient/a/$meta-add", to_xml(sent), Content_Type=XML, Accept=XML)
    assert read(answer)["parameter"][0]["valueMeta"]["tag"] == tags["tag"]


def test_the_root_of_an_answer_is_in_the_namespace_of_fhir(api: Api) -> None:
    answer = api.call("GET", f"{BASE}/Patient", Accept="application/xml")
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?><Bundle xmlns="http://hl7.org/fhir">')
    root = etree.fromstring(answer.content)
    assert {etree.QName(element).namespace for element in root.iter()} == {FHIR[1:-1]}


PATCH = (
    '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>'
    '<part><name value="type"/><valueCode value="replace"/></part>'
    '<part><name value="path"/><valueString value="Observation.value.value"/></part>'
    '<part><name value="value"/><valueDecimal value="7.10"/></part></parameter></Parameters>'
)


@pytest.mark.parametrize("content_type", [XML, "application/xml", "text/xml; charset=utf-8"])
def test_a_fhirpath_patch_may_be_written_in_xml(api: Api, content_type: str) -> None:
    api.put("/Observation/o", OBSERVATION, Content_Type=XML)
    answer = api.call("PATCH", "/Observation/o", PATCH.encode(), Content_Type=content_type, Accept=XML)
    assert dumps(read(answer)["valueQuantity"]["value"]) == b"7.10"
    assert b'"value":7.10' in api.get("/Observation/o").content


def test_a_bundle_may_carry_a_patch_in_xml(api: Api) -> None:
    api.put("/Observation/o", OBSERVATION, Content_Type=XML)
    binary = {"resourceType": "Binary", "contentType": XML, "data": b64encode(PATCH.encode()).decode()}
    entry = {"resource": binary, "request": {"method": "PATCH", "url": "Observation/o"}}
    batch = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert read(api.post("", to_xml(batch), Content_Type=XML, Accept=XML))["entry"][0]["response"]["status"] == "200 OK"
    assert b'"value":7.10' in api.get("/Observation/o").content


def test_all_that_is_built_in_is_the_same_in_both_formats(sqlite_services: Services) -> None:
    api = Api(sqlite_services)
    assert sqlite_services.builtin.types
    for name in sqlite_services.builtin.types:
        told, expected = read(api.get(f"/{name}?_count=1000", Accept=XML)), api.get(f"/{name}?_count=1000")
        assert [entry["resource"] for entry in told["entry"]] == [
            entry["resource"] for entry in parse(expected.content, 1000)["entry"]
        ]
    api.close()
