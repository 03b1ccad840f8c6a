"""The registry of search parameters: what it holds, and the ids that databases rely on."""

import subprocess
import sys

import pytest

from conformance import elements
from fhir_lab.search.registry import Component, Registry

REGISTRY = Registry.load()
EVERY = [parameter for type_ in REGISTRY.types for parameter in REGISTRY.of(type_).values()]


def test_loading_takes_less_than_50_ms_of_the_processor() -> None:
    script = (
        "import time; from fhir_lab.search.registry import Registry\n"
        "start = time.process_time(); Registry.load(); print(time.process_time() - start)"
    )
    times = [subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(3)]
    assert min(map(float, times)) < 0.05


def test_it_is_loaded_once_in_a_process() -> None:
    assert Registry.load() is REGISTRY


def test_the_types_are_the_concrete_resources_of_r4() -> None:
    concrete = sorted(
        name for name, table in elements().items() if table["kind"] == "resource" and not table["abstract"]
    )
    assert list(REGISTRY.types) == concrete
    assert len(REGISTRY.types) == 146


def test_every_parameter_that_can_be_answered_is_there() -> None:
    assert len(EVERY) == 1697 + 146 * 8
    assert {parameter.kind for parameter in EVERY} == {
        "token",
        "string",
        "date",
        "number",
        "quantity",
        "reference",
        "uri",
        "composite",
        "fulltext",
        "position",
        "phonetic",
    }
    counts = {name: len(REGISTRY.of(name)) - 8 for name in ("Patient", "ServiceRequest", "Specimen")}
    assert counts == {"Patient": 23, "ServiceRequest": 21, "Specimen": 12}
    assert len(REGISTRY.of("Observation")) - 8 == 38
    assert len(REGISTRY.of("DiagnosticReport")) - 8 == 16


def test_what_cannot_be_answered_is_not_there() -> None:
    assert REGISTRY.get("Patient", "near") is None


def test_every_type_has_the_common_parameters() -> None:
    common = {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_text", "_content"}
    assert all(common <= REGISTRY.of(type_).keys() for type_ in REGISTRY.types)
    assert set(REGISTRY.of("Binary")) == common


def test_ids_are_unique_and_small() -> None:
    ids = [parameter.id for parameter in EVERY]
    assert len(set(ids)) == len(ids)
    assert 0 < min(ids) <= max(ids) < 100_000


@pytest.mark.parametrize(
    ("resource_type", "code", "id_"),
    [
        ("Account", "_id", 101),
        ("Account", "identifier", 111),
        ("DiagnosticReport", "code", 4013),
        ("DiagnosticReport", "result", 4022),
        ("Observation", "_lastUpdated", 9602),
        ("Observation", "category", 9612),
        ("Observation", "code", 9613),
        ("Observation", "status", 9643),
        ("Observation", "value-string", 9648),
        ("Patient", "_tag", 10303),
        ("Patient", "identifier", 10326),
        ("Patient", "telecom", 10333),
        ("ServiceRequest", "authored", 12411),
        ("Specimen", "type", 12622),
        ("VisionPrescription", "status", 14616),
    ],
)
def test_ids_never_change_because_databases_store_them(resource_type: str, code: str, id_: int) -> None:
    parameter = REGISTRY.get(resource_type, code)
    assert parameter is not None
    assert parameter.id == id_
    assert REGISTRY.by_id(id_) is parameter


def test_unknown_types_codes_and_ids_are_not_found() -> None:
    assert REGISTRY.get("Patient", "shoe-size") is None
    assert REGISTRY.of("Shoe") == {}
    with pytest.raises(KeyError):
        REGISTRY.by_id(0)


def test_a_reference_parameter_knows_its_targets() -> None:
    parameter = REGISTRY.get("DiagnosticReport", "performer")
    assert parameter is not None
    assert parameter.targets == ("Practitioner", "Organization", "CareTeam", "PractitionerRole")


def test_the_components_of_a_composite_are_parameters_of_its_type() -> None:
    composites = [parameter for parameter in EVERY if parameter.kind == "composite"]
    assert len(composites) == 72
    for composite in composites:
        assert len(composite.components) in (2, 3)
        for component in composite.components:
            part = REGISTRY.get(composite.type, component.code)
            assert part is not None, (composite.code, component)
            assert part.url == component.url


def test_parts_of_the_resource_as_a_whole_pair_with_every_group() -> None:
    shared = {
        (parameter.code, component.code)
        for parameter in EVERY
        for component in parameter.components
        if component.shared
    }
    assert shared == {
        ("chromosome-variant-coordinate", "chromosome"),
        ("referenceseqid-variant-coordinate", "referenceseqid"),
    }
    variant = REGISTRY.get("MolecularSequence", "chromosome-variant-coordinate")
    assert variant is not None
    assert variant.components[0] == Component(
        "chromosome",
        "http://hl7.org/fhir/SearchParameter/MolecularSequence-chromosome",
        shared=True,
        expression="%resource.referenceSeq.chromosome",
    )


def test_the_patient_compartment_lists_the_parameters_that_link_to_it() -> None:
    compartment = REGISTRY.compartment("Patient")
    assert compartment["Observation"] == ("subject", "performer")
    assert compartment["DiagnosticReport"] == ("subject",)
    assert compartment["ServiceRequest"] == ("subject", "performer")
    assert compartment["Specimen"] == ("subject",)
    assert "Task" not in compartment
    for type_, codes in compartment.items():
        assert all(REGISTRY.get(type_, code) is not None for code in codes), type_


def test_the_systems_that_codes_imply_are_known() -> None:
    def systems(type_: str, code: str) -> frozenset[str]:
        parameter = REGISTRY.get(type_, code)
        assert parameter is not None
        return REGISTRY.code_systems(parameter)

    assert systems("DiagnosticReport", "status") == {"http://hl7.org/fhir/diagnostic-report-status"}
    assert systems("Patient", "gender") == {"http://hl7.org/fhir/administrative-gender"}
    assert systems("Patient", "deceased") == systems("Patient", "active")
    assert systems("Observation", "code") == frozenset()
    assert systems("Patient", "identifier") == frozenset()
