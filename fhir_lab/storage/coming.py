"""What a transaction is about to store, found by conditions as if it were stored already.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.storage.unit import Unit

Condition = tuple[str, str]  # resource type, query without '?'


def identifier_of(condition: Condition) -> tuple[str, str] | None:
    """(system, value) of a plain `identifier=system|value`, the condition that Bundles repeat a lot."""
    pairs = parse_qsl(condition[1], keep_blank_values=True)
    if len(pairs) != 1 or pairs[0][0] != "identifier" or any(mark in pairs[0][1] for mark in ("\\", ",", "\0")):
        return None
    system, bar, value = pairs[0][1].partition("|")
    return (system, value) if bar and system and value and "|" not in value else None


class Coming:
    """The resources of one transaction, each with the id that it will have."""

    def __init__(self, unit: Unit, resources: Iterable[tuple[str, Resource]]) -> None:
        self._unit = unit
        self._by_type: dict[str, list[tuple[str, Resource]]] = {}
        self._by_identifier: dict[tuple[str, str, str], list[str]] = {}
        for resource_id, resource in resources:
            self._by_type.setdefault(resource["resourceType"], []).append((resource_id, resource))
            self._add_identifiers(resource_id, resource)

    def matching(self, condition: Condition) -> list[str]:
        """The ids of what matches, two at most. A condition that needs other resources (a chain) matches nothing."""
        from fhir_lab.search.match import matches

        resource_type, query = condition
        identifier = identifier_of(condition)
        if identifier is not None:
            return self._by_identifier.get((resource_type, *identifier), [])[:2]
        found: list[str] = []
        for resource_id, resource in self._by_type.get(resource_type, ()):
            try:
                if matches(self._unit, resource, resource_type, query):
                    found.append(resource_id)
            except BadRequest:
                return []
            if len(found) > 1:
                break
        return found

    def _add_identifiers(self, resource_id: str, resource: Resource) -> None:
        identifiers = resource.get("identifier", [])
        for each in identifiers if isinstance(identifiers, list) else [identifiers]:
            key = (resource["resourceType"], str(each.get("system", "")), str(each.get("value", "")))
            known = self._by_identifier.setdefault(key, [])
            if resource_id not in known:
                known.append(resource_id)
