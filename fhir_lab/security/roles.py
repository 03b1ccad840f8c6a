"""The roles of a laboratory and what each may do: least privilege, all of it in this one file.

A token of a user never reaches beyond the role, whatever scopes were asked for. Letters: create, read, update
(and patch), delete, search. Nobody but an auditor reads the audit trail; results are corrected, not deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_lab.outcomes import BadRequest, nearest
from fhir_lab.security.scopes import Scope, parse_scopes


@dataclass(frozen=True, slots=True)
class Role:
    """One role: what it is for, and the scopes that its users may hold."""

    name: str
    purpose: str
    scopes: tuple[Scope, ...]

    @property
    def scope(self) -> str:
        """The scopes as one `scope` value."""
        return " ".join(map(str, self.scopes))


def role(name: str) -> Role:
    """The role of this name. Raises `BadRequest` naming the roles there are."""
    if name not in ROLES:
        raise BadRequest.of(
            f"There is no role '{name[:40]}'; roles are {', '.join(ROLES)}.{nearest(name, ROLES)}",
            "user.role",
            code="value",
        )
    return ROLES[name]


def _reach(context: str, reach: Mapping[str, str]) -> tuple[Scope, ...]:
    """Scopes of one context from `{permissions: "Type Type ..."}`."""
    written = (
        f"{context}/{resource_type}.{permissions}"
        for permissions, resource_types in reach.items()
        for resource_type in resource_types.split()
    )
    return parse_scopes(" ".join(written))


_DIRECTORY = "Practitioner PractitionerRole Organization Location HealthcareService"
_CATALOGUE = "ActivityDefinition PlanDefinition ObservationDefinition SpecimenDefinition ConceptMap CodeSystem ValueSet"

_ROLES = (
    Role(
        "clinician",
        "Orders tests and reads results.",
        _reach(
            "user",
            {
                "crus": "ServiceRequest",
                "rs": f"Patient Encounter Specimen Observation DiagnosticReport Provenance {_DIRECTORY} {_CATALOGUE}",
            },
        ),
    ),
    Role(
        "technician",
        "Registers patients, orders and specimens, enters results.",
        _reach(
            "user",
            {
                "crus": "Patient Encounter ServiceRequest Specimen Observation DiagnosticReport Device Task",
                "rs": f"Provenance {_DIRECTORY} {_CATALOGUE}",
            },
        ),
    ),
    Role(
        "pathologist",
        "Verifies results and signs reports.",
        _reach(
            "user",
            {
                "crus": "Observation DiagnosticReport Task",
                "rus": "ServiceRequest Specimen",
                "rs": f"Patient Encounter Device Provenance {_DIRECTORY} {_CATALOGUE}",
            },
        ),
    ),
    Role(
        "administrator",
        "Keeps the directory, the catalogue, devices and subscriptions, and repairs records; sees no audit trail.",
        _reach(
            "user",
            {
                "cruds": "Patient Encounter ServiceRequest Specimen Observation DiagnosticReport Device Task Group "
                f"Subscription Endpoint SearchParameter StructureDefinition NamingSystem {_DIRECTORY} {_CATALOGUE}",
                "rs": "Provenance",
            },
        ),
    ),
    Role("auditor", "Reads who did what, and nothing else.", _reach("user", {"rs": "AuditEvent Provenance"})),
    Role(
        "patient",
        "Reads the own orders and results, and who made them.",
        _reach(
            "patient",
            {
                "rs": "Patient ServiceRequest Specimen Observation DiagnosticReport Encounter Provenance "
                "Practitioner PractitionerRole Organization Location",
            },
        ),
    ),
    Role("system", "Another system of the laboratory: everything.", _reach("system", {"cruds": "*"})),
)
ROLES: Mapping[str, Role] = {each.name: each for each in _ROLES}
