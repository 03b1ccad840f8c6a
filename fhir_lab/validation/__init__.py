"""Validation on write against FHIR 4.0.1: a guard compiled from the definitions, and the models of fhir.resources.

The guard finds all errors of a resource at once. What it passes must also satisfy the Pydantic model of the type:
asking both about the same error would tell it twice, and the models raise `KeyError` on some broken JSON.
https://hl7.org/fhir/R4/validation.html. `docs/validation.md` lists the rules.
"""

from typing import Any

from fhir_lab.outcomes import Issue
from fhir_lab.validation.guard import Guard, is_resource
from fhir_lab.validation.structure import Structure
from fhir_lab.validation.walk import Walk, shown

__all__ = ["Validator"]

# A document can break a rule in every element; nobody reads more than this.
MOST_ISSUES = 200


class Validator:
    """Checks resources. Types compile when they are first met; a check changes nothing and may run in any thread."""

    def __init__(self) -> None:
        self._guard = Guard()
        self._structure = Structure()

    def check(self, resource: Any, resource_type: str) -> list[Issue]:
        """Everything that is wrong with a resource given as parsed JSON, each with its FHIRPath; [] when it is valid.

        `resource_type` is the type it must have.
        """
        if not is_resource(resource_type):
            return [Issue("not-supported", f"{shown(resource_type)} is not a resource type of R4.")]
        issues: list[Issue] = []
        try:
            self._guard.shape(resource_type).check(resource, resource_type, Walk(issues), {})
            issues = issues or self._structure.issues(resource, resource_type)
        except RecursionError:
            issues = [Issue("too-costly", "The resource is nested too deeply.", (resource_type,))]
        if len(issues) > MOST_ISSUES:
            rest = f"{len(issues) - MOST_ISSUES} more errors are not listed."
            return [*issues[:MOST_ISSUES], Issue("too-costly", rest, (resource_type,), severity="information")]
        return issues

    def part(self, value: Any, element: str, path: str) -> list[Issue]:
        """Everything that is wrong with one element, such as a `Bundle.entry`, that stands at this FHIRPath."""
        issues: list[Issue] = []
        self._guard.shape(element).check(value, path, Walk(issues), {})
        return issues
