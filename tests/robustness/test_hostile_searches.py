"""Searches that no honest client asks: refused with 400 or answered, the same on both databases, never a 5xx."""

from urllib.parse import quote

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, issues, observation, patient

PARAMETERS = (
    *("_id", "_lastUpdated", "_profile", "_tag", "name", "birthdate", "identifier", "active", "general-practitioner"),
    *("_has:Observation:patient:code", "_has:Observation:patient:value-quantity", "general-practitioner.name"),
)
MODIFIERS = (
    "",
    ":exact",
    ":contains",
    ":not",
    ":missing",
    ":text",
    ":identifier",
    ":below",
    ":Practitioner",
    ":x",
    ":",
)
VALUES = (
    *("|", "||", "$", "\\", "a\\", ",", "1e400", "1e-400", "ap1e308", "NaN", "9" * 400, "0." + "0" * 400 + "1"),
    *("0000", "9999", "ap9999", "lt0001", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2020-02-30"),
    *(
        "Patient/1",
        "Patient/",
        "http://x",
        "urn:uuid:x",
        "#x",
        "\u0660",
        "\U0010ffff" * 5,
        "\ufffe",
        "ß" * 700,
        "%",
        "_",
    ),
    *(
        "'; drop table resource; --",
        "\x01",
        "\n",
        "true",
        "null",
        "5|http://unitsofmeasure.org|((((",
        "5||",
        "a" * 5000,
    ),
)
RESULTS = (
    *("_sort=-", "_sort=name,foo", "_sort=--_id", "_count=-1", "_count=1e3", "_count=%D9%A1", "_total=x", "_summary=x"),
    *(
        "_include=*:*",
        "_include=Patient",
        "_include=Patient:name",
        "_include=:",
        "_revinclude=Foo:bar",
        "_contained=both",
    ),
    *("_elements=foo", "_text=-", "_content=*", "_filter=x", "_query=x", "_type=Observation", "_page=x", "_list=$x"),
    *(
        "_has:a:b:c=1",
        "_has::::=1",
        "_has:Observation:code:code=1",
        "name:=x",
        "name.given=x",
        "=1",
        "%00=1",
        "_score=1",
    ),
    *(f"{'general-practitioner.' * 9}name=x", "&".join(f"_tag={number}" for number in range(2001))),
)


@pytest.fixture
def api(services: Services) -> Api:
    found = Api(services)
    found.put("/Patient/a", patient("a", name=[{"family": "A"}]))
    found.post("/Observation", observation("Patient/a", valueQuantity={"value": 5}))
    return found


def test_no_value_of_any_parameter_makes_the_server_fail(api: Api) -> None:
    for name in PARAMETERS:
        for value in VALUES:
            found = api.get(f"/Patient?{name}={quote(value)}")
            assert found.status_code in (200, 400), (name, value)
        for modifier in MODIFIERS:
            found = api.get(f"/Patient?{name}{modifier}=a")
            assert found.status_code in (200, 400), (name, modifier)


def test_what_is_not_a_search_is_refused(api: Api) -> None:
    for query in RESULTS:
        refused = api.get(f"/Patient?{query}")
        assert refused.status_code == 400, query
        assert issues(refused)


def test_an_id_has_no_text_to_search(api: Api) -> None:
    refused = api.get("/Patient?_id:text=a")
    assert (refused.status_code, issues(refused)) == (400, [("not-supported", ["http._id:text"])])
