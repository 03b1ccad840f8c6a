"""SMART scopes, version 1 (`user/Patient.read`) and version 2 (`patient/Observation.rs?category=laboratory`).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope: `context` is patient, user or system; `resource_type` may be `*`; `permissions` of `cruds`.

    `query` is the part after `?` of a granular scope: only what it matches is covered.
    """

    context: str
    resource_type: str
    permissions: frozenset[str]
    query: str | None = None

    def covers(self, resource_type: str, permission: str) -> bool:
        """True when this scope speaks of the type and grants the permission."""
        return permission in self.permissions and self.resource_type in ("*", resource_type)
