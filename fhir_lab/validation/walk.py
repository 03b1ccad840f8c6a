"""What a check carries through a resource: the issues found so far, and what is known of contained resources."""

from collections.abc import Callable, Iterable
from typing import Any

from fhir_lab.documents import ExactDecimal
from fhir_lab.fhirpath import Node
from fhir_lab.outcomes import Issue, nearest

SHOWN = 80
MOST_ISSUES = 200
NOWHERE: Node = ({}, "", None)


class Walk:
    """One walk over one resource (a resource in a Bundle is walked on its own)."""

    __slots__ = ("contained", "fragments", "inside", "issues", "pointing_up", "resource", "root", "thorough")

    def __init__(
        self,
        issues: list[Issue],
        contained: dict[str, str] | None = None,
        *,
        thorough: bool = False,
        resource: Node = NOWHERE,
    ) -> None:
        self.issues = issues
        self.thorough = thorough  # warnings are wanted as well
        self.resource = resource  # %resource
        self.root = resource  # %rootResource: where a contained resource is contained
        self.contained = contained or {}  # id -> type of the contained resources
        self.fragments: set[str] = set()  # ids that a '#id' referred to
        self.inside: str | None = None  # id of the contained resource being walked
        self.pointing_up: set[str] = set()  # ids of contained resources that refer to '#', their container

    def add(self, code: str, path: str, details: str, severity: str = "error") -> None:
        """Note an error at a FHIRPath: `details` says what was found and what is allowed."""
        self.issues.append(Issue(code, f"{path}: {details}", (path,), severity))

    def near(self, name: str, known: Iterable[str]) -> str:
        """The hint at the nearest known name; none once there are more errors than anybody is told."""
        return nearest(name, known) if len(self.issues) < MOST_ISSUES else ""


# Check a value at a path; the last argument is the object that holds it.
Check = Callable[[Any, str, Walk, dict[str, Any]], None]


def shown(value: Any) -> str:
    """A value as an error may quote it: short, and without characters that cannot be printed."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")
    if isinstance(value, ExactDecimal):
        return value.literal[:SHOWN]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else str(value)[:SHOWN]


def listed(names: list[str], most: int = 20) -> str:
    """The allowed names as one phrase, the first `most` of them."""
    more = f" ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
