"""What XML is read as, and what is refused: with its place, what was found and what is allowed."""

import re
from typing import Any

import pytest

from fhir_lab.documents import ExactDecimal, dumps
from fhir_lab.outcomes import BadRequest
from fhir_lab.xml import from_xml

NS = 'xmlns="http://hl7.org/fhir"'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'
OBSERVATION = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<Observation {NS}>
  <id value="o"/>
  <text><status value="generated"/>{DIV}Glucose &amp; more<br /></div></text>
  <contained><Patient><id value="p"/><active value="true"/></Patient></contained>
  <extension url="http://example.org/x" id="e"><valueDecimal value="1.00"/></extension>
  <status value="final"><!-- why --><extension url="http://example.org/y"><valueCode value="z"/></extension></status>
  <code id="c"><text value="a&#10;b"/></code>
  <valueQuantity><value value="6.30"/><unit value="mmol/L"/></valueQuantity>
  <component>
    <code><text value="n"/></code>
    <valueInteger value="7"/>
  </component>
</Observation>
"""


def patient(inside: str) -> bytes:
    return f"<Patient {NS}>{inside}</Patient>".encode()


def refused(body: bytes | str, **options: Any) -> tuple[tuple[str, ...], str]:
    with pytest.raises(BadRequest) as error:
        from_xml(body if isinstance(body, bytes) else body.encode(), **options)
    [issue] = error.value.issues
    return issue.expression, issue.details


def test_a_resource_is_read_as_its_json_form() -> None:
    assert from_xml(OBSERVATION.encode()) == {
        "resourceType": "Observation",
        "id": "o",
        "text": {"status": "generated", "div": f"{DIV}Glucose &amp; more<br /></div>"},
        "contained": [{"resourceType": "Patient", "id": "p", "active": True}],
        "extension": [{"id": "e", "url": "http://example.org/x", "valueDecimal": ExactDecimal("1.00")}],
        "status": "final",
        "_status": {"extension": [{"url": "http://example.org/y", "valueCode": "z"}]},
        "code": {"id": "c", "text": "a\nb"},
        "valueQuantity": {"value": ExactDecimal("6.30"), "unit": "mmol/L"},
        "component": [{"code": {"text": "n"}, "valueInteger": 7}],
    }
    assert b'"value":6.30' in dumps(from_xml(OBSERVATION.encode()))


def test_gaps_in_repeated_primitives_become_nulls_on_both_sides() -> None:
    extended = '<extension url="http://example.org/x"><valueCode value="z"/></extension>'
    found = from_xml(
        patient(f'<name><given value="A"/><given>{extended}</given><given value="B" id="b"/><given value="C"/></name>')
    )
    extension = [{"url": "http://example.org/x", "valueCode": "z"}]
    assert found["name"] == [
        {"given": ["A", None, "B", "C"], "_given": [None, {"extension": extension}, {"id": "b"}, None]}
    ]
    found = from_xml(patient(f"<name><given>{extended}</given></name>"))
    assert found["name"] == [{"_given": [{"extension": extension}]}]
    assert from_xml(patient(f"<birthDate>{extended}</birthDate>"))["_birthDate"] == {"extension": extension}


def test_resources_in_bundles_and_parameters_are_read() -> None:
    inner = '<resource><Patient><id value="a"/></Patient></resource>'
    found = from_xml(
        f'<Bundle {NS}><type value="batch"/><entry>{inner}</entry><entry>{inner}</entry></Bundle>'.encode()
    )
    assert found["entry"] == [{"resource": {"resourceType": "Patient", "id": "a"}}] * 2
    found = from_xml(f'<Parameters {NS}><parameter><name value="n"/>{inner}</parameter></Parameters>'.encode())
    assert found["parameter"] == [{"name": "n", "resource": {"resourceType": "Patient", "id": "a"}}]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('<multipleBirthBoolean value="false"/>', False),
        ('<multipleBirthBoolean value="1"/>', "1"),
        ('<multipleBirthInteger value="2"/>', 2),
        ('<multipleBirthInteger value="+2"/>', 2),
        ('<multipleBirthInteger value="-0"/>', ExactDecimal("-0")),
        ('<multipleBirthInteger value="02"/>', "02"),
        ('<multipleBirthInteger value="2.0"/>', "2.0"),
        ('<multipleBirthInteger value=""/>', ""),
    ],
)
def test_values_get_their_json_type_and_what_is_none_is_left_to_the_guard(written: str, value: Any) -> None:
    [found] = [each for name, each in from_xml(patient(written)).items() if name.startswith("multiple")]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("literal", ["6.30", "-0.0", "1e2", "1E-7", "0.1", "100"])
def test_decimals_keep_how_they_were_written(literal: str) -> None:
    body = f'<Observation {NS}><valueQuantity><value value="{literal}"/></valueQuantity></Observation>'.encode()
    assert dumps(from_xml(body)["valueQuantity"]["value"]) == literal.encode()
    for wrong in (".5", "5.", "+5.0", "0x1", "NaN", "1_0", "\u0661"):
        body = f'<Observation {NS}><valueQuantity><value value="{wrong}"/></valueQuantity></Observation>'.encode()
        assert from_xml(body)["valueQuantity"]["value"] == wrong


@pytest.mark.parametrize(
    "div",
    [
        f"{DIV}<div>a</div><p class='x > y'>b</p></div>",
        f"{DIV}<!-- </div> -->a</div>",
        f"{DIV}<![CDATA[</div>]]>&#xa0;</div>",
        f"{DIV}line\n  <br></br></div >",
        "<div\n xmlns='http://www.w3.org/1999/xhtml'/>",
    ],
)
def test_a_narrative_keeps_how_it_was_written(div: str) -> None:
    inner = f"<contained><Patient><text>{DIV}inner</div></text></Patient></contained>"
    found = from_xml(patient(f"<!-- <div> --><text><status value='empty'/>{div}</text>{inner}"))
    assert found["text"]["div"] == div
    assert found["contained"][0]["text"]["div"] == f"{DIV}inner</div>"


def test_a_narrative_whose_namespace_is_declared_outside_gets_it() -> None:
    body = f'<Patient {NS} xmlns:h="http://www.w3.org/1999/xhtml"><text><h:div>a<h:br/></h:div></text></Patient>'
    assert from_xml(body.encode())["text"]["div"] == ('<h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:br/></h:div>')
    body = '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml"><f:text><div>a</div></f:text>'
    assert from_xml(f"{body}</f:Patient>".encode())["text"]["div"] == f"{DIV}a</div>"


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        ("<Patient/>", "http.body", "in no namespace; http://hl7.org/fhir is required"),
        ("<Patient xmlns='http://hl7.org/fhir/'/>", "http.body", "'http://hl7.org/fhir/'; http://hl7.org/fhir is"),
        (f"<Pateint {NS}/>", "http.body", "Did you mean 'Patient'"),
        (f"<Resource {NS}/>", "http.body", "not a resource type"),
        (f"<Patient {NS} id='a'/>", "Patient", "its id is an element"),
        (f"<Patient {NS} xmlns:x='urn:x' x:y='a'/>", "Patient", "a resource has no attributes"),
        (patient("<birthdate value='2020'/>"), "Patient.birthdate", "Did you mean 'birthDate'"),
        (patient("<name><given value='a'/><famly value='b'/></name>"), "Patient.name[0].famly", "'family'"),
        (patient("<name/><name use='a'/>"), "Patient.name[1]", "no attribute 'use' here; possible: id."),
        (patient("<active valeu='true'/>"), "Patient.active", "Did you mean 'value'"),
        (patient("<x:name xmlns:x='urn:x'/>"), "Patient.name", "in the namespace 'urn:x'"),
        (patient("<name xmlns=''/>"), "Patient.name", "in no namespace"),
        (patient("<birthDate value='2020'/><active value='true'/>"), "Patient.active", "comes before 'birthDate'"),
        (patient("<name/><active value='true'/>"), "Patient.active", "comes before 'name'"),
        (patient("<active value='true'/><active value='true'/>"), "Patient.active", "at most once"),
        (patient("<active id='a'/><active value='true'/>"), "Patient.active", "at most once"),
        (patient("<active>true</active>"), "Patient.active", "in the attribute 'value'"),
        (patient("<active value='true'>true</active>"), "Patient.active", "text between elements"),
        (patient("<active value='true'/>x"), "Patient", "text between elements"),
        (patient("<active/>"), "Patient.active", "without a value"),
        (patient("<active value='true'><value/></active>"), "Patient.active.value", "no such element"),
        (patient("<text><status value='empty'/><div>a</div></text>"), "Patient.text.div", "1999/xhtml is required"),
        (patient("<contained/>"), "Patient.contained[0]", "0 elements are in it; exactly one"),
        (patient("<contained><Patient/><Patient/></contained>"), "Patient.contained[0]", "2 elements"),
        (patient("<contained><Patent/></contained>"), "Patient.contained[0]", "Did you mean 'Patient'"),
        (patient("<contained id='x'><Patient/></contained>"), "Patient.contained[0]", "possible: none"),
        (patient("<?pi x?>"), "Patient", "processing instructions"),
        (f"<?xml-stylesheet href='x'?><Patient {NS}/>", "http.body", "processing instructions"),
        (f"<Patient {NS}/><?pi?>", "http.body", "processing instructions"),
        (f"<Patient {NS}><active value='true'/>", "http.body", "not well-formed XML"),
        (patient("<text>&nbsp;</text>"), "http.body", "not well-formed XML"),
        ("not xml", "http.body", "not well-formed XML"),
        (b"\xff\xfe<\0", "http.body", "not UTF-8"),
        ("<Patient/>".encode("utf-16-le"), "http.body", "not well-formed XML"),
        (f"<?xml version='1.0' encoding='ISO-8859-1'?><Patient {NS}/>", "http.body", "only UTF-8"),
        (patient("<name><text value='&#0;'/></name>"), "http.body", "not well-formed XML"),
        (patient("<name><text value='&#xd800;'/></name>"), "http.body", "not well-formed XML"),
        (
            f"<Observation {NS}><valueQuantity><value value='1e{'9' * 30}'/></valueQuantity></Observation>",
            "",
            "decimal",
        ),
    ],
)
def test_what_fhir_has_no_place_for_is_refused_with_its_place(body: bytes | str, where: str, said: str) -> None:
    expression, details = refused(body)
    assert expression == ((where,) if where else ())
    assert said in details


@pytest.mark.parametrize(
    "prolog",
    [
        "<!DOCTYPE Patient>",
        '<!DOCTYPE Patient [<!ENTITY x "y">]>',
        '<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Patient SYSTEM "http://127.0.0.1:9/x.dtd">',
        f'<!DOCTYPE Patient [<!ENTITY a "{"x" * 100}"><!ENTITY b "{"&a;" * 100}"><!ENTITY c "{"&b;" * 100}">]>',
    ],
)
def test_a_document_type_is_refused_unread(prolog: str) -> None:
    expression, details = refused(f'<?xml version="1.0"?>{prolog}<Patient {NS}><id value="&x;"/></Patient>')
    assert (expression, "document type" in details) == (("http.body",), True)


def test_nesting_has_the_limit_of_json() -> None:
    def nested(depth: int) -> bytes:
        return patient('<extension url="u">' * depth + '<valueCode value="x"/>' + "</extension>" * depth)

    assert from_xml(nested(40), max_depth=100)
    assert "deeper than 100" in refused(nested(60))[1]
    assert re.search("deeper|depth", refused(nested(5000))[1])


def test_a_byte_order_mark_and_a_declaration_are_read() -> None:
    body = f'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<Patient {NS}/>\n'
    assert from_xml(b"\xef\xbb\xbf" + body.encode()) == {"resourceType": "Patient"}
