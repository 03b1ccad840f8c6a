"""Cultures and their susceptibility panels in one message."""

import pytest

from fhir_lab.documents import Resource
from tests.support.hl7v2_store import PATIENT, Store

CULTURE = "OBR|1|P1^EHR|F1^LIS|630-4^Urine culture^LN|||20250312080000|||||||||||||||20250314100000||MB|F"
ORGANISMS = [
    "OBX|1|SN|630-4^Urine culture^LN|1|>^100000|[CFU]/mL^^UCUM|||||F",
    "OBX|2|CWE|630-4^Urine culture^LN|1|112283007^E. coli^SCT|||A|||F",
    "OBX|3|CWE|630-4^Urine culture^LN|2|78065002^E. faecalis^SCT|||A|||F",
]
DRUG = "OBX|1|SN|18861-5^Amoxicillin^LN||>^32|ug/mL||R|||F"


def panel(number: str, parent: str = "630-4&Urine culture&LN^1^E. coli", order: str = "P1&EHR^F1&LIS") -> str:
    return (
        f"OBR|2|P1^EHR|{number}^LIS|50545-3^Susceptibility^LN|||20250312080000|||||||||||||||20250314100000||MB|F"
        f"|{parent}|||{order}"
    )


def by_display(store: Store) -> dict[str, Resource]:
    found = {}
    for each in store.of("Observation"):
        value = each.get("valueCodeableConcept", {}).get("coding", [{}])[0].get("display")
        found[value or each["code"]["coding"][0]["display"]] = each
    return found


def test_a_panel_belongs_to_the_isolate_that_obr_26_names() -> None:
    store = Store()
    store.send(
        PATIENT, CULTURE, *ORGANISMS, panel("F1-1"), DRUG, panel("F1-2", "630-4&Urine culture&LN^2^E. faecalis"), DRUG
    )
    found = by_display(store)
    drugs = {
        each["derivedFrom"][0]["reference"]: each["id"] for each in store.of("Observation") if "derivedFrom" in each
    }
    coli, faecalis = found["E. coli"], found["E. faecalis"]
    assert set(drugs) == {f"Observation/{coli['id']}", f"Observation/{faecalis['id']}"}
    for organism in (coli, faecalis):
        reference = f"Observation/{organism['id']}"
        assert organism["hasMember"] == [{"reference": f"Observation/{drugs[reference]}"}]
    assert "hasMember" not in found["Urine culture"]


def test_the_childs_request_is_based_on_the_parents() -> None:
    store = Store()
    store.send(PATIENT, CULTURE, *ORGANISMS, panel("F1-1"), DRUG)
    requests = {each["code"]["coding"][0]["code"]: each for each in store.of("ServiceRequest")}
    assert requests["50545-3"]["basedOn"] == [{"reference": f"ServiceRequest/{requests['630-4']['id']}"}]
    assert "basedOn" not in requests["630-4"]
    reports = {each["code"]["coding"][0]["code"]: each for each in store.of("DiagnosticReport")}
    assert reports["50545-3"]["basedOn"] == [{"reference": f"ServiceRequest/{requests['50545-3']['id']}"}]


def test_the_isolate_is_looked_for_in_the_order_that_obr_29_names() -> None:
    store = Store()
    other = CULTURE.replace("F1^LIS", "F0^LIS")
    store.send(PATIENT, other, ORGANISMS[1].replace("E. coli", "Other"), CULTURE, *ORGANISMS, panel("F1-1"), DRUG)
    found = by_display(store)
    assert "hasMember" in found["E. coli"]
    assert "hasMember" not in found["Other"]


def test_a_parent_by_its_placer_number_is_found() -> None:
    store = Store()
    store.send(PATIENT, CULTURE, *ORGANISMS, panel("F1-1", order="P1&EHR"), DRUG)
    assert "hasMember" in by_display(store)["E. coli"]


@pytest.mark.parametrize("order", ["P1&EHR^F1&LIS", ""])
def test_a_panel_whose_culture_is_elsewhere_names_its_order(order: str) -> None:
    store = Store()
    store.send(PATIENT, panel("F1-1", order=order), DRUG)
    request = store.one("ServiceRequest")
    assert "derivedFrom" not in store.one("Observation")
    if order:
        (parent,) = request["basedOn"]
        assert (parent["type"], parent["identifier"]["value"]) == ("ServiceRequest", "F1")
    else:
        assert "basedOn" not in request


def test_dotted_sub_ids_are_results_of_an_isolate() -> None:
    store = Store()
    store.send(
        PATIENT,
        CULTURE,
        ORGANISMS[1],
        "OBX|2|SN|18861-5^Amoxicillin^LN|1.1|>^32|ug/mL||R|||F",
        "OBX|3|SN|18879-7^Cefotaxime^LN|1.2|<^1|ug/mL||S|||F",
        "OBX|4|SN|19000-9^Vancomycin^LN|2.1|<^1|ug/mL||S|||F",
    )
    found = by_display(store)
    members = {each["reference"] for each in found["E. coli"]["hasMember"]}
    assert members == {f"Observation/{found[name]['id']}" for name in ("Amoxicillin", "Cefotaxime")}
    assert "derivedFrom" not in found["Vancomycin"]


def test_a_culture_that_is_sent_again_keeps_its_members() -> None:
    store = Store()
    store.send(PATIENT, CULTURE, *ORGANISMS, panel("F1-1"), DRUG)
    store.send(PATIENT, CULTURE[:-1] + "C", ORGANISMS[0], ORGANISMS[1][:-1] + "C")
    found = by_display(store)["E. coli"]
    assert found["status"] == "corrected"
    assert len(found["hasMember"]) == 1
