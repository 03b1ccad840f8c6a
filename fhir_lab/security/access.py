"""Who is asking, and how far their scopes reach. Every call into storage carries a `Caller`.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from dataclasses import dataclass
from typing import Literal

from fhir_lab.security.scopes import Scope

Permission = Literal["c", "r", "u", "d", "s"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One way in: within a patient's compartment (or anywhere), to what a search query matches (or everything)."""

    patient: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """The grants a caller has for one permission on one type; a resource that any of them covers may be touched."""

    grants: tuple[Grant, ...]

    @property
    def denied(self) -> bool:
        """True when no scope grants the permission at all."""
        return not self.grants

    @property
    def unrestricted(self) -> bool:
        """True when every resource of the type may be touched."""
        return Grant() in self.grants


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `subject` (user or client id), `client` (the app), their scopes, and the launch context.

    `patient` is the id of the Patient in whose compartment `patient/` scopes reach.
    """

    subject: str
    client: str
    scopes: tuple[Scope, ...]
    request_id: str
    patient: str | None = None
    fhir_user: str | None = None

    def access(self, resource_type: str, permission: Permission) -> Access:
        """How far the scopes reach for this permission (`c r u d s`) on this resource type."""
        grants: list[Grant] = []
        for scope in self.scopes:
            if not scope.covers(resource_type, permission):
                continue
            if scope.context == "patient":
                if self.patient is not None:
                    grants.append(Grant(self.patient, scope.query))
            else:
                grants.append(Grant(None, scope.query))
        return Access(tuple(dict.fromkeys(grants)))


def system(request_id: str, name: str = "fhir-lab") -> Caller:
    """The laboratory server itself, for ingest, loading and maintenance: all is allowed, and audited as `name`."""
    return Caller(name, name, (Scope("system", "*", frozenset("cruds")),), request_id)
