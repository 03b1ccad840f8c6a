"""How XML is written: order, attributes, escapes, and indentation that leaves narratives alone."""

import json

import pytest
from lxml import etree

from fhir_lab.documents import Resource, dumps, parse
from fhir_lab.validation import Validator
from fhir_lab.xml import to_xml

START = '<?xml version="1.0" encoding="UTF-8"?>'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p> <p>b</p></div>'
PATIENT: Resource = {
    "name": [{"given": ["A", None], "_given": [None, {"id": "g"}], "id": "n", "family": 'O"<&>'}],
    "extension": [{"valueBoolean": False, "url": "http://example.org/x"}],
    "resourceType": "Patient",
    "text": {"div": DIV, "status": "generated"},
    "id": "a",
    "contained": [{"resourceType": "Basic", "id": "b"}, {"resourceType": "Basic", "code": {"text": "\n\t\r"}}],
}


def test_elements_are_in_the_order_of_their_type() -> None:
    assert to_xml(PATIENT).decode() == (
        f'{START}<Patient xmlns="http://hl7.org/fhir"><id value="a"/><text><status value="generated"/>{DIV}</text>'
        '<contained><Basic><id value="b"/></Basic></contained>'
        '<contained><Basic><code><text value="&#10;&#9;&#13;"/></code></Basic></contained>'
        '<extension url="http://example.org/x"><valueBoolean value="false"/></extension>'
        '<name id="n"><family value="O&quot;&lt;&amp;&gt;"/><given value="A"/><given id="g"/></name></Patient>'
    )


def test_pretty_means_one_element_per_line_and_narratives_as_they_are() -> None:
    assert to_xml(PATIENT, pretty=True).decode().splitlines()[:6] == [
        START,
        '<Patient xmlns="http://hl7.org/fhir">',
        '  <id value="a"/>',
        "  <text>",
        '    <status value="generated"/>',
        f"    {DIV}",
    ]


def test_a_resource_with_nothing_in_it_is_one_tag() -> None:
    assert to_xml({"resourceType": "Patient"}).decode() == f'{START}<Patient xmlns="http://hl7.org/fhir"/>'


def test_what_no_xml_can_hold_is_replaced_so_that_the_text_stays_well_formed() -> None:
    written = to_xml({"resourceType": "Patient", "name": [{"text": "a\0\x1b\ud800\ufffe\uffffb"}]})
    [text] = etree.fromstring(written).iter("{http://hl7.org/fhir}text")
    assert text.get("value") == "a\ufffd\ufffd\ufffd\ufffd\ufffdb"


def test_digits_are_those_of_the_document() -> None:
    resource = parse(
        '{"resourceType":"Observation","valueQuantity":{"value":6.30},"referenceRange":[{"low":{"value":1e2}}]}'
    )
    written = to_xml(resource).decode()
    assert '<value value="6.30"/>' in written
    assert '<value value="1e2"/>' in written


def test_a_property_that_the_type_does_not_have_is_never_lost_in_silence() -> None:
    with pytest.raises(ValueError, match="colour"):
        to_xml({"resourceType": "Patient", "colour": "red"})


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\x01", "\x1f"])
@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ({"resourceType": "Patient", "name": [{"text": "a%b"}]}, "Patient.name[0].text"),
        ({"resourceType": "Patient", "language": "a%b"}, "Patient.language"),
        ({"resourceType": "Patient", "photo": [{"contentType": "a/b", "data": "aaaa%"}]}, "Patient.photo[0].data"),
        ({"resourceType": "Patient", "implicitRules": "urn:a%b"}, "Patient.implicitRules"),
        (
            {"resourceType": "Patient", "text": {"status": "generated", "div": DIV.replace("a", "%")}},
            "Patient.text.div",
        ),
        ({"resourceType": "Patient", "name": [{"id": "%", "text": "x"}]}, "Patient.name[0].id"),
    ],
)
def test_what_no_xml_can_hold_is_not_stored_in_the_first_place(character: str, resource: Resource, path: str) -> None:
    hostile = parse(dumps(resource).replace(b"%", json.dumps(character)[1:-1].encode()))
    [issue] = Validator().check(hostile, "Patient")
    assert issue.expression == (path,)
