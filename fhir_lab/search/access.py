"""How far a caller's scopes reach, as a condition of the search itself: nobody filters afterwards.

A grant of a patient scope reaches the patient's compartment, the types that hold nothing of a patient (for reading),
and Device and Task by their `patient`. A granular scope (`?category=laboratory`) reaches what its query matches.
https://hl7.org/fhir/R4/compartmentdefinition-patient.html
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sqlalchemy import ColumnElement

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest, Forbidden
from fhir_lab.search.aliases import restart
from fhir_lab.search.compartments import belongs, referring
from fhir_lab.search.compile import Compiler
from fhir_lab.search.match import satisfies
from fhir_lab.search.parse import parse
from fhir_lab.search.sets import Intersection, Set, holds, union_of
from fhir_lab.search.tree import Criterion
from fhir_lab.security.access import Grant, Permission
from fhir_lab.services import Services
from fhir_lab.storage.unit import Unit

# Types that hold nothing of a patient: a patient scope reads them, as apps must to show who ordered and who reported.
OPEN_TYPES = frozenset(
    {
        *("ActivityDefinition", "CapabilityStatement", "CodeSystem", "ConceptMap", "DeviceDefinition", "Endpoint"),
        *("HealthcareService", "Library", "Location", "Measure", "Medication", "MedicationKnowledge", "NamingSystem"),
        *("ObservationDefinition", "OperationDefinition", "Organization", "OrganizationAffiliation", "PlanDefinition"),
        *("Practitioner", "PractitionerRole", "Questionnaire", "SearchParameter", "SpecimenDefinition"),
        *("StructureDefinition", "Substance", "ValueSet"),
    }
)
# Not in the patient compartment of R4, but of one patient all the same.
LINKED_TYPES = {"Device": ("patient",), "Task": ("patient",)}
READING: tuple[Permission, ...] = ("r", "s")


@dataclass(frozen=True, slots=True)
class Way:
    """What one grant reaches: resources that satisfy one of `compartment` (None: all) and every one of `query`."""

    compartment: tuple[Criterion, ...] | None
    query: tuple[Criterion, ...]


class Reaches:
    """What one caller may reach, type by type, worked out once each."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._sets: dict[tuple[str, tuple[Permission, ...]], Set | None] = {}
        # A scope's own query is not a way for the caller to look around, so its links are not limited.
        self._compiler = Compiler(unit, lambda _: None)

    def allowed(self, resource_type: str, permission: Permission) -> Set | None:
        """The resources that the permission covers, None for all of the type. Raises `Forbidden` for none."""
        ways = self._ways(resource_type, (permission,))
        if not ways:
            raise _forbidden(self._unit, resource_type, permission)
        return self._set(resource_type, (permission,), ways)

    def anywhere(self, resource_type: str, permission: Permission) -> bool:
        """True when the scopes reach some resources of the type, or might."""
        return bool(self._ways(resource_type, (permission,)))

    def readable(self, resource_type: str) -> Set | None:
        """The resources that the caller may read or find, None for all of the type, an empty set for none."""
        return self._set(resource_type, READING, self._ways(resource_type, READING))

    def _ways(self, resource_type: str, permissions: tuple[Permission, ...]) -> list[Way]:
        return ways(self._unit, resource_type, permissions)

    def _set(self, resource_type: str, permissions: tuple[Permission, ...], found: Sequence[Way]) -> Set | None:
        key = (resource_type, permissions)
        if key not in self._sets:
            free = any(way.compartment is None and not way.query for way in found)
            self._sets[key] = None if free else union_of([self._way(resource_type, way) for way in found])
        return self._sets[key]

    def _way(self, resource_type: str, way: Way) -> Set:
        parts = self._compiler.sets(resource_type, way.query)
        if way.compartment is not None:
            parts.append(union_of(self._compiler.sets(resource_type, way.compartment)))
        return parts[0] if len(parts) == 1 else Intersection(resource_type, tuple(parts))


def access_condition(
    unit: Unit, resource_type: str, permission: Permission, pk_column: ColumnElement[int]
) -> ColumnElement[bool] | None:
    """The condition that the resource `pk_column` may be touched, None where any of the type may.

    Raises `Forbidden` when the caller's scopes don't reach any resource of the type.
    """
    restart()
    found = Reaches(unit).allowed(resource_type, permission)
    return None if found is None else holds(found, pk_column)


def permits(unit: Unit, resource: Resource, permission: Permission) -> bool:
    """True when the caller may have a resource with this content: for what is about to be written.

    A granular scope whose query has a chain does not reach content that is not stored.
    """
    resource_type = resource["resourceType"]
    return any(_covers(unit.services, way, resource) for way in ways(unit, resource_type, (permission,)))


def ways(unit: Unit, resource_type: str, permissions: Iterable[Permission]) -> list[Way]:
    """What the caller's scopes grant, one way per scope that reaches anything."""
    found: dict[Way, None] = {}
    for permission in permissions:
        for grant in unit.caller.access(resource_type, permission).grants:
            way = _way_of(unit.services, resource_type, grant, permission)
            if way is not None:
                found[way] = None
    return list(found)


def _way_of(services: Services, resource_type: str, grant: Grant, permission: Permission) -> Way | None:
    try:
        query = parse(services, resource_type, parse_qsl(grant.query)).criteria if grant.query else ()
    except BadRequest:
        return None  # a scope that this server cannot read grants nothing
    if grant.query and not query:
        return None
    if grant.patient is None or (resource_type in OPEN_TYPES and permission in READING):
        return Way(None, query)
    compartment = _compartment(services, resource_type, grant.patient)
    return Way(compartment, query) if compartment else None


def _compartment(services: Services, resource_type: str, patient: str) -> tuple[Criterion, ...]:
    registry = services.registry
    linked = LINKED_TYPES.get(resource_type)
    if linked:
        return referring(registry, "Patient", patient, resource_type, linked)
    return belongs(registry, "Patient", patient, resource_type)


def _covers(services: Services, way: Way, resource: Resource) -> bool:
    try:
        if not all(satisfies(services, resource, criterion) for criterion in way.query):
            return False
    except BadRequest:
        return False
    return way.compartment is None or any(satisfies(services, resource, criterion) for criterion in way.compartment)


def _forbidden(unit: Unit, resource_type: str, permission: Permission) -> Forbidden:
    held = " ".join(dict.fromkeys(scope.context for scope in unit.caller.scopes)) or "none"
    return Forbidden.of(
        f"Your scopes do not grant '{permission}' on {resource_type}; a scope such as "
        f"user/{resource_type}.{permission} does. Contexts of your scopes: {held}."
    )
