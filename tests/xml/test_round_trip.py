"""JSON to XML and back loses nothing, and so does XML to JSON and back: for every type, and for Synthea's patients."""

import bz2
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from fhir_lab.documents import dumps, parse
from fhir_lab.xml import from_xml, to_xml
from tests.support.any_documents import TYPES, AnyDocument

SYNTHEA = Path(__file__).parents[2].parent / "shared" / "corpus" / "synthea"
DEEP = 1000


def text(document: Any) -> bytes:
    """The JSON text without regard to the order of properties, every digit as it was written."""
    return dumps(document, sort_keys=True)


def canonical(xml: bytes) -> bytes:
    return etree.tostring(etree.fromstring(xml), method="c14n")


@pytest.mark.parametrize("name", TYPES)
def test_nothing_of_any_type_is_lost(name: str) -> None:
    for seed in range(5):
        document = AnyDocument(Random(seed)).resource(name)
        written = to_xml(document)
        read = from_xml(written, DEEP)
        assert text(read) == text(document)
        assert to_xml(read) == written
        assert canonical(to_xml(read)) == canonical(written)
        assert text(from_xml(to_xml(document, pretty=True), DEEP)) == text(document)


@given(st.sampled_from(TYPES), st.integers(5))
def test_nothing_of_any_document_is_lost(name: str, seed: int) -> None:
    document = AnyDocument(Random(seed)).resource(name)
    assert text(from_xml(to_xml(document), DEEP)) == text(document)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
def test_every_text_comes_back_as_it_was(value: str) -> None:
    document = {"resourceType": "Patient", "name": [{"text": value}]}
    assert from_xml(to_xml(document)) == document


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_every_number_comes_back_to_the_digit(value: Any) -> None:
    written = f'{{"resourceType":"Observation","valueQuantity":{{"value":{str(value).replace("E+", "e+")}}}}}'
    read = from_xml(to_xml(parse(written)))
    assert json.loads(dumps(read), parse_float=str, parse_int=str) == json.loads(
        written, parse_float=str, parse_int=str
    )


@pytest.mark.skipif(not SYNTHEA.exists(), reason="the corpus is not part of the repository")
def test_the_patients_of_synthea_lose_nothing() -> None:
    for file in sorted(SYNTHEA.glob("*.bz2"))[:6]:
        document = parse(bz2.decompress(file.read_bytes()), DEEP)
        written = to_xml(document)
        assert text(from_xml(written, DEEP)) == text(document)
        assert to_xml(from_xml(written, DEEP)) == written
