"""Texts of any length: stored whole, found again, and never too long for an index of either database."""

from random import Random

import pytest

from fhir_lab.services import Services
from tests.support.api import Api, Json, patient
from tests.support.oru import oru, processed

FORM = "application/x-www-form-urlencoded"


def letters(count: int) -> str:
    """Characters of four bytes that nothing compresses."""
    dice = Random(count)
    return "".join(chr(dice.randint(0x20000, 0x2A6D0)) for _ in range(count))


def everywhere(text: str) -> Json:
    """A Patient with the text in every kind of element that is indexed."""
    return patient(
        meta={
            "tag": [{"system": f"urn:{text}", "code": text}],
            "profile": [f"http://x/{text}"],
            "source": f"urn:{text}",
        },
        identifier=[{"system": f"urn:{text}", "value": text}],
        name=[{"family": text, "given": [text, text]}],
        telecom=[{"system": "phone", "value": text}],
        address=[{"city": text, "line": [text]}],
        generalPractitioner=[
            {"identifier": {"system": f"urn:{text}", "value": text}},
            {"reference": f"http://x/{text}"},
        ],
    )


def others(text: str) -> list[Json]:
    """The text where the laboratory's other tables keep identifiers and codes."""
    order_number = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]}}
    named = {
        "code": {"coding": [{"system": f"urn:{text}", "code": text}], "text": text},
        "identifier": [{"value": text}],
    }
    nobody = {"subject": {"display": "nobody"}}
    filler = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "FILL"}]}}
    numbers = [order_number | {"value": text}, filler | {"value": text}, {"value": text}]
    return [
        {"resourceType": "ServiceRequest", "status": "active", "intent": "order"}
        | named
        | nobody
        | {"identifier": numbers},
        {"resourceType": "Specimen", "accessionIdentifier": {"value": text}, "identifier": [{"value": text}]},
        {"resourceType": "DiagnosticReport", "status": "final"} | named,
        {"resourceType": "Observation", "status": "final", "valueString": text} | named,
    ]


@pytest.mark.parametrize("length", [300, 301, 601, 5000, 50_000])
def test_a_long_text_is_stored_whole_and_found_wherever_it_stands(services: Services, length: int) -> None:
    api, text = Api(services), letters(length)
    made = api.post("/Patient", everywhere(text))
    assert made.status_code == 201
    assert made.json()["name"][0]["family"] == text
    for resource in others(text):
        assert api.post(f"/{resource['resourceType']}", resource).status_code == 201
    if length <= 5000:
        for name in ("family:exact", "given", "identifier", "phone", "_tag", "address-city"):
            found = api.post("/Patient/_search", f"{name}={text}".encode(), Content_Type=FORM).json()
            assert found["total"] == 1, name
            other = api.post("/Patient/_search", f"{name}={text[:-1]}x".encode(), Content_Type=FORM).json()
            assert other["total"] == 0 or length > 600, name


def test_a_message_with_long_identifiers_is_processed(services: Services) -> None:
    text = letters(2000)
    (found,) = processed(services, oru("5.10", control=text, patient=text, order=text, sender=text))
    assert (found["state"], found["obx_stored"], found["control_id"]) == ("processed", 1, text)
