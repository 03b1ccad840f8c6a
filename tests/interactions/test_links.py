"""Links among the entries of a transaction: rewritten wherever they stand, and refused where they lead nowhere."""

from typing import Any

import pytest

from tests.interactions.test_batch import batch, entry, statuses
from tests.interactions.test_transaction import transaction
from tests.support.api import BASE, Api, Json, issues, observation, patient

URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
OID = "urn:oid:1.2.3.4"


def stored(api: Api, answered: Any, index: int) -> Json:
    found: Json = api.get(answered.json()["entry"][index]["response"]["location"]).json()
    return found


def name_of(answered: Any, index: int) -> str:
    location: str = answered.json()["entry"][index]["response"]["location"]
    return location.removeprefix(f"{BASE}/").split("/_history")[0]


def div(text: str) -> Json:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def linked(api: Api, resource: Json, urn: str = URN) -> tuple[Json, str]:
    """A resource stored together with a Patient of this fullUrl, and the Patient's `Type/id`."""
    answered = api.post(
        "",
        transaction(
            entry("POST", resource["resourceType"], resource), entry("POST", "Patient", patient()) | {"fullUrl": urn}
        ),
    )
    assert statuses(answered) == ["201 Created", "201 Created"], answered.text
    return stored(api, answered, 0), name_of(answered, 1)


def test_links_of_narratives_are_rewritten_and_their_text_is_not(api: Api) -> None:
    text = f"""<a href="{URN}">{URN}</a> <img src='{URN}#part' alt="{URN}"/> <a href="urn:uuid:other">x</a>"""
    found, name = linked(api, observation(URN) | {"text": div(text)})
    assert found["text"] == div(
        f"""<a href="{name}">{URN}</a> <img src='{name}#part' alt="{URN}"/> <a href="urn:uuid:other">x</a>"""
    )


@pytest.mark.parametrize("urn", [URN, OID])
def test_uri_url_canonical_oid_and_uuid_elements_are_rewritten_and_strings_are_not(api: Api, urn: str) -> None:
    extensions = [
        {"url": "urn:x", "valueUri": urn},
        {"url": "urn:x", "valueUrl": urn},
        {"url": "urn:x", "valueCanonical": f"{urn}|2"},
        {"url": "urn:x", "valueString": urn},
        {"url": "urn:x", "valueReference": {"reference": urn}},
        {"url": "urn:x", "valueUuid" if urn == URN else "valueOid": urn},
        {"url": "urn:x", "extension": [{"url": "urn:y", "valueUri": urn}]},
    ]
    resource = observation(urn) | {
        "identifier": [{"system": urn, "value": urn}],
        "_status": {"extension": [{"url": "urn:z", "valueUri": urn}]},
        "contained": [{"resourceType": "Basic", "id": "c", "code": {"text": urn}, "subject": {"reference": urn}}],
        "focus": [{"reference": "#c"}],
        "extension": extensions,
        "note": [{"text": urn}],
    }
    answered = api.post(
        "",
        transaction(entry("POST", "Observation", resource), entry("POST", "Patient", patient()) | {"fullUrl": urn}),
    )
    found, name = stored(api, answered, 0), name_of(answered, 1)
    assert found["identifier"] == [{"system": name, "value": urn}]
    assert found["_status"]["extension"][0]["valueUri"] == name
    assert found["contained"][0]["subject"] == {"reference": name}
    assert (found["contained"][0]["code"], found["note"]) == ({"text": urn}, [{"text": urn}])
    values = [next(value for key, value in each.items() if key[:5] == "value") for each in found["extension"][:6]]
    assert values == [name, name, f"{name}|2", urn, {"reference": name}, name]
    assert found["extension"][6]["extension"][0]["valueUri"] == name


@pytest.mark.parametrize(
    ("resource_type", "resource"),
    [
        ("Attachment.url", {"resourceType": "Media", "status": "completed", "content": {"url": URN}}),
        (
            "instantiatesUri",
            {"resourceType": "CarePlan", "status": "active", "intent": "plan", "instantiatesUri": [URN]},
        ),
        (
            "relatedArtifact.resource",
            {"resourceType": "Library", "status": "draft", "type": {"text": "x"}},
        ),
        (
            "implicitRules",
            {"resourceType": "Basic", "code": {"text": "x"}, "implicitRules": URN},
        ),
    ],
)
def test_elements_of_every_type_are_known_from_the_definitions(api: Api, resource_type: str, resource: Json) -> None:
    if resource["resourceType"] == "CarePlan":
        resource["subject"] = {"reference": URN}
    if resource["resourceType"] == "Library":
        resource["relatedArtifact"] = [{"type": "composed-of", "resource": URN}]
    found, name = linked(api, resource)
    assert URN not in str(found)
    assert name in str(found)


def test_an_http_full_url_leaves_names_alone_that_only_look_like_it(api: Api) -> None:
    url = "http://example.org/fhir/ValueSet/mine"
    value_set = {"resourceType": "ValueSet", "status": "draft", "url": url, "id": "mine"}
    questionnaire = {"resourceType": "Questionnaire", "status": "draft", "derivedFrom": [url]}
    answered = api.post(
        "",
        transaction(
            entry("POST", "ValueSet", value_set) | {"fullUrl": url}, entry("POST", "Questionnaire", questionnaire)
        ),
    )
    assert stored(api, answered, 0)["url"] == url
    assert stored(api, answered, 1)["derivedFrom"] == [url]


@pytest.mark.parametrize(
    ("full_url", "within", "reference"),
    [
        ("http://other.example/fhir/Patient/7", None, "http://other.example/fhir/Patient/7"),
        ("http://other.example/fhir/Patient/7", None, "http://other.example/fhir/Patient/7/_history/3"),
        ("http://other.example/fhir/Patient/7", "http://other.example/fhir/Observation/8", "Patient/7"),
        ("http://other.example/fhir/Patient/7", "http://other.example/fhir/Observation/8", "Patient/7/_history/3"),
        ("http://other.example/fhir/Patient/7", None, "Patient/7"),
        ("http://other.example/fhir/Patient/7", "urn:uuid:5b1f6f0e-8f0b-4a7f-9d0c-1a0e6d6d3b11", "Patient/7"),
        (f"{BASE}/Patient/7", f"{BASE}/Observation/8", "Patient/7"),
        (f"{BASE}/Patient/7", None, f"{BASE}/Patient/7"),
    ],
)
def test_what_a_post_was_called_becomes_its_new_id(api: Api, full_url: str, within: str | None, reference: str) -> None:
    answered = api.post(
        "",
        transaction(
            entry("POST", "Observation", observation(reference)) | ({"fullUrl": within} if within else {}),
            entry("POST", "Patient", patient("7")) | {"fullUrl": full_url},
        ),
    )
    assert statuses(answered) == ["201 Created", "201 Created"], answered.text
    assert stored(api, answered, 0)["subject"]["reference"] == name_of(answered, 1) != "Patient/7"


def test_a_relative_reference_means_the_server_of_the_full_url_around_it(api: Api) -> None:
    api.put("/Patient/7", patient("7"))
    answered = api.post(
        "",
        transaction(
            entry("POST", "Observation", observation("Patient/7")) | {"fullUrl": f"{BASE}/Observation/8"},
            entry("POST", "Patient", patient()) | {"fullUrl": "http://other.example/fhir/Patient/7"},
        ),
    )
    assert stored(api, answered, 0)["subject"]["reference"] == "Patient/7"


def test_two_servers_with_one_name_are_told_apart(api: Api) -> None:
    def of(server: str) -> list[Json]:
        return [
            entry("POST", "Observation", observation("Patient/7")) | {"fullUrl": f"http://{server}/Observation/8"},
            entry("POST", "Patient", patient()) | {"fullUrl": f"http://{server}/Patient/7"},
        ]

    answered = api.post("", transaction(*of("a.example"), *of("b.example")))
    for index in (0, 2):
        assert stored(api, answered, index)["subject"]["reference"] == name_of(answered, index + 1)


def test_a_put_may_be_referred_to_before_it_is_stored(api: Api) -> None:
    answered = api.post(
        "",
        transaction(
            entry("POST", "Observation", observation(URN)),
            entry("POST", "Observation", observation("Patient/new")),
            entry("PUT", "Patient/new", patient("new")) | {"fullUrl": URN},
        ),
    )
    assert [stored(api, answered, index)["subject"]["reference"] for index in (0, 1)] == ["Patient/new"] * 2


@pytest.mark.parametrize("others", [[], [entry("POST", "Patient", patient())]])
def test_a_urn_that_no_entry_has_is_refused(api: Api, others: list[Json]) -> None:
    refused = api.post("", transaction(entry("POST", "Observation", observation(URN)), *others))
    assert (refused.status_code, issues(refused)) == (
        400,
        [("not-found", ["Bundle.entry[0].resource.subject.reference"])],
    )
    assert api.get("/Observation").json()["total"] == 0


def test_the_entry_with_a_dangling_reference_is_named(api: Api) -> None:
    refused = api.post(
        "", transaction(entry("POST", "Patient", patient()), entry("POST", "Observation", observation("Patient/none")))
    )
    assert (refused.status_code, issues(refused)) == (
        422,
        [("not-found", ["Bundle.entry[1].resource.subject.reference"])],
    )
    assert api.get("/Patient").json()["total"] == 0


def test_a_conditional_reference_counts_what_the_transaction_writes(api: Api) -> None:
    mrn = {"identifier": [{"system": "urn:mrn", "value": "1"}]}
    criteria = "Patient?identifier=urn:mrn|1"
    answered = api.post(
        "",
        transaction(entry("POST", "Observation", observation(criteria)), entry("POST", "Patient", patient(**mrn))),
    )
    first = name_of(answered, 1)
    assert stored(api, answered, 0)["subject"]["reference"] == first
    refused = api.post(
        "",
        transaction(entry("POST", "Observation", observation(criteria)), entry("POST", "Patient", patient(**mrn))),
    )
    assert (refused.status_code, issues(refused)) == (
        412,
        [("multiple-matches", ["Bundle.entry[0].resource.subject.reference"])],
    )
    moved = api.post(
        "",
        transaction(
            entry("POST", "Observation", observation(criteria)),
            entry("PUT", first, patient(first.removeprefix("Patient/"))),
            entry("POST", "Patient", patient(gender="male", **mrn)),
        ),
    )
    assert stored(api, moved, 0)["subject"]["reference"] == name_of(moved, 2)


@pytest.mark.parametrize(
    ("count", "status"),
    [(0, 422), (2, 412)],
)
def test_a_conditional_reference_without_one_match_fails_the_whole(api: Api, count: int, status: int) -> None:
    for _ in range(count):
        api.post("/Patient", patient(gender="male"))
    refused = api.post(
        "",
        transaction(
            entry("PUT", "Patient/other", patient("other")),
            entry("POST", "Observation", observation("Patient?gender=male")),
        ),
    )
    assert (refused.status_code, issues(refused)[0][1]) == (status, ["Bundle.entry[1].resource.subject.reference"])
    assert api.get("/Patient/other").status_code == 404


def test_the_entries_of_a_batch_cannot_refer_to_what_another_creates(api: Api) -> None:
    for url in (URN, "http://other.example/fhir/Patient/7"):
        first = entry("POST", "Patient", patient()) | {"fullUrl": url}
        second = entry("POST", "Observation", observation(url))
        third = entry("POST", "Patient", patient())
        assert statuses(api.post("", batch(first, second, third))) == [
            "201 Created",
            "400 Bad Request",
            "201 Created",
        ]
