"""Whatever is sent as XML is read, or refused with a reason; nothing fails otherwise, and nothing takes long."""

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_lab.outcomes import BadRequest
from fhir_lab.xml import from_xml, to_xml
from tests.support.any_documents import TYPES, AnyDocument

PIECES = (
    *(
        b"<",
        b">",
        b"/>",
        b"</",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<?x?>",
        b"<!DOCTYPE x>",
        b"&x;",
        b"&#0;",
        b"&#x1;",
    ),
    *(
        b' id="a"',
        b' value="1"',
        b' xmlns="urn:x"',
        b' xmlns=""',
        b"<div>",
        b"</div>",
        b"text",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"<extension/>", b"<contained/>", b"<x:y/>", b"'", b'"', b"<a", b"<Patient/>"),
)


@given(
    st.sampled_from(TYPES),
    st.integers(0, 20),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(PIECES), st.integers(0, 9))),
)
def test_a_broken_document_is_read_or_refused(name: str, seed: int, changes: list[tuple[float, bytes, int]]) -> None:
    body = to_xml(AnyDocument(Random(seed)).resource(name))
    for where, piece, replaced in changes:
        at = int(where * len(body))
        body = body[:at] + piece + body[at + replaced :]
    try:
        found = from_xml(body, 1000)
    except BadRequest:
        return
    assert from_xml(to_xml(found), 1000) == found


@given(st.binary(max_size=200))
def test_bytes_at_random_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        from_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<!--" * 200_000,
        b"<!---->" * 200_000,
        b"<?xml " + b"encoding " * 200_000,
        b"<a " + b"x='" * 200_000,
        b"<a>" * 200_000,
        b'<Patient xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">' + b"<div>" * 200_000,
        b'<Patient xmlns="http://hl7.org/fhir"><text><div ' + b"xmlns " * 200_000,
        b'<Patient xmlns="http://hl7.org/fhir" ' + b" ".join(b'a%d=""' % n for n in range(100_000)) + b"/>",
    ],
)
def test_a_megabyte_of_beginnings_is_refused_at_once(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(BadRequest):
        from_xml(body)
    assert time.process_time() - began < 2
