"""A small laboratory to search: writes resources through the one door, and searches as any caller."""

from typing import Any
from urllib.parse import parse_qsl

from fhir_lab.documents import Resource, dumps, parse
from fhir_lab.search.match import matches
from fhir_lab.search.run import SearchPage, matching, search
from fhir_lab.security.access import Caller, system
from fhir_lab.security.scopes import parse_scopes
from fhir_lab.services import Services
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def caller(scopes: str, patient: str | None = None, subject: str = "someone") -> Caller:
    """A caller with SMART scopes, in the context of a patient or none."""
    return Caller(subject, "test", parse_scopes(scopes), "request", patient)


class Finder:
    """Writes and searches one installation."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def put(self, *resources: Resource) -> None:
        """Write resources with their own ids in one transaction; decimals as their JSON says."""
        entries = [
            Entry("PUT", resource["resourceType"], id=resource["id"], resource=parse(dumps(resource)))
            for resource in resources
        ]
        self._transact(entries)

    def delete(self, resource_type: str, resource_id: str) -> None:
        """Delete one resource."""
        self._transact([Entry("DELETE", resource_type, id=resource_id)])

    def _transact(self, entries: list[Entry]) -> None:
        services = self.services
        services.database.transact(lambda connection: apply(Unit(connection, system("test"), services), entries))

    def page(self, resource_type: str, query: str, who: Caller | None = None, **options: Any) -> SearchPage:
        """One page of a search."""
        with self.services.database.read() as connection:
            unit = Unit(connection, who or system("test"), self.services)
            return search(unit, resource_type, parse_qsl(query, keep_blank_values=True), **options)

    def ids(self, resource_type: str, query: str, who: Caller | None = None) -> list[str]:
        """The ids of the matches on the first page, in order."""
        return [version.id for version in self.page(resource_type, query, who).matches]

    def found(self, resource_type: str, query: str, who: Caller | None = None) -> set[str]:
        """The ids of all matches; fails if one is given twice or the total differs."""
        page = self.page(resource_type, f"{query}&_count=1000", who)
        ids = [version.id for version in page.matches]
        assert len(set(ids)) == len(ids)
        assert page.total == len(ids)
        return set(ids)

    def matching(self, resource_type: str, query: str, who: Caller | None = None) -> list[str]:
        """The ids that a conditional interaction would find."""
        with self.services.database.read() as connection:
            unit = Unit(connection, who or system("test"), self.services)
            return [resource_id for _, resource_id, _ in matching(unit, resource_type, query)]

    def in_memory(self, resource: Resource, query: str) -> bool:
        """Whether one document matches, without the database."""
        return matches(self.services, parse(dumps(resource)), resource["resourceType"], query)


def patient(resource_id: str, **elements: Any) -> Resource:
    """A Patient."""
    return {"resourceType": "Patient", "id": resource_id, **elements}


def observation(resource_id: str, of: str = "", code: str = "718-7", **elements: Any) -> Resource:
    """A final laboratory Observation of a Patient, or of nobody; elements that are None are left out."""
    elements = {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": code}]},
        **({"subject": {"reference": f"Patient/{of}"}} if of else {}),
        **elements,
    }
    return {name: value for name, value in elements.items() if value is not None}


def quantity(value: Any, unit: str = "mg/dL", **elements: Any) -> dict[str, Any]:
    """A UCUM Quantity."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit, **elements}
