"""Observation/$stats. https://hl7.org/fhir/R4/observation-operation-stats.html"""

from typing import Any

import pytest

from fhir_lab.operations.statistics import STATISTICS
from tests.support.api import Api, Json, patient

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def quantity(value: Any, code: str = "mmol/L", **more: Any) -> Json:
    return {"value": value, "unit": code, "system": UCUM, "code": code, **more}


def result(api: Api, number: int, value: Json, code: str = "2345-7", **more: Any) -> None:
    body = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/a"},
        "effectiveDateTime": f"2026-01-{number:02}T08:00:00Z",
        **value,
        **more,
    }
    assert api.put(f"/Observation/o{number}", body).status_code == 201


def asked(api: Api, query: str) -> list[Json]:
    response = api.get(f"/Observation/$stats?{query}")
    assert response.status_code == 200, response.text
    found = [each["resource"] for each in response.json()["parameter"]]
    checked = [each for resource in found for each in api.services.validator.check(resource, "Observation")]
    assert [each for each in checked if each.severity == "error"] == []
    return found


def values(observation: Json) -> dict[str, Any]:
    return {
        each["code"]["coding"][0]["code"]: each.get("valueQuantity", {}).get("value")
        for each in observation["component"]
    }


GLUCOSE = f"subject=Patient/a&code=2345-7&system={LOINC}"


@pytest.fixture
def glucose(api: Api) -> Api:
    api.put("/Patient/a", patient("a"))
    for number, value in enumerate([5, 7, 6, 9, 8], 1):
        result(api, number, {"valueQuantity": quantity(value)})
    return api


def test_every_statistic_is_computed_from_the_values(glucose: Api) -> None:
    names = "&".join(f"statistic={name}" for name in STATISTICS)
    [found] = asked(glucose, f"{GLUCOSE}&{names}")
    assert values(found) == {
        **{"average": 7, "maximum": 9, "minimum": 5, "count": 5, "total-count": 5, "median": 7, "sum": 35},
        **{"std-dev": 1.58113883008, "variance": 2.5, "20-percent": 5.8, "80-percent": 8.2, "4-lower": 6, "4-upper": 8},
        **{"4-dev": 1, "5-1": 5.8, "5-2": 6.6, "5-3": 7.4, "5-4": 8.2, "skew": 0, "kurtosis": -1.2},
        "regression": 0.0333333333333,
    }
    assert found["effectivePeriod"] == {"start": "2026-01-01T08:00:00.000Z", "end": "2026-01-05T08:00:00.000Z"}
    assert found["component"][0]["valueQuantity"] == quantity(7)
    assert found["component"][3]["valueQuantity"] == quantity(5, "1")


def test_values_in_another_unit_are_converted_to_that_of_the_newest(glucose: Api) -> None:
    result(glucose, 6, {"valueQuantity": quantity(10_000, "umol/L")})
    [found] = asked(glucose, f"{GLUCOSE}&statistic=maximum&statistic=minimum")
    assert values(found) == {"maximum": 10_000, "minimum": 5000}
    result(glucose, 7, {"valueQuantity": quantity(90, "mg/dL")})
    refused = glucose.get(f"/Observation/$stats?{GLUCOSE}&statistic=average")
    assert refused.status_code == 422
    assert "cannot be converted" in refused.text


def test_what_is_no_plain_number_counts_in_the_total_alone(glucose: Api) -> None:
    result(glucose, 6, {"valueQuantity": quantity(30, comparator=">")})
    result(glucose, 7, {"valueString": "haemolytic"})
    result(glucose, 8, {"valueQuantity": quantity(99)}, status="entered-in-error")
    [found] = asked(glucose, f"{GLUCOSE}&statistic=count&statistic=total-count&statistic=maximum")
    assert values(found) == {"count": 5, "total-count": 7, "maximum": 9}


def test_a_period_or_duration_bounds_it(glucose: Api) -> None:
    period = {"start": "2026-01-02", "end": "2026-01-03"}
    body = [
        {"name": "subject", "valueUri": "Patient/a"},
        {"name": "coding", "valueCoding": {"system": LOINC, "code": "2345-7"}},
        {"name": "period", "valuePeriod": period},
        {"name": "statistic", "valueCode": "average"},
    ]
    response = glucose.post("/Observation/$stats", {"resourceType": "Parameters", "parameter": body}).json()
    assert values(response["parameter"][0]["resource"]) == {"average": 6.5}
    [none] = asked(glucose, f"{GLUCOSE}&duration=0.5&statistic=average&statistic=count")
    assert values(none) == {"average": None, "count": 0}


def test_a_panel_is_counted_by_its_components_and_members(glucose: Api) -> None:
    pressure = [
        {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ]
    result(glucose, 10, {"component": pressure}, code="85354-9")
    found = asked(glucose, f"subject=Patient/a&code=85354-9&system={LOINC}&statistic=average")
    assert [(each["code"]["coding"][0]["code"], values(each)) for each in found] == [
        ("8480-6", {"average": 120}),
        ("8462-4", {"average": 80}),
    ]
    [systolic] = asked(glucose, f"subject=Patient/a&code=8480-6&system={LOINC}&statistic=average")
    assert values(systolic) == {"average": 120}
    result(glucose, 11, {"hasMember": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}]}, code="1-8")
    [members] = asked(glucose, f"subject=Patient/a&code=1-8&system={LOINC}&statistic=sum")
    assert (members["code"]["coding"][0]["code"], values(members)) == ("2345-7", {"sum": 12})


def test_the_observations_themselves_come_on_request_the_newest_first(glucose: Api) -> None:
    found = asked(glucose, f"{GLUCOSE}&statistic=count&include=true&limit=2")
    assert [each["id"] for each in found[1:]] == ["o5", "o4"]


def test_a_patient_sees_no_statistics_of_others(glucose: Api) -> None:
    glucose.put("/Patient/b", patient("b"))
    other = glucose.scoped("patient/Observation.rs", patient="b")
    [found] = asked(other, f"{GLUCOSE}&statistic=count&include=true")
    assert values(found) == {"count": 0}


@pytest.mark.parametrize(
    "query",
    [
        "statistic=average",
        "subject=Patient/a&statistic=average",
        f"{GLUCOSE}",
        f"{GLUCOSE}&statistic=mean",
        f"{GLUCOSE}&statistic=average&duration=x",
        f"{GLUCOSE}&statistic=average&duration=0",
        f"{GLUCOSE}&statistic=average&duration=-1",
        f"{GLUCOSE}&statistic=average&duration=1000001",
        f"{GLUCOSE}&statistic=average&duration=1e300",
        f"{GLUCOSE}&statistic=average&limit=0",
        f"{GLUCOSE}&statistic=average&nothing=1",
        f"{GLUCOSE.replace('Patient/a', 'a')}&statistic=average",
        f"{GLUCOSE.replace('Patient/a', 'Pateint/a')}&statistic=average",
        f"{GLUCOSE.replace('Patient/a', 'Patient/a,Patient/b')}&statistic=average",
    ],
)
def test_what_cannot_be_answered_is_refused(glucose: Api, query: str) -> None:
    assert glucose.get(f"/Observation/$stats?{query}").status_code == 400
