"""Searches on both databases: the exact set of resources that each question finds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_lab.outcomes import BadRequest
from fhir_lab.services import Services
from tests.support.finding import LOINC, UCUM, Finder, observation, patient, quantity

MRN = "urn:oid:1.2.3"


@pytest.fixture
def finder(services: Services) -> Finder:
    return Finder(services)


def component(code: str, value: float) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}


def test_strings_match_from_the_start_without_case_and_accents(finder: Finder) -> None:
    finder.put(
        patient("a", name=[{"family": "Müller-Lüdenscheidt", "given": ["Eve"]}]),
        patient("b", name=[{"family": "Mulder", "given": ["Severine"]}]),
        patient("c", name=[{"given": ["eve"]}]),
    )
    assert finder.found("Patient", "family=mul") == {"a", "b"}
    assert finder.found("Patient", "family=MÜLL") == {"a"}
    assert finder.found("Patient", "given=eve") == {"a", "c"}
    assert finder.found("Patient", "given:contains=EVE") == {"a", "b", "c"}
    assert finder.found("Patient", "given:exact=Eve") == {"a"}
    assert finder.found("Patient", "name=mulder,sev") == {"b"}
    assert finder.found("Patient", "given=eve&family=mul") == {"a"}
    assert finder.found("Patient", "family:missing=true") == {"c"}
    assert finder.found("Patient", "name:contains=%25") == set()


def test_tokens_match_by_code_by_system_and_by_both(finder: Finder) -> None:
    finder.put(
        patient("a", identifier=[{"system": MRN, "value": "1"}, {"value": "x|y"}], gender="female", active=True),
        patient("b", identifier=[{"system": "urn:other", "value": "1"}], gender="male", active=False),
        patient("c", identifier=[{"value": "1"}]),
    )
    assert finder.found("Patient", "identifier=1") == {"a", "b", "c"}
    assert finder.found("Patient", f"identifier={MRN}|1") == {"a"}
    assert finder.found("Patient", f"identifier={MRN}|") == {"a"}
    assert finder.found("Patient", "identifier=|1") == {"c"}
    assert finder.found("Patient", r"identifier=x\|y") == {"a"}
    assert finder.found("Patient", f"identifier={MRN}|1,urn:other|1") == {"a", "b"}
    assert finder.found("Patient", "gender=female") == {"a"}
    assert finder.found("Patient", "gender=http://hl7.org/fhir/administrative-gender|male") == {"b"}
    assert finder.found("Patient", "gender=urn:x|male") == set()
    assert finder.found("Patient", "gender:not=female") == {"b", "c"}
    assert finder.found("Patient", "active=true") == {"a"}
    assert finder.found("Patient", "active=false") == {"b"}
    assert finder.found("Patient", "active=maybe") == set()
    assert finder.found("Patient", "active:missing=true") == {"c"}
    assert finder.found("Patient", "active:missing=false&gender=male") == {"b"}


def test_the_text_of_a_token_is_searched_as_a_string(finder: Finder) -> None:
    hemoglobin = {"text": "Hämoglobin", "coding": [{"system": LOINC, "code": "718-7", "display": "Hemoglobin [Mass]"}]}
    finder.put(
        {**observation("a"), "code": hemoglobin},
        observation("b", component=[{"code": {"text": "hemoglobin A1c"}, "valueString": "x"}]),
        patient("p", identifier=[{"value": "1", "type": {"text": "Medical record"}}]),
    )
    assert finder.found("Observation", "code:text=hamo") == {"a"}
    assert finder.found("Observation", "code:text=hemoglobin [m") == {"a"}
    assert finder.found("Observation", "code:text=mass") == set()
    assert finder.found("Observation", "combo-code:text=hemoglobin") == {"a", "b"}
    assert finder.found("Patient", "identifier:text=medical") == {"p"}
    assert finder.found("Observation", "code:text=718-7") == set()


def test_not_leaves_out_a_resource_of_which_any_coding_matches(finder: Finder) -> None:
    two = [{"coding": [{"system": "urn:x", "code": "a"}]}, {"coding": [{"system": "urn:x", "code": "b"}]}]
    finder.put(observation("ab", category=two), observation("b", category=two[1:]), observation("none", category=None))
    assert finder.found("Observation", "category:not=a") == {"b", "none"}
    assert finder.found("Observation", "category=a,b") == {"ab", "b"}
    assert finder.found("Observation", "category=a&category=b") == {"ab"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("date=2013-01", {"day", "minute", "month"}),
        ("date=eq2013-01-20", {"day", "minute"}),
        ("date=ne2013-01-20", {"month", "year", "from", "period"}),
        ("date=2013-01-20T10:30", {"minute"}),
        ("date=2013-01-20T05:30:00-05:00", {"minute"}),
        ("date=gt2013-01-20", {"month", "year", "from", "period"}),
        ("date=ge2013-01-20", {"day", "minute", "month", "year", "from", "period"}),
        ("date=lt2013-01-20", {"month", "year"}),
        ("date=le2013-01-20", {"day", "minute", "month", "year"}),
        ("date=sa2013-01-19", {"day", "minute", "from", "period"}),
        ("date=eb2013-02-01", {"day", "minute", "month"}),
        ("date=ge2014-06-01", {"from"}),
        ("date=ge2013-01-20&date=lt2013-01-21", {"day", "minute", "month", "year"}),
        ("date=2013-01-20T10:30,2013", {"day", "minute", "month", "year", "period"}),
        ("date:missing=true", {"none"}),
    ],
)
def test_dates_are_ranges_on_both_sides(sqlite_services: Services, query: str, expected: set[str]) -> None:
    finder = Finder(sqlite_services)
    finder.put(
        observation("day", effectiveDateTime="2013-01-20"),
        observation("minute", effectiveDateTime="2013-01-20T10:30:00Z"),
        observation("month", effectiveDateTime="2013-01"),
        observation("year", effectiveDateTime="2013"),
        observation("period", effectivePeriod={"start": "2013-01-25", "end": "2013-02-03"}),
        observation("from", effectivePeriod={"start": "2013-01-21"}),
        observation("none"),
    )
    assert finder.found("Observation", query) == expected


def test_an_approximate_date_is_a_tenth_of_its_distance_wide(finder: Finder) -> None:
    finder.put(observation("a", effectiveDateTime="2013-03-14"), observation("b", effectiveDateTime="2003-03-14"))
    assert finder.found("Observation", "date=ap2013-01-20") == {"a"}


def test_birth_dates_answer_from_whole_days_whatever_the_precision(finder: Finder) -> None:
    finder.put(patient("day", birthDate="1980-05-01"), patient("month", birthDate="1980-05"), patient("none"))
    assert finder.found("Patient", "birthdate=1980") == {"day", "month"}
    assert finder.found("Patient", "birthdate=1980-05-01") == {"day"}
    assert finder.found("Patient", "birthdate=gt1980-05-01") == {"month"}
    assert finder.found("Patient", "birthdate=le1980-05-01") == {"day"}
    assert finder.found("Patient", "birthdate=ge1980-05-01T12:00:00Z") == {"day", "month"}
    assert finder.found("Patient", "birthdate=sa1980-04-30") == {"day", "month"}
    assert finder.found("Patient", "birthdate=lt1980-05-01T12:00:00Z&birthdate=eb1980-05-02") == {"day"}
    assert finder.found("Patient", "birthdate:missing=true") == {"none"}


def test_numbers_compare_by_the_precision_of_what_is_asked(finder: Finder) -> None:
    finder.put(
        *(
            {
                "resourceType": "RiskAssessment",
                "id": f"r{n}",
                "status": "final",
                "subject": {"display": "somebody"},
                "prediction": [{"probabilityDecimal": probability}],
            }
            for n, probability in enumerate((0.5, 0.54, 0.8))
        )
    )
    assert finder.found("RiskAssessment", "probability=0.5") == {"r0", "r1"}
    assert finder.found("RiskAssessment", "probability=0.50") == {"r0"}
    assert finder.found("RiskAssessment", "probability=gt0.5") == {"r1", "r2"}
    assert finder.found("RiskAssessment", "probability=ge5e-1") == {"r0", "r1", "r2"}
    assert finder.found("RiskAssessment", "probability=ap0.5") == {"r0", "r1"}


def test_quantities_compare_in_canonical_units(finder: Finder) -> None:
    finder.put(
        observation("mg", valueQuantity=quantity(5.4, "mg")),
        observation("g", valueQuantity=quantity(0.0054, "g")),
        observation("label", valueQuantity={"value": 5.4, "unit": "drops"}),
        observation("below", valueQuantity=quantity(5, "mg", comparator="<")),
        observation("above", valueQuantity=quantity(5, "mg", comparator=">")),
    )
    assert finder.found("Observation", f"value-quantity=5.4|{UCUM}|mg") == {"mg", "g"}
    assert finder.found("Observation", f"value-quantity=5.4e-3|{UCUM}|g") == {"mg", "g"}
    assert finder.found("Observation", "value-quantity=5.4||drops") == {"label"}
    assert finder.found("Observation", "value-quantity=5.4||mg") == {"mg"}
    assert finder.found("Observation", "value-quantity=5.4") == {"mg", "label"}
    assert finder.found("Observation", f"value-quantity=lt5|{UCUM}|mg") == {"below"}
    assert finder.found("Observation", f"value-quantity=ge5|{UCUM}|mg") == {"mg", "g", "above"}
    assert finder.found("Observation", f"value-quantity=gt1000|{UCUM}|mg") == {"above"}
    assert finder.found("Observation", f"value-quantity=5.4|{UCUM}|mL") == set()


def test_references_are_found_in_every_form(finder: Finder) -> None:
    base = finder.services.settings.fhir_base
    elsewhere = "http://other.example.org/fhir/Patient/p"
    finder.put(
        patient("p"),
        {"resourceType": "Group", "id": "p", "type": "person", "actual": True},
        observation("patient", "p"),
        observation("group", subject={"reference": "Group/p"}),
        observation("foreign", subject={"reference": elsewhere}),
        observation("logical", subject={"identifier": {"system": MRN, "value": "1"}}),
        observation("nobody"),
    )
    assert finder.found("Observation", "subject=p") == {"patient", "group"}
    assert finder.found("Observation", "subject=Patient/p") == {"patient"}
    assert finder.found("Observation", "subject:Group=p") == {"group"}
    assert finder.found("Observation", f"subject={base}/Patient/p") == {"patient"}
    assert finder.found("Observation", "patient=p") == {"patient"}
    assert finder.found("Observation", "patient=Patient/p/_history/1") == {"patient"}
    assert finder.found("Observation", f"subject={elsewhere}") == {"foreign"}
    assert finder.found("Observation", f"subject:identifier={MRN}|1") == {"logical"}
    assert finder.found("Observation", "subject:missing=true") == {"nobody"}
    assert finder.found("Observation", "subject:missing=false") == {"patient", "group", "foreign", "logical"}
    assert finder.found("Observation", "patient=Patient/nobody") == set()
    assert finder.found("Observation", f"subject=Patient/p,{elsewhere}") == {"patient", "foreign"}


def test_canonical_references_are_found_with_their_version_and_without(finder: Finder) -> None:
    url = "http://example.org/Questionnaire/q"
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed"}
    finder.put({**answers, "id": "one", "questionnaire": f"{url}|1"}, {**answers, "id": "any", "questionnaire": url})
    assert finder.found("QuestionnaireResponse", f"questionnaire={url}") == {"one", "any"}
    assert finder.found("QuestionnaireResponse", f"questionnaire={url}|1") == {"one"}


def test_uris_are_exact_or_above_or_below(finder: Finder) -> None:
    for resource_id, url in (
        ("a", "http://acme.org/fhir/ValueSet/1"),
        ("b", "http://acme.org/fhir"),
        ("c", "urn:oid:1"),
    ):
        finder.put({"resourceType": "ValueSet", "id": resource_id, "status": "active", "url": url})
    assert finder.found("ValueSet", "url=http://acme.org/fhir") == {"b"}
    assert finder.found("ValueSet", "url=http://ACME.org/fhir") == set()
    assert finder.found("ValueSet", "url:below=http://acme.org/fhir") == {"a", "b"}
    assert finder.found("ValueSet", "url:above=http://acme.org/fhir/ValueSet/1/_history/5") == {"a", "b"}
    assert finder.found("ValueSet", "url=urn:oid:1") == {"c"}


def test_composites_hold_within_one_component(finder: Finder) -> None:
    finder.put(
        observation("high", component=[component("8480-6", 150), component("8462-4", 90)]),
        observation("low", component=[component("8480-6", 110), component("8462-4", 150)]),
        observation("single", code="8480-6", valueQuantity=quantity(150, "mm[Hg]")),
    )
    assert finder.found("Observation", "component-code-value-quantity=8480-6$gt140") == {"high"}
    assert finder.found("Observation", "combo-code-value-quantity=8480-6$gt140") == {"high", "single"}
    assert finder.found("Observation", f"code-value-quantity={LOINC}|8480-6$gt140|{UCUM}|mm[Hg]") == {"single"}
    assert finder.found("Observation", "component-code-value-quantity=8480-6$gt140,8462-4$150") == {"high", "low"}
    assert finder.found("Observation", "combo-code=8462-4") == {"high", "low"}


def test_ids_profiles_tags_and_times_are_common_to_all_types(finder: Finder) -> None:
    finder.put(patient("a", meta={"profile": ["http://example.org/p"], "tag": [{"system": "urn:t", "code": "x"}]}))
    finder.put(patient("b"))
    assert finder.found("Patient", "_id=a,b,c") == {"a", "b"}
    assert finder.found("Patient", "_id:not=a") == {"b"}
    assert finder.found("Patient", "_profile=http://example.org/p") == {"a"}
    assert finder.found("Patient", "_tag=urn:t|x") == {"a"}
    assert finder.found("Patient", "_tag:missing=true") == {"b"}
    assert finder.found("Patient", "_id=A") == set()


def test_last_updated_is_searched_to_the_millisecond(finder: Finder) -> None:
    clock = finder.services.clock
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    finder.put(patient("old"))
    clock.advance(timedelta(milliseconds=1))
    finder.put(patient("new"))
    assert finder.found("Patient", "_lastUpdated=gt2030-01-01T00:00:00.000Z") == {"new"}
    assert finder.found("Patient", "_lastUpdated=ge2030-01-01T00:00:00.000Z") == {"old", "new"}
    assert finder.found("Patient", "_lastUpdated=2030-01-01T00:00:00.000Z") == {"old"}
    assert finder.found("Patient", "_lastUpdated=2030-01-01") == {"old", "new"}
    assert finder.found("Patient", "_lastUpdated=lt2030-01-01T00:00:00.001Z") == {"old"}


def test_chains_follow_references_to_any_depth(finder: Finder) -> None:
    finder.put(
        {"resourceType": "Organization", "id": "org", "name": "Acme Clinic"},
        patient("a", name=[{"family": "Smith"}], managingOrganization={"reference": "Organization/org"}),
        patient("b", name=[{"family": "Jones"}]),
        observation("oa", "a"),
        observation("ob", "b"),
        observation("none"),
        {
            "resourceType": "DiagnosticReport",
            "id": "report",
            "status": "final",
            "code": {"text": "x"},
            "result": [{"reference": "Observation/oa"}],
        },
    )
    assert finder.found("Observation", "subject:Patient.name=smith") == {"oa"}
    assert finder.found("Observation", "patient.family=smith,jones") == {"oa", "ob"}
    assert finder.found("Observation", "subject.name=smith") == {"oa"}
    assert finder.found("Observation", "patient.organization.name=acme") == {"oa"}
    assert finder.found("Observation", "patient.organization:missing=true") == {"ob"}
    assert finder.found("Observation", "patient._id=a") == {"oa"}
    assert finder.found("Observation", "patient.name=smith&patient.name=jones") == set()
    assert finder.found("DiagnosticReport", "result.patient.organization.name=acme") == {"report"}
    assert finder.found("DiagnosticReport", "result.code=718-7") == {"report"}


def test_reverse_chains_are_independent_of_each_other(finder: Finder) -> None:
    finder.put(
        patient("both"),
        patient("one"),
        patient("none"),
        observation("1", "both", code="a", effectiveDateTime="2020-01-01"),
        observation("2", "both", code="b"),
        observation("3", "one", code="a", effectiveDateTime="2021-01-01"),
        {
            "resourceType": "Provenance",
            "id": "p",
            "target": [{"reference": "Observation/3"}],
            "recorded": "2022-01-01T00:00:00Z",
            "agent": [{"who": {"display": "somebody"}}],
        },
    )
    assert finder.found("Patient", "_has:Observation:patient:code=a") == {"both", "one"}
    assert finder.found("Patient", "_has:Observation:patient:code=a,b") == {"both", "one"}
    assert finder.found("Patient", "_has:Observation:patient:code=a&_has:Observation:patient:code=b") == {"both"}
    assert finder.found("Patient", "_has:Observation:subject:date=2021") == {"one"}
    assert finder.found("Patient", "_has:Observation:patient:status=final") == {"both", "one"}
    assert finder.found("Patient", "_has:Observation:patient:_has:Provenance:target:recorded=2022") == {"one"}
    assert finder.found("Observation", "_has:Provenance:target:_id=p") == {"3"}
    assert finder.found("Patient", "_has:Observation:patient:_id=1&_id=both") == {"both"}


def test_a_list_finds_what_it_refers_to(finder: Finder) -> None:
    finder.put(patient("a"), patient("b"))
    entry = [{"item": {"reference": "Patient/a"}}]
    finder.put({"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": entry})
    assert finder.found("Patient", "_list=l") == {"a"}
    assert finder.found("Patient", "_list=other") == set()


def test_deleted_resources_are_not_found_by_any_kind_of_condition(finder: Finder) -> None:
    finder.put(patient("gone", gender="male"), patient("here", gender="male"), observation("o", "here"))
    finder.delete("Patient", "gone")
    finder.delete("Observation", "o")
    for query in (
        "gender=male",
        "gender:not=female",
        "active:missing=true",
        "_id=gone,here",
        "_lastUpdated=ge2000",
        "",
    ):
        assert finder.found("Patient", query) == {"here"}, query
    assert finder.found("Patient", "_has:Observation:patient:status=final") == set()
    assert finder.found("Observation", "") == set()


def test_an_update_moves_a_resource_from_its_old_values_to_the_new(finder: Finder) -> None:
    finder.put(patient("p"), observation("o", "p", code="old", effectiveDateTime="2020"))
    finder.put(observation("o", "p", code="new", effectiveDateTime="2021"))
    assert finder.found("Observation", "code=old") == set()
    assert finder.found("Observation", "patient=p&code=new&date=2021") == {"o"}


def test_every_table_that_can_lead_gives_each_resource_once(finder: Finder) -> None:
    twice = [{"system": "urn:a", "code": "x"}, {"system": "urn:b", "code": "x"}]
    finder.put(
        patient("p", name=[{"family": "Smith"}, {"family": "Smithers", "given": ["Smith"]}]),
        observation("o", "p", code="unused", category=[{"coding": twice}, {"coding": twice}]),
    )
    assert finder.ids("Patient", "name=smith") == ["p"]
    assert finder.ids("Observation", "category=x") == ["o"]
    assert finder.ids("Observation", "category=x&patient=p&_sort=-date") == ["o"]
    assert finder.ids("Patient", "_has:Observation:patient:category=x") == ["p"]


@pytest.mark.parametrize(
    ("resource_type", "name", "value", "most"),
    [
        ("Patient", "_id", "x{}", 1000),
        ("Patient", "identifier", "{}", 1000),
        ("Patient", "identifier", "urn:x|{}", 1000),
        ("Patient", "gender", "{}", 1000),
        ("Observation", "focus", "x{}", 1000),
        ("Observation", "subject", "http://x/Patient/{}", 1000),
        ("Observation", "subject:identifier", "urn:x|{}", 1000),
        ("Patient", "name", "x{}", 100),
        ("Patient", "birthdate", "1{:03}", 100),
        ("Observation", "date", "ge1{:03}", 100),
        ("Observation", "value-quantity", "ne{}||mg", 100),
        ("Observation", "code-value-quantity", "a${}", 100),
        ("ValueSet", "url", "http://x/{}", 100),
        ("Observation", "code:text", "x{}", 100),
    ],
)
def test_as_many_alternatives_as_are_allowed_can_be_run(
    finder: Finder, resource_type: str, name: str, value: str, most: int
) -> None:
    values = [value.format(n) for n in range(most + 1)]
    assert finder.found(resource_type, f"{name}={','.join(values[:most])}") == set()
    with pytest.raises(BadRequest):
        finder.page(resource_type, f"{name}={','.join(values)}")


def test_conditional_matching_is_strict_and_wants_a_criterion(finder: Finder) -> None:
    finder.put(patient("a", identifier=[{"system": MRN, "value": "1"}]), patient("b"), patient("c"))
    assert finder.matching("Patient", f"identifier={MRN}|1") == ["a"]
    assert len(finder.matching("Patient", "_id=a,b,c")) == 2
    for query in ("", "identifier=", "_count=5", "nmae=x"):
        with pytest.raises(BadRequest):
            finder.matching("Patient", query)


def test_the_plan_is_told_on_request(finder: Finder) -> None:
    finder.put(patient("p"))
    query = "patient=p&code=http://loinc.org|718-7&status=final&_tag:not=x&date=ge2020&_sort=-date&__explain=true"
    (issue,) = finder.page("Observation", query).outcomes
    assert issue.severity == "information"
    assert issue.diagnostics
    assert issue.details.split(". ") == [
        "How the matches are found",
        "'patient' is tested on the same rows, which repeat the patient",
        "Observation: 'code' leads, as the rows of observation_coding that satisfy it",
        "'status' is tested on the resource's one row of observation",
        "'_tag:not' is asked of each row that is left: it must have no row in idx_token",
        "'date' is tested on the resource's one row of observation",
        "The leading rows have 'date' in them, so that an index may give them in order.",
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status:not=final", "Observation: all resources of the type are gone through"),
        ("subject:Patient.name=x", "'subject:Patient.' leads, as the rows of observation"),
        ("_filter=status eq final or code eq x", "('status' or 'code') leads, as a list put together from observation"),
        (
            "_sort=_lastUpdated,value-string",
            "Sorted by '_lastUpdated', a column of the resource's row, 'value-string', loo",
        ),
        ("", "In the order in which they were stored."),
        ("patient=nobody&status=final", "Observation: what one of the parameters names is not stored"),
    ],
)
def test_any_search_can_be_explained(finder: Finder, query: str, said: str) -> None:
    (issue,) = finder.page("Observation", f"{query}&__explain=true").outcomes
    assert said in issue.details


def test_a_resource_that_is_only_referred_to_is_not_found_itself(finder: Finder) -> None:
    finder.services.settings = finder.services.settings.model_copy(update={"referential_integrity": False})
    finder.put(observation("o", "not-loaded-yet", performer=[{"reference": "Practitioner/neither"}]))
    assert finder.found("Observation", "patient=not-loaded-yet&performer=neither") == {"o"}
    for query in (
        "",
        "_id=not-loaded-yet",
        "active:missing=true",
        "_has:Observation:patient:code=718-7",
        "gender:not=x",
    ):
        assert finder.found("Patient", query) == set(), query
    assert finder.found("Observation", "patient.active:missing=true") == set()
    assert finder.found("Practitioner", "_has:Observation:performer:code=718-7") == set()
    assert finder.page("Observation", "_include=*").included == []
    finder.put(patient("not-loaded-yet", active=True))
    assert finder.found("Observation", "patient.active=true") == {"o"}
