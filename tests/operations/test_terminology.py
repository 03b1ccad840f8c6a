"""The terminology operations over the API, on both databases."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_lab.services import Services
from tests.support.api import Api, issues

Json = dict[str, Any]
ANIMALS = "http://example.org/animals"
BIRDS = "http://example.org/birds"
LOCAL = "http://lab.example.org/tests"
LOINC = "http://loinc.org"
GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"

SYSTEM: Json = {
    "resourceType": "CodeSystem",
    "id": "animals",
    "url": ANIMALS,
    "version": "1.0",
    "name": "Animals",
    "status": "active",
    "content": "complete",
    "property": [{"code": "legs", "type": "integer"}],
    "concept": [
        {
            "code": "bird",
            "display": "Bird",
            "definition": "It has feathers.",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {
                    "code": "robin",
                    "display": "Robin",
                    "designation": [
                        {"language": "de", "value": "Rotkehlchen"},
                        {"language": "fr", "value": "Rouge-gorge"},
                    ],
                    "property": [{"code": "legs", "valueInteger": 2}],
                },
                {"code": "moa", "display": "Moa", "property": [{"code": "inactive", "valueBoolean": True}]},
            ],
        },
        {"code": "dog", "display": "Dog"},
    ],
}
VALUE_SET: Json = {
    "resourceType": "ValueSet",
    "id": "birds",
    "url": BIRDS,
    "version": "2",
    "status": "active",
    "compose": {
        "include": [
            {"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "bird"}]},
            {"system": LOINC, "concept": [{"code": "718-7", "display": "Hb"}]},
        ]
    },
}
MAP: Json = {
    "resourceType": "ConceptMap",
    "id": "local",
    "url": "http://lab.example.org/map",
    "version": "3",
    "status": "active",
    "sourceUri": "http://lab.example.org/vs",
    "targetUri": "http://loinc.org/vs",
    "group": [
        {
            "source": LOCAL,
            "target": LOINC,
            "element": [
                {"code": "HB", "target": [{"code": "718-7", "display": "Hemoglobin", "equivalence": "equivalent"}]},
                {"code": "GLU", "target": [{"code": "2345-7", "equivalence": "wider"}]},
                {"code": "ODD", "target": [{"equivalence": "unmatched"}]},
                {
                    "code": "DEP",
                    "target": [
                        {
                            "code": "1-1",
                            "equivalence": "equal",
                            "dependsOn": [{"property": "http://x/specimen", "value": "SER"}],
                            "product": [{"property": "http://x/method", "system": "http://m", "value": "M1"}],
                        }
                    ],
                },
            ],
            "unmapped": {"mode": "fixed", "code": "99999-9", "display": "Other"},
        },
        {
            "source": LOCAL,
            "target": "http://snomed.info/sct",
            "element": [{"code": "HB", "target": [{"code": "1", "equivalence": "inexact", "comment": "nearly"}]}],
        },
    ],
}


@pytest.fixture
def lab(api: Api) -> Api:
    for resource in (SYSTEM, VALUE_SET, MAP):
        assert api.put(f"/{resource['resourceType']}/{resource['id']}", resource).status_code == 201
    return api


def expansion(response: httpx.Response) -> Json:
    assert response.status_code == 200, response.text
    found: Json = response.json()["expansion"]
    return found


def codes(response: httpx.Response) -> list[str]:
    return [each["code"] for each in expansion(response).get("contains", [])]


def values(response: httpx.Response) -> Json:
    """The simple parameters of a Parameters answer."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["resourceType"] == "Parameters"
    return {each["name"]: value for each in body["parameter"] for key, value in each.items() if key.startswith("value")}


def posted(*pairs: tuple[str, str, Any]) -> Json:
    parameter = [{"name": name, kind: value} for name, kind, value in pairs]
    return {"resourceType": "Parameters", "parameter": parameter}


@pytest.mark.parametrize("path", [f"?url={BIRDS}", f"?url={quote(BIRDS + '|2')}", f"?url={BIRDS}&valueSetVersion=2"])
def test_a_value_set_is_expanded_by_its_url(lab: Api, path: str) -> None:
    response = lab.get(f"/ValueSet/$expand{path}")
    found = expansion(response)
    assert found["contains"] == [
        {"system": ANIMALS, "abstract": True, "code": "bird", "display": "Bird"},
        {"system": ANIMALS, "code": "robin", "display": "Robin"},
        {"system": ANIMALS, "inactive": True, "code": "moa", "display": "Moa"},
        {"system": LOINC, "code": "718-7", "display": "Hb"},
    ]
    assert found["total"] == 4
    assert found["identifier"].startswith("urn:uuid:")
    assert found["timestamp"]
    body = response.json()
    assert (body["url"], body["version"]) == (BIRDS, "2")
    assert "compose" not in body
    assert lab.services.validator.check(body, "ValueSet") == []


def test_it_is_expanded_by_its_id_and_as_it_is_sent(lab: Api) -> None:
    expected = ["bird", "robin", "moa", "718-7"]
    assert codes(lab.get("/ValueSet/birds/$expand")) == expected
    assert codes(lab.post("/ValueSet/birds/$expand", {"resourceType": "Parameters"})) == expected
    sent = posted(("url", "valueUri", BIRDS), ("filter", "valueString", "ro"))
    assert codes(lab.post("/ValueSet/$expand", sent)) == ["robin"]
    own = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [{"valueSet": [BIRDS]}]}}
    assert codes(lab.post("/ValueSet/$expand", own)) == expected
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": own}]}
    assert codes(lab.post("/ValueSet/$expand", wrapped)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter=MOA", ["moa"]),
        ("filter=rotkehl", ["robin"]),
        ("filter=nothing", []),
        ("activeOnly=true", ["bird", "robin", "718-7"]),
        ("excludeNotForUI=true", ["robin", "moa", "718-7"]),
        (f"exclude-system={LOINC}", ["bird", "robin", "moa"]),
        ("count=2", ["bird", "robin"]),
        ("count=2&offset=3", ["718-7"]),
        ("count=0", []),
        ("offset=9", []),
    ],
)
def test_an_expansion_is_narrowed(lab: Api, query: str, expected: list[str]) -> None:
    assert codes(lab.get(f"/ValueSet/birds/$expand?{query}")) == expected


def test_a_page_of_an_expansion_says_where_it_is(lab: Api) -> None:
    found = expansion(lab.get("/ValueSet/birds/$expand?count=1&offset=2"))
    assert (found["total"], found["offset"], len(found["contains"])) == (4, 2, 1)
    told = {each["name"]: each.get("valueInteger") or each.get("valueUri") for each in found["parameter"]}
    assert (told["count"], told["offset"], told["used-codesystem"]) == (1, 2, LOINC)


def test_displays_designations_and_definition_are_given_on_request(lab: Api) -> None:
    response = lab.get("/ValueSet/birds/$expand?displayLanguage=de&includeDesignations=true&includeDefinition=true")
    robin = expansion(response)["contains"][1]
    assert robin["display"] == "Rotkehlchen"
    assert [each["language"] for each in robin["designation"]] == ["de", "fr"]
    assert response.json()["compose"] == VALUE_SET["compose"]


def test_codes_are_nested_on_request(lab: Api) -> None:
    [bird, hb] = expansion(lab.get("/ValueSet/birds/$expand?excludeNested=false"))["contains"]
    assert [each["code"] for each in bird["contains"]] == ["robin", "moa"]
    assert hb["code"] == "718-7"


def test_built_in_value_sets_are_expanded(api: Api) -> None:
    assert set(codes(api.get(f"/ValueSet/$expand?url={GENDER}"))) == {"male", "female", "other", "unknown"}
    sections = expansion(api.get("/ValueSet/$expand?url=http://terminology.hl7.org/ValueSet/v2-0074&filter=hemat"))
    assert sections["contains"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "HM", "display": "Hematology"}
    ]
    specimens = expansion(api.get("/ValueSet/$expand?url=http://terminology.hl7.org/ValueSet/v2-0487&filter=serum"))
    assert "http://hl7.org/fhir/StructureDefinition/valueset-unclosed" in str(specimens["extension"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/ValueSet/$expand?url=http://example.org/nowhere", 404, "not-found"),
        (f"/ValueSet/$expand?url={BIRDS}&valueSetVersion=9", 404, "not-found"),
        ("/ValueSet/nowhere/$expand", 404, "not-found"),
        ("/ValueSet/$expand", 400, "required"),
        (f"/ValueSet/birds/$expand?url={BIRDS}", 400, "required"),
        ("/ValueSet/birds/$expand?count=-1", 400, "value"),
        ("/ValueSet/birds/$expand?count=x", 400, "value"),
        ("/ValueSet/birds/$expand?nonsense=1", 400, "not-supported"),
    ],
)
def test_what_cannot_be_expanded_is_refused(lab: Api, path: str, status: int, code: str) -> None:
    response = lab.get(path)
    assert response.status_code == status
    assert [each for each, _ in issues(response)] == [code]


def test_a_value_set_that_needs_what_is_not_here_cannot_be_expanded(api: Api) -> None:
    whole = {"resourceType": "ValueSet", "status": "active", "compose": {"include": [{"system": "http://nowhere.org"}]}}
    response = api.post("/ValueSet/$expand", whole)
    assert response.status_code == 422
    assert issues(response)[0][0] == "not-found"
    assert "http://nowhere.org" in response.text


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/ValueSet/$expand", {"resourceType": "ValueSet", "status": "active", "compose": "all"}),
        ("/ValueSet/$expand", {"resourceType": "ValueSet", "compose": {"include": [{"system": [1]}]}}),
        ("/CodeSystem/$validate-code?code=x", {"resourceType": "CodeSystem", "status": "active", "concept": [1]}),
        ("/ConceptMap/$translate?system=x&code=y", {"resourceType": "ConceptMap", "status": "active", "group": {}}),
    ],
)
def test_a_resource_that_is_sent_must_be_valid(sqlite_services: Services, path: str, sent: Json) -> None:
    api = Api(sqlite_services)
    response = api.post(path, sent)
    assert response.status_code == 400, response.text
    assert issues(response)[0][1][0].startswith(sent["resourceType"])
    api.close()


def test_a_large_expansion_is_given_in_pages_only(api: Api) -> None:
    many = [{"code": f"c{number}"} for number in range(10_001)]
    value_set = {
        "resourceType": "ValueSet",
        "id": "many",
        "status": "active",
        "compose": {"include": [{"system": ANIMALS, "concept": many}]},
    }
    api.put("/ValueSet/many", value_set)
    response = api.get("/ValueSet/many/$expand")
    assert (response.status_code, issues(response)[0][0]) == (422, "too-costly")
    assert codes(api.get("/ValueSet/many/$expand?offset=10000&count=100")) == ["c10000"]
    assert codes(api.get("/ValueSet/many/$expand?filter=c9999")) == ["c9999"]


@pytest.mark.parametrize(
    ("query", "result", "said", "display"),
    [
        (f"url={BIRDS}&system={ANIMALS}&code=robin", True, None, "Robin"),
        (f"url={BIRDS}&system={ANIMALS}&code=robin&display=robin", True, None, "Robin"),
        (f"url={BIRDS}&system={ANIMALS}&code=robin&display=Rotkehlchen", True, None, "Robin"),
        (f"url={BIRDS}&system={ANIMALS}&code=robin&display=Sparrow", False, "Sparrow", "Robin"),
        (f"url={BIRDS}&system={ANIMALS}&code=dog", False, "not in the value set", None),
        (f"url={BIRDS}&system={ANIMALS}&code=bird", False, "abstract", "Bird"),
        (f"url={BIRDS}&system={ANIMALS}&code=bird&abstract=true", True, None, "Bird"),
        (f"url={BIRDS}&system={ANIMALS}&code=moa", True, "not to be used", "Moa"),
        (f"url={BIRDS}&system={LOINC}&code=718-7&display=Hb", True, None, "Hb"),
        (f"url={GENDER}&system=http://hl7.org/fhir/administrative-gender&code=male", True, None, None),
        (f"url={GENDER}&system=http://hl7.org/fhir/administrative-gender&code=Male", False, "Male", None),
        (f"url={GENDER}&system=http://hl7.org/fhir/administrative-gender&code=male&display=Mann", True, "'Mann'", None),
        ("url=http://hl7.org/fhir/ValueSet/observation-codes&system=http://loinc.org&code=1-8", True, "in part", None),
    ],
)
def test_codes_are_validated_against_a_value_set(
    lab: Api, query: str, result: bool, said: str | None, display: str | None
) -> None:
    found = values(lab.get(f"/ValueSet/$validate-code?{query}"))
    assert (found["result"], found.get("display")) == (result, display)
    assert (said or "") in found.get("message", "")
    assert ("message" in found) is (said is not None)


def test_codings_and_concepts_are_validated(lab: Api) -> None:
    robin, dog = {"system": ANIMALS, "code": "robin"}, {"system": ANIMALS, "code": "dog"}
    for path, kind in (("/ValueSet/birds", "ValueSet"), ("/CodeSystem/animals", "CodeSystem")):
        url = f"{path}/$validate-code"
        assert values(lab.post(url, posted(("coding", "valueCoding", robin))))["result"] is True
        either = {"coding": [dog, robin]}
        assert values(lab.post(url, posted(("codeableConcept", "valueCodeableConcept", either))))["result"] is True
        neither = posted(("codeableConcept", "valueCodeableConcept", {"text": "a robin"}))
        assert values(lab.post(url, neither))["result"] is False
        outcome = values(lab.post(url, posted(("coding", "valueCoding", dog))))["result"]
        assert outcome is (kind == "CodeSystem")


@pytest.mark.parametrize(
    ("query", "result"),
    [
        (f"url={ANIMALS}&code=robin", True),
        (f"url={ANIMALS}&code=robin&version=1.0&display=Robin", True),
        (f"url={ANIMALS}&code=robin&display=Dog", False),
        (f"url={ANIMALS}&code=unicorn", False),
        (f"url={ANIMALS}&code=bird", False),
        ("url=http://terminology.hl7.org/CodeSystem/v2-0074&code=CH&display=Chemistry", True),
    ],
)
def test_codes_are_validated_against_a_code_system(lab: Api, query: str, result: bool) -> None:
    assert values(lab.get(f"/CodeSystem/$validate-code?{query}"))["result"] is result


def test_a_code_system_may_be_named_by_the_coding(lab: Api) -> None:
    sent = posted(("coding", "valueCoding", {"system": ANIMALS, "code": "dog"}))
    assert values(lab.post("/CodeSystem/$validate-code", sent))["result"] is True
    other = posted(("url", "valueUri", ANIMALS), ("coding", "valueCoding", {"system": LOINC, "code": "dog"}))
    assert values(lab.post("/CodeSystem/$validate-code", other))["result"] is False


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ValueSet/$validate-code?url=http://nowhere.org&system=x&code=y", 404),
        ("/ValueSet/birds/$validate-code?code=robin", 400),
        ("/ValueSet/birds/$validate-code", 400),
        ("/CodeSystem/$validate-code?url=http://nowhere.org&code=x", 404),
        (f"/CodeSystem/$validate-code?url={ANIMALS}&code=dog&version=7", 404),
        ("/CodeSystem/$validate-code?code=x", 400),
        ("/CodeSystem/$lookup?code=x", 400),
        ("/CodeSystem/$lookup?system=http://nowhere.org&code=x", 404),
        (f"/CodeSystem/$lookup?system={ANIMALS}&code=unicorn", 404),
        (f"/CodeSystem/$subsumes?system={ANIMALS}&codeA=robin", 400),
        ("/CodeSystem/$subsumes?codeA=robin&codeB=bird", 400),
        (f"/CodeSystem/$subsumes?system={ANIMALS}&codeA=robin&codeB=unicorn", 404),
        (f"/CodeSystem/animals/$subsumes?system={LOINC}&codeA=robin&codeB=bird", 400),
        ("/ConceptMap/$translate?code=HB", 400),
        (f"/ConceptMap/$translate?url=http://nowhere.org&system={LOCAL}&code=HB", 404),
    ],
)
def test_what_cannot_be_answered_is_an_error_in_fhir_form(lab: Api, path: str, status: int) -> None:
    response = lab.get(path)
    assert response.status_code == status
    assert issues(response)


def test_a_code_is_looked_up(lab: Api) -> None:
    response = lab.get(f"/CodeSystem/$lookup?system={ANIMALS}&code=robin")
    assert values(response) == {"name": "Animals", "version": "1.0", "display": "Robin"}
    found = [
        [(part["name"], *[value for key, value in part.items() if key != "name"]) for part in each["part"]]
        for each in response.json()["parameter"]
        if "part" in each
    ]
    assert found == [
        [("language", "de"), ("value", "Rotkehlchen")],
        [("language", "fr"), ("value", "Rouge-gorge")],
        [("code", "parent"), ("value", "bird"), ("description", "Bird")],
        [("code", "legs"), ("value", 2)],
    ]
    assert lab.services.validator.check(response.json(), "Parameters") == []


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("property=definition", ["definition"]),
        ("property=child", ["child", "child"]),
        ("property=notSelectable&property=definition", ["definition", "notSelectable"]),
        ("property=nothing", []),
        ("", ["definition", "child", "child", "notSelectable"]),
    ],
)
def test_the_properties_asked_for_are_given(lab: Api, wanted: str, names: list[str]) -> None:
    body = lab.get(f"/CodeSystem/$lookup?system={ANIMALS}&code=bird&{wanted}").json()
    assert [each["part"][0]["valueCode"] for each in body["parameter"] if each["name"] == "property"] == names


def test_a_lookup_speaks_the_language_asked_for_and_takes_a_coding(lab: Api) -> None:
    sent = posted(
        ("coding", "valueCoding", {"system": ANIMALS, "code": "robin"}), ("displayLanguage", "valueCode", "fr")
    )
    assert values(lab.post("/CodeSystem/$lookup", sent))["display"] == "Rouge-gorge"


@pytest.mark.parametrize(
    ("one", "other", "outcome"),
    [
        ("bird", "robin", "subsumes"),
        ("robin", "bird", "subsumed-by"),
        ("robin", "robin", "equivalent"),
        ("robin", "dog", "not-subsumed"),
    ],
)
def test_codes_are_compared(lab: Api, one: str, other: str, outcome: str) -> None:
    query = f"codeA={one}&codeB={other}"
    assert values(lab.get(f"/CodeSystem/$subsumes?system={ANIMALS}&{query}"))["outcome"] == outcome
    assert values(lab.get(f"/CodeSystem/animals/$subsumes?{query}"))["outcome"] == outcome
    pairs = [
        (f"coding{side}", "valueCoding", {"system": ANIMALS, "code": code}) for side, code in (("A", one), ("B", other))
    ]
    assert values(lab.post("/CodeSystem/$subsumes", posted(*pairs)))["outcome"] == outcome


def translations(response: httpx.Response) -> tuple[bool, list[tuple[Any, ...]]]:
    """The result, and (equivalence, system, code, source) of each match."""
    found = []
    for each in response.json()["parameter"]:
        if each["name"] == "match":
            parts = {part["name"]: part for part in each["part"]}
            coding = parts.get("concept", {}).get("valueCoding", {})
            pair = (coding.get("system"), coding.get("code"))
            found.append((parts["equivalence"]["valueCode"], *pair, parts["source"]["valueUri"]))
    return values(response)["result"], found


SOURCE = "http://lab.example.org/map|3"
SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("query", "result", "expected"),
    [
        ("code=HB", True, [("equivalent", LOINC, "718-7"), ("inexact", SNOMED, "1")]),
        (f"code=HB&targetsystem={LOINC}", True, [("equivalent", LOINC, "718-7")]),
        ("code=GLU", True, [("wider", LOINC, "2345-7")]),
        ("code=ODD", False, [("unmatched", None, None)]),
        ("code=DEP", False, []),
        ("code=NEW", True, [("inexact", LOINC, "99999-9")]),
        ("code=HB&target=http://loinc.org/vs&source=http://lab.example.org/vs", True, None),
    ],
)
def test_codes_are_translated(lab: Api, query: str, result: bool, expected: list[Any] | None) -> None:
    for path in (f"$translate?url={MAP['url']}&", "local/$translate?", "$translate?"):
        found = translations(lab.get(f"/ConceptMap/{path}system={LOCAL}&{query}"))
        assert found[0] is result
        if expected is not None:
            assert found[1] == [(*each, SOURCE) for each in expected]


def test_only_maps_between_the_value_sets_asked_for_are_used(lab: Api) -> None:
    response = lab.get(f"/ConceptMap/$translate?system={LOCAL}&code=HB&target=http://elsewhere.org")
    assert translations(response) == (False, [])
    assert "HB" in values(response)["message"]


@pytest.mark.parametrize(
    ("code", "equivalence", "local"), [("718-7", "equivalent", "HB"), ("2345-7", "narrower", "GLU")]
)
def test_codes_are_translated_back(lab: Api, code: str, equivalence: str, local: str) -> None:
    for path in ("$translate?", "local/$translate?"):
        response = lab.get(f"/ConceptMap/{path}system={LOINC}&code={code}&reverse=true&targetsystem={LOCAL}")
        assert translations(response) == (True, [(equivalence, LOCAL, local, SOURCE)])


def test_a_translation_may_depend_on_another_element_and_give_one(lab: Api) -> None:
    dependency = {
        "name": "dependency",
        "part": [
            {"name": "element", "valueUri": "http://x/specimen"},
            {"name": "concept", "valueCodeableConcept": {"coding": [{"code": "SER"}]}},
        ],
    }
    sent = posted(("coding", "valueCoding", {"system": LOCAL, "code": "DEP"}))
    sent["parameter"].append(dependency)
    response = lab.post("/ConceptMap/$translate", sent)
    assert translations(response) == (True, [("equal", LOINC, "1-1", SOURCE)])
    assert {"name": "element", "valueUri": "http://x/method"} in response.json()["parameter"][1]["part"][2]["part"]


def test_other_maps_are_asked_where_a_map_says_so_and_a_circle_ends(lab: Api) -> None:
    def group(url: str) -> Json:
        element = [{"code": "-", "target": [{"code": "x", "equivalence": "equal"}]}]
        return {"source": LOCAL, "target": LOINC, "element": element, "unmapped": {"mode": "other-map", "url": url}}

    first = {"resourceType": "ConceptMap", "id": "first", "url": "http://maps/first", "status": "active"}
    lab.put("/ConceptMap/first", first | {"group": [group(MAP["url"]), group("http://maps/first")]})
    response = lab.get(f"/ConceptMap/first/$translate?system={LOCAL}&code=GLU")
    assert translations(response) == (True, [("wider", LOINC, "2345-7", SOURCE)])


def test_operations_keep_to_what_the_caller_may_read(lab: Api) -> None:
    nothing = lab.scoped("user/Observation.rs")
    for path in (
        "ValueSet/birds/$expand",
        f"ValueSet/$expand?url={BIRDS}",
        f"CodeSystem/$lookup?system={ANIMALS}&code=dog",
    ):
        assert nothing.get(f"/{path}").status_code == 403
    drafts = lab.scoped("user/ValueSet.rs?status=draft user/CodeSystem.rs?status=draft user/ConceptMap.rs?status=draft")
    assert drafts.get(f"/ValueSet/$expand?url={BIRDS}").status_code == 404
    assert drafts.get("/ValueSet/birds/$expand").status_code == 403
    assert drafts.get(f"/CodeSystem/$lookup?system={ANIMALS}&code=dog").status_code == 404
    assert translations(drafts.get(f"/ConceptMap/$translate?system={LOCAL}&code=HB")) == (False, [])
    both = lab.scoped("patient/*.rs", patient="nobody")
    assert codes(both.get(f"/ValueSet/$expand?url={BIRDS}")) == ["bird", "robin", "moa", "718-7"]


HOSTILE = (
    "/ValueSet/$expand?url=a%00b",
    "/ValueSet/$expand?url=",
    "/ValueSet/$expand?url=%7C",
    "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&filter=%00",
    "/CodeSystem/$lookup?system=%00&code=x",
    "/CodeSystem/$lookup?system=http://loinc.org&code=%00",
    "/CodeSystem/$lookup?system=http://loinc.org&code=718-7&property=%00",
    "/ConceptMap/$translate?system=%00&code=x",
    "/ConceptMap/$translate?system=x&code=%00",
    "/CodeSystem/$subsumes?system=%00&codeA=1&codeB=2",
    "/ValueSet/$validate-code?url=%00&system=x&code=y",
    "/Observation?code:in=%7C",
    "/Observation?code:in=a%7Cb%7Cc",
    "/Observation?code:in=ValueSet/",
    "/Observation?code:in=%5C",
    "/Observation?code:below=%7C",
    "/Observation?code:below=http://loinc.org%7C%5C%7C",
    "/Observation?code:in=",
    "/Patient?identifier:of-type=%7C%7C",
    "/Patient?identifier:of-type=a%7Cb%7C",
    "/Encounter?location:below=%7C",
    "/Encounter?location:below=Location/",
    "/Encounter?location:above=x,y,z",
    "/Observation?code:not-in=http://hl7.org/fhir/ValueSet/administrative-gender,,",
    "/Observation?code:in=http://%C3%A4",
    "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&system-version=x&force-system-version=http://hl7.org/fhir/administrative-gender%7C9",
    "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&count=2147483647&offset=2147483647",
    "/metadata?mode=terminology",
    "/ValueSet/administrative-gender/$expand",
    "/CodeSystem/v2-0074/$validate-code?code=CH",
    "/ValueSet/administrative-gender/$validate-code?system=http://hl7.org/fhir/administrative-gender&code=male",
    "/CodeSystem/v3-ObservationInterpretation/$subsumes?codeA=A&codeB=HH",
    f"/Observation?code:in={'x' * 5000}",
)


def test_nothing_that_a_url_can_hold_breaks_the_server(api: Api) -> None:
    answers = {path: api.get(path).status_code for path in HOSTILE}
    assert {path: status for path, status in answers.items() if status not in (200, 400, 404, 422)} == {}
    assert {status for path, status in answers.items() if "%00" in path} == {400}
