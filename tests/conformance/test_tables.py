"""The 4.0.1 tables: they load, they agree with each other, and people can read a difference between two versions."""

import re
from importlib import resources

import pytest

import conformance
from conformance import elements, invariants, required_codes, search_help, search_parameters
from fhir_lab.search.registry import Registry

REGISTRY = Registry.load()
LAB_TYPES = ("Patient", "ServiceRequest", "Specimen", "Observation", "DiagnosticReport")
RESULT_PARAMETERS = ("_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_total")


TABLES = "elements required-codes invariants invariant-notes compartments search-parameters units search-help"


@pytest.mark.parametrize("name", TABLES.split())
def test_a_table_has_one_entry_per_line(name: str) -> None:
    text = resources.files(conformance).joinpath(f"{name}.json").read_text("utf-8")
    assert text.startswith("{\n")
    assert text.endswith("\n}\n")
    assert len(text.splitlines()) > 5


def test_every_required_binding_has_its_codes() -> None:
    bound = {
        entry["required"]
        for table in elements().values()
        for entry in table["elements"].values()
        if "required" in entry and entry.get("types") == ["code"]
    }
    missing = sorted(bound - set(required_codes()))
    # Media types and currencies are lists that others keep.
    assert missing == ["http://hl7.org/fhir/ValueSet/currencies", "http://hl7.org/fhir/ValueSet/mimetypes"]


def test_invariants_belong_to_elements_that_exist() -> None:
    unknown = [
        path for type_, rules in invariants().items() for path in rules if path not in elements()[type_]["elements"]
    ]
    assert unknown == []


def test_the_expressions_of_search_parameters_name_types_that_exist() -> None:
    assert {entry["base"] for entry in search_parameters()["parameters"]} <= set(REGISTRY.types)


@pytest.mark.parametrize("resource_type", LAB_TYPES)
def test_every_parameter_of_a_lab_resource_is_explained_with_an_example(resource_type: str) -> None:
    for code in REGISTRY.of(resource_type):
        sentence = search_help(resource_type, code)
        assert sentence is not None, code
        example = re.search(r"Example: `([^`]+)`\.$", sentence)
        assert example is not None, sentence
        assert example.group(1).startswith(code + "="), sentence


@pytest.mark.parametrize("code", RESULT_PARAMETERS)
def test_result_parameters_are_explained_whatever_the_type(code: str) -> None:
    assert search_help("Patient", code) == search_help("Basic", code)
    assert f"`{code}=" in (search_help("Patient", code) or "")


def test_what_has_no_explanation_has_none() -> None:
    assert search_help("Patient", "shoe-size") is None
    assert search_help("Account", "owner") is None


def test_nothing_is_explained_that_does_not_exist() -> None:
    table = conformance._help()
    assert set(table) == {"common", *LAB_TYPES}
    for resource_type in LAB_TYPES:
        assert set(table[resource_type]) <= set(REGISTRY.of(resource_type))
