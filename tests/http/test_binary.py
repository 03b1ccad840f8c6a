"""Binary: its content as it is, both ways, and never as a page of this server. https://hl7.org/fhir/R4/binary.html"""

from base64 import b64encode

import pytest

from fhir_lab.xml import from_xml
from tests.support.api import Api, Json, issues, patient

PDF = b"%PDF-1.7\n\x00\xff\xfe binary"
FHIR_JSON = "application/fhir+json"


def pdf(**more: object) -> Json:
    return {"resourceType": "Binary", "contentType": "application/pdf", "data": b64encode(PDF).decode()} | more


@pytest.mark.parametrize("accept", ["application/pdf", "application/*", "*/*", "text/html, */*;q=0.1", ""])
@pytest.mark.parametrize("path", ["/Binary/b", "/Binary/b/_history/1"])
def test_the_content_is_served_as_it_is_unless_fhir_is_asked_for(api: Api, accept: str, path: str) -> None:
    api.put("/Binary/b", pdf(id="b"))
    answer = api.get(path, Accept=accept)
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (answer.headers["etag"], "last-modified" in answer.headers) == ('W/"1"', True)


@pytest.mark.parametrize("written", ["pdf", "日本/語", "text/plain é", "/"])
def test_a_content_type_that_no_header_can_say_is_answered_as_bytes(api: Api, written: str) -> None:
    api.put("/Binary/b", pdf(id="b", contentType=written))
    answer = api.get("/Binary/b")
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("path", ["/Binary/b", "/Binary/b/_history/1"])
def test_the_resource_is_served_to_who_asks_for_fhir(api: Api, path: str) -> None:
    api.put("/Binary/b", pdf(id="b"))
    for answer in (
        api.get(path, Accept=FHIR_JSON),
        api.get(f"{path}?_format=json", Accept="application/pdf"),
        api.get(path, Accept="application/json"),
    ):
        assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
        assert answer.json()["data"] == b64encode(PDF).decode()
        assert "content-disposition" not in answer.headers
    for answer in (api.get(path, Accept="application/fhir+xml"), api.get(f"{path}?_format=xml")):
        assert from_xml(answer.content)["data"] == b64encode(PDF).decode()
    part = api.get(f"{path}?_summary=true")
    assert "data" not in part.json()


def test_a_content_that_is_not_accepted_is_406(api: Api) -> None:
    api.put("/Binary/b", pdf(id="b"))
    refused = api.get("/Binary/b", Accept="image/png")
    assert (refused.status_code, issues(refused)) == (406, [("not-supported", ["http.Accept"])])
    assert "application/pdf" in refused.text


def test_a_page_is_never_run(api: Api) -> None:
    api.put("/Binary/b", {"resourceType": "Binary", "id": "b", "contentType": "text/html; charset=utf-8"})
    answer = api.get("/Binary/b", Accept="text/html")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
        200,
        b"",
        "text/html; charset=utf-8",
    )
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_the_client_s_version_is_not_sent_again(api: Api) -> None:
    api.put("/Binary/b", pdf(id="b"))
    fresh = api.get("/Binary/b", Accept="application/pdf", If_None_Match='W/"1"')
    assert (fresh.status_code, fresh.content) == (304, b"")
    head = api.call("HEAD", "/Binary/b", Accept="application/pdf")
    assert (head.headers["content-length"], head.content) == (str(len(PDF)), b"")


def test_any_content_is_stored_as_a_binary(api: Api) -> None:
    made = api.post("/Binary", PDF, Content_Type="application/pdf")
    assert (made.status_code, made.headers["content-type"]) == (201, "application/fhir+json; charset=utf-8")
    stored = made.json()
    assert stored == pdf(id=stored["id"], meta=stored["meta"])
    assert api.get(f"/Binary/{stored['id']}", Accept="application/pdf").content == PDF
    changed = api.put(f"/Binary/{stored['id']}", b"a,b\n", Content_Type="text/csv;  charset=utf-8", If_Match='W/"1"')
    assert (changed.status_code, changed.json()["meta"]["versionId"]) == (200, "2")
    assert changed.json()["contentType"] == "text/csv; charset=utf-8"
    assert api.get(f"/Binary/{stored['id']}", Accept="text/csv").content == b"a,b\n"
    assert api.put("/Binary/new", PDF, Content_Type="application/pdf", Accept="application/fhir+xml").status_code == 201
    assert api.put("/Binary/new", PDF, Content_Type="application/pdf", If_Match='W/"7"').status_code == 412


def test_a_binary_in_fhir_is_stored_as_it_is_and_a_resource_of_another_type_is_refused(api: Api) -> None:
    assert api.post("/Binary", pdf()).json()["contentType"] == "application/pdf"
    body = b'<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="eA=="/></Binary>'
    made = api.post("/Binary", body, Content_Type="application/fhir+xml").json()
    assert api.get(f"/Binary/{made['id']}", Accept="text/plain").content == b"x"
    assert api.post("/Binary", patient()).status_code == 400


def test_the_security_context_is_a_header_of_content_as_it_is(api: Api) -> None:
    api.put("/Patient/p", patient("p"))
    made = api.post("/Binary", PDF, Content_Type="application/pdf", X_Security_Context="Patient/p").json()
    assert made["securityContext"] == {"reference": "Patient/p"}
    answer = api.get(f"/Binary/{made['id']}", Accept="application/pdf")
    assert answer.headers["x-security-context"] == "Patient/p"
    refused = api.post("/Binary", PDF, Content_Type="application/pdf", X_Security_Context="Patient/nobody")
    assert refused.status_code == 422


@pytest.mark.parametrize("content_type", ["nonsense", "a/b/c", "text/ plain", "/", "text/"])
def test_a_content_type_that_is_none_is_415(api: Api, content_type: str) -> None:
    refused = api.post("/Binary", PDF, Content_Type=content_type)
    assert (refused.status_code, issues(refused)) == (415, [("not-supported", ["http.Content-Type"])])


def test_scopes_hold_for_content_as_for_resources(api: Api) -> None:
    api.put("/Binary/b", pdf(id="b"))
    reader, other = api.scoped("system/Binary.r"), api.scoped("system/Patient.cruds")
    assert reader.get("/Binary/b", Accept="application/pdf").content == PDF
    assert reader.post("/Binary", PDF, Content_Type="application/pdf").status_code == 403
    assert issues(other.get("/Binary/b", Accept="application/pdf")) == [("forbidden", [])]
    assert other.post("/Binary", PDF, Content_Type="application/pdf").status_code == 403
    assert api.get("/Binary/b", Authorization="").status_code == 401


def test_only_a_binary_takes_other_content(api: Api) -> None:
    assert api.post("/Patient", PDF, Content_Type="application/pdf").status_code == 415


def test_content_has_the_limit_of_every_body(api: Api) -> None:
    api.services.settings = api.services.settings.model_copy(update={"max_body_bytes": 2000})
    assert api.post("/Binary", b"x" * 2000, Content_Type="text/plain").status_code == 201
    assert api.post("/Binary", b"x" * 2001, Content_Type="text/plain").status_code == 413
