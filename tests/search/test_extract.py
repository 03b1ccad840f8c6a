"""Index rows: what each kind of parameter stores of a document."""

import bz2
from math import inf, nextafter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select

from fhir_lab.documents import Resource, parse
from fhir_lab.search.columns import skipped
from fhir_lab.search.extract import LAST_GROUP, IndexRows, extract
from fhir_lab.search.registry import Registry
from fhir_lab.search.values import FAR_FUTURE, date_range
from fhir_lab.services import Services
from fhir_lab.storage.tables import idx_quantity

REGISTRY = Registry.load()
UTC = ZoneInfo("UTC")
BASE = "https://lab.example.org/fhir/R4"
SYNTHEA = Path(__file__).parents[3] / "shared" / "corpus" / "synthea"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def indexed(resource: Resource, **options: Any) -> IndexRows:
    return extract(REGISTRY, resource, zone=UTC, base=BASE, **options)


def rows(kind: str, code: str, resource: Resource) -> list[tuple[Any, ...]]:
    """The rows of one parameter, without its id."""
    parameter = REGISTRY.get(resource["resourceType"], code)
    assert parameter is not None
    assert parameter.kind == kind
    return [row[1:] for row in getattr(indexed(resource), kind) if row[0] == parameter.id]


def observation(**elements: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "a test"}, **elements}


def test_a_concept_is_indexed_by_each_of_its_codings() -> None:
    coding = [{"system": LOINC, "code": "2345-7"}, {"code": "GLU"}, {"system": "http://lab.example.org/codes"}]
    assert rows("token", "code", observation(code={"coding": coding})) == [
        (0, LOINC, "2345-7"),
        (0, "", "GLU"),
        (0, "http://lab.example.org/codes", ""),
    ]


def test_codings_of_a_repeated_element_share_its_group() -> None:
    first = {"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]}
    category = [first, {"coding": [{"system": "a", "code": "3"}]}]
    assert rows("token", "category", observation(category=category)) == [(1, "a", "1"), (1, "b", "2"), (2, "a", "3")]


def test_a_concept_without_codings_is_known_to_be_there() -> None:
    assert rows("token", "code", observation(code={"text": "a test"})) == [(0, "", "")]
    assert rows("token", "method", observation()) == []


def test_codes_and_booleans_are_stored_without_a_system() -> None:
    assert rows("token", "status", observation()) == [(0, "", "final")]
    patient = {"resourceType": "Patient", "active": False, "gender": "other"}
    assert rows("token", "active", patient) == [(0, "", "false")]
    assert rows("token", "gender", patient) == [(0, "", "other")]
    assert rows("token", "deceased", patient) == [(0, "", "false")]


def test_identifiers_have_their_system_and_contact_points_none() -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "http://hospital.example.org/mrn", "value": "1"}, {"value": "2"}],
        "telecom": [{"system": "phone", "use": "home", "value": "+1 555"}, {"system": "email", "value": "a@b.example"}],
    }
    assert rows("token", "identifier", patient) == [(1, "http://hospital.example.org/mrn", "1"), (2, "", "2")]
    assert rows("token", "telecom", patient) == [(1, "", "1555"), (2, "", "a@b.example")]
    assert rows("token", "phone", patient) == [(1, "", "1555")]
    assert rows("token", "email", patient) == [(2, "", "a@b.example")]


def test_each_part_of_a_name_is_a_string_of_its_own() -> None:
    name = {
        "use": "official",
        "family": "García",
        "given": ["Ana", "María"],
        "prefix": ["Dr."],
        "suffix": ["MD"],
        "text": "Dr. Ana María García",
    }
    assert rows("string", "name", {"resourceType": "Patient", "name": [name]}) == [
        (1, "garcia", "García"),
        (1, "ana", "Ana"),
        (1, "maria", "María"),
        (1, "dr.", "Dr."),
        (1, "md", "MD"),
        (1, "dr. ana maria garcia", "Dr. Ana María García"),
    ]


def test_each_part_of_an_address_is_a_string_of_its_own() -> None:
    address = {
        "use": "home",
        "line": ["Main Street 1", "Floor 2"],
        "city": "Utrecht",
        "district": "Centrum",
        "state": "UT",
        "postalCode": "3511",
        "country": "NL",
        "text": "Main Street 1, Utrecht",
        "period": {"start": "2020"},
    }
    patient = {"resourceType": "Patient", "address": [address]}
    assert [exact for _, _, exact in rows("string", "address", patient)] == [
        "Main Street 1",
        "Floor 2",
        "Utrecht",
        "Centrum",
        "UT",
        "3511",
        "NL",
        "Main Street 1, Utrecht",
    ]
    assert rows("string", "address-city", patient) == [(1, "utrecht", "Utrecht")]
    assert rows("token", "address-use", patient) == [(1, "", "home")]


def test_a_string_result_may_be_the_text_of_a_concept() -> None:
    assert rows("string", "value-string", observation(valueString="Yellow")) == [(0, "yellow", "Yellow")]
    concept = observation(valueCodeableConcept={"text": "Positive"})
    assert rows("string", "value-string", concept) == [(0, "positive", "Positive")]
    assert rows("string", "value-string", observation(valueInteger=5)) == []


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        ({"effectiveDateTime": "2026-11-20"}, date_range("2026-11-20", UTC)),
        ({"effectiveInstant": "2026-11-20T08:30:00.000Z"}, date_range("2026-11-20T08:30:00.000Z", UTC)),
        ({"effectivePeriod": {"start": "2026-11-20"}}, (date_range("2026-11-20", UTC)[0], FAR_FUTURE)),
        ({"effectiveTiming": {"event": ["2026-11-20"]}}, date_range("2026-11-20", UTC)),
    ],
)
def test_a_date_is_a_range_whatever_the_type(effective: dict[str, Any], expected: tuple[int, int]) -> None:
    assert rows("date", "date", observation(**effective)) == [(0, *expected)]


def test_a_date_without_an_offset_is_read_in_the_zone_given() -> None:
    rows_there = extract(
        REGISTRY, observation(effectiveDateTime="2026-11-20"), zone=ZoneInfo("Europe/Berlin"), base=BASE
    )
    low, high = date_range("2026-11-20", UTC)
    assert [row[2:] for row in rows_there.date] == [(low - 3_600_000_000, high - 3_600_000_000)]


def test_an_event_that_is_told_in_words_has_no_date() -> None:
    assert rows("date", "date", {"resourceType": "Procedure", "performedString": "last summer"}) == []


def test_a_number_has_the_range_of_its_precision() -> None:
    prediction = [{"probabilityDecimal": 0.8}, {"probabilityRange": {"low": {"value": 10}, "high": {"value": 20}}}]
    risk = parse(b'{"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": 0.80}]}')
    assert rows("number", "probability", risk) == [(1, 0.8, 0.795, 0.805)]
    ranges = {"resourceType": "RiskAssessment", "prediction": prediction[1:]}
    assert rows("number", "probability", ranges) == [(1, 10, 10, 20), (1, 20, 10, 20)]


def test_a_quantity_is_a_point_with_its_unit_and_the_same_in_canonical_units() -> None:
    text = f'{{"value": 6.30, "unit": "mmol per litre", "system": "{UCUM}", "code": "umol/L"}}'
    found = rows("quantity", "value-quantity", observation(valueQuantity=parse(text)))
    assert found == [
        (0, 6.3, 6.295, 6.305, UCUM, "umol/L", "mmol per litre", 0.006295, 0.0063, 0.006305, "m-3.mol"),
    ]


def test_a_quantity_outside_ucum_has_no_canonical_unit() -> None:
    found = rows("quantity", "value-quantity", observation(valueQuantity={"value": 5, "unit": "mg/dL"}))
    assert found == [(0, 5, 4.5, 5.5, "", "", "mg/dL", None, None, None, None)]
    unknown = observation(valueQuantity={"value": 5, "system": UCUM, "code": "furlong"})
    assert rows("quantity", "value-quantity", unknown) == [
        (0, 5, 4.5, 5.5, UCUM, "furlong", "", None, None, None, None)
    ]


@pytest.mark.parametrize(
    ("comparator", "low", "high"),
    [
        ("<", -inf, nextafter(5, 0)),
        ("<=", -inf, 5),
        (">", nextafter(5, 6), inf),
        (">=", 5, inf),
    ],
)
def test_a_comparator_makes_an_open_range_with_a_row_at_each_end(comparator: str, low: float, high: float) -> None:
    value = {"value": 5, "comparator": comparator, "system": UCUM, "code": "mmol/L"}
    assert rows("quantity", "value-quantity", observation(valueQuantity=value)) == [
        (0, low, low, high, UCUM, "mmol/L", "", low, low, high, "m-3.mol"),
        (0, high, low, high, UCUM, "mmol/L", "", low, high, high, "m-3.mol"),
    ]


def test_sampled_data_spans_its_samples() -> None:
    samples = {"origin": {"value": 10, "unit": "mV"}, "factor": 2, "period": 1, "dimensions": 1, "data": "1 -3 E 4 U"}
    none: tuple[None, ...] = (None, None, None, None)
    assert rows("quantity", "value-quantity", observation(valueSampledData=samples)) == [
        (0, 4, 4, 18, "", "", "mV", *none),
        (0, 18, 4, 18, "", "", "mV", *none),
    ]


def test_a_range_may_be_open_and_an_age_is_a_quantity() -> None:
    condition = {"resourceType": "Condition", "onsetRange": {"low": {"value": 40, "system": UCUM, "code": "a"}}}
    found = rows("quantity", "onset-age", condition)
    assert [row[1:4] for row in found] == [(40, 40, inf), (inf, 40, inf)]
    aged = {"resourceType": "Condition", "onsetAge": {"value": 40, "system": UCUM, "code": "a"}}
    assert [row[1:4] for row in rows("quantity", "onset-age", aged)] == [(40, 39.5, 40.5)]


def test_money_has_its_currency() -> None:
    invoice = parse('{"resourceType": "Invoice", "totalNet": {"value": 12.50, "currency": "EUR"}}')
    found = rows("quantity", "totalnet", invoice)
    assert found == [(0, 12.5, 12.495, 12.505, "urn:iso:std:iso:4217", "EUR", "", None, None, None, None)]


@pytest.mark.parametrize(
    ("reference", "row"),
    [
        ({"reference": "Patient/1"}, ("Patient", "1", "", "", "")),
        ({"reference": f"{BASE}/Patient/1"}, ("Patient", "1", "", "", "")),
        ({"reference": "Patient/1/_history/3"}, ("Patient", "1", "", "", "")),
        (
            {"reference": "https://elsewhere.example.org/Patient/1/_history/3"},
            ("Patient", None, "https://elsewhere.example.org/Patient/1", "", ""),
        ),
        (
            {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "type": "Patient"},
            ("Patient", None, "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "", ""),
        ),
        ({"identifier": {"system": "s", "value": "v"}, "type": "Group"}, ("Group", None, "", "s", "v")),
        ({"reference": "Patient/1", "identifier": {"value": "v"}}, ("Patient", "1", "", "", "v")),
        ({"display": "somebody"}, ("", None, "", "", "")),
    ],
)
def test_a_reference_is_local_or_a_url_and_keeps_its_identifier(
    reference: dict[str, Any], row: tuple[str | None, ...]
) -> None:
    assert rows("reference", "subject", observation(subject=reference)) == [(0, *row)]


def test_a_reference_to_something_contained_is_not_indexed() -> None:
    assert rows("reference", "subject", observation(subject={"reference": "#p"})) == []


def test_patient_is_the_subject_only_when_that_is_a_patient() -> None:
    assert rows("reference", "patient", observation(subject={"reference": "Patient/1"})) == [
        (0, "Patient", "1", "", "", "")
    ]
    assert rows("reference", "patient", observation(subject={"reference": "Group/1"})) == []


def test_a_canonical_is_found_with_and_without_its_version() -> None:
    order = {
        "resourceType": "ServiceRequest",
        "instantiatesCanonical": ["http://lab.example.org/sepsis|2", f"{BASE}/PlanDefinition/1", "#contained"],
    }
    assert rows("reference", "instantiates-canonical", order) == [
        (1, "", None, "http://lab.example.org/sepsis", "", ""),
        (1, "", None, "http://lab.example.org/sepsis|2", "", ""),
        (2, "", None, f"{BASE}/PlanDefinition/1", "", ""),
    ]


def test_a_uri_is_stored_as_it_is_written() -> None:
    order = {"resourceType": "ServiceRequest", "instantiatesUri": ["urn:oid:1.2.3"]}
    assert rows("uri", "instantiates-uri", order) == [(1, "urn:oid:1.2.3")]


def test_the_common_parameters_are_indexed_for_every_type_but_id_and_last_updated() -> None:
    meta = {
        "versionId": "1",
        "lastUpdated": "2026-11-20T08:30:00.000Z",
        "source": "urn:oid:1.2",
        "profile": ["http://example.org/p"],
        "tag": [{"system": "t", "code": "1"}],
        "security": [{"system": "s", "code": "R"}],
    }
    binary: Resource = {"resourceType": "Binary", "id": "1", "meta": meta, "contentType": "text/plain"}
    found = indexed(binary)
    assert rows("token", "_tag", binary) == [(1, "t", "1")]
    assert rows("token", "_security", binary) == [(1, "s", "R")]
    assert rows("uri", "_profile", binary) == [(1, "http://example.org/p")]
    assert rows("uri", "_source", binary) == [(0, "urn:oid:1.2")]
    assert (len(found.token), len(found.uri), found.date) == (2, 2, [])


def test_the_parts_of_a_composite_pair_by_group() -> None:
    pressure = observation(
        code={"coding": [{"code": "85354-9"}]},
        component=[
            {"code": {"coding": [{"code": "8480-6"}]}, "valueQuantity": {"value": 140}},
            {"code": {"coding": [{"code": "8462-4"}]}, "valueQuantity": {"value": 90}},
        ],
    )
    assert rows("token", "combo-code", pressure) == [(0, "", "85354-9"), (1, "", "8480-6"), (2, "", "8462-4")]
    assert [row[:2] for row in rows("quantity", "combo-value-quantity", pressure)] == [(1, 140), (2, 90)]
    assert rows("token", "component-code", pressure) == [(1, "", "8480-6"), (2, "", "8462-4")]
    assert not [row for row in indexed(pressure).token if REGISTRY.by_id(row[0]).kind == "composite"]


def test_a_row_is_stored_once() -> None:
    coding = {"system": LOINC, "code": "2345-7"}
    assert rows("token", "code", observation(code={"coding": [coding, coding]})) == [(0, LOINC, "2345-7")]


def test_parameters_that_columns_answer_are_left_out() -> None:
    resource = observation(effectiveDateTime="2026", subject={"reference": "Patient/1"})
    left = indexed(resource, skip=skipped(REGISTRY))
    assert left.date == []
    assert {REGISTRY.by_id(row[0]).code for row in left.token} == {"code", "combo-code"}
    assert {REGISTRY.by_id(row[0]).code for row in left.reference} == {"patient", "subject"}


@pytest.mark.parametrize(
    "elements",
    [
        {"effectiveDateTime": "soon"},
        {"effectiveDateTime": 5},
        {"effectivePeriod": "2026"},
        {"effectivePeriod": {}},
        {"effectiveTiming": {"repeat": {"frequency": 1}}},
        {"valueQuantity": {"unit": "mg"}},
        {"valueQuantity": {"value": "five"}, "component": "none"},
        {"valueQuantity": {"value": 5, "comparator": "~"}},
        {"valueSampledData": {"origin": {"value": 1}, "data": "E E"}},
        {"component": [5, None, {"valueQuantity": []}]},
        {"subject": "Patient/1"},
        {"category": {"coding": []}},
        {"identifier": [{"system": 5}]},
        {"valueString": 5},
    ],
)
def test_malformed_values_are_silently_not_indexed(elements: dict[str, Any]) -> None:
    found = indexed(observation(**elements))
    codes = {
        REGISTRY.by_id(row[0]).code
        for kind in ("token", "date", "quantity", "reference")
        for row in getattr(found, kind)
    }
    assert codes - {"code", "combo-code", "status"} == set()


def test_groups_beyond_what_the_database_can_number_share_the_last() -> None:
    members = [{"entity": {"reference": f"Patient/{n}"}} for n in range(LAST_GROUP + 10)]
    found = rows("reference", "member", {"resourceType": "Group", "member": members})
    assert len(found) == LAST_GROUP + 10
    assert max(row[0] for row in found) == LAST_GROUP


def test_every_resource_of_the_corpus_is_indexed() -> None:
    """Each has rows of its identifiers or codes; where the corpus is there."""
    for file in sorted(SYNTHEA.glob("*.json.bz2"))[:3]:
        for entry in parse(bz2.decompress(file.read_bytes()))["entry"]:
            found = indexed(entry["resource"])
            assert found.token, entry["resource"]["resourceType"]


def test_both_databases_store_and_compare_infinite_bounds(services: Services) -> None:
    value = {"value": 5, "comparator": "<", "unit": "mg/dL"}
    found = [
        row
        for row in indexed(observation(valueQuantity=value)).quantity
        if REGISTRY.by_id(row[0]).code == "value-quantity"
    ]
    names = [column.name for column in idx_quantity.columns if column.name != "pk"]
    with services.database.write() as connection:
        connection.execute(insert(idx_quantity), [{"pk": 1, **dict(zip(names, row, strict=True))} for row in found])
    with services.database.read() as connection:
        stored = connection.execute(
            select(idx_quantity.c.value, idx_quantity.c.low).order_by(idx_quantity.c.value)
        ).all()
        below = connection.execute(select(idx_quantity.c.high).where(idx_quantity.c.value < -1e300)).all()
        above = connection.execute(select(idx_quantity.c.high).where(idx_quantity.c.value >= 5)).all()
    assert [tuple(row) for row in stored] == [(-inf, -inf), (nextafter(5, 0), -inf)]
    assert [tuple(row) for row in below] == [(nextafter(5, 0),)]
    assert above == []
