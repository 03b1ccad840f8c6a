"""Validation against FHIR 4.0.1: a guard compiled from the definitions, the models of fhir.resources, and profiles.

The guard finds all errors of a resource at once. What it passes must also satisfy the Pydantic model of the type:
asking both about the same error would tell it twice, and the models raise `KeyError` on some broken JSON.
https://hl7.org/fhir/R4/validation.html. `docs/validation.md` lists the rules.
"""

from collections.abc import Sequence
from typing import Any

from fhir_lab.outcomes import Issue
from fhir_lab.validation.guard import Guard, is_resource
from fhir_lab.validation.profiles import DefinitionError, Library, Profiles, Source, check_profiles, compile_profile
from fhir_lab.validation.structure import Structure
from fhir_lab.validation.walk import MOST_ISSUES, Walk, shown

__all__ = ["MODES", "Validator"]

# The modes of $validate. https://hl7.org/fhir/R4/valueset-resource-validation-mode.html
MODES = ("create", "update", "delete", "profile")
# A document can break a rule in every element; nobody reads more than this.


class Validator:
    """Checks resources. Types compile when they are first met; a check changes nothing and may run in any thread."""

    def __init__(self) -> None:
        self._guard = Guard()
        self._structure = Structure()
        self._library = Library()

    def check(self, resource: Any, resource_type: str) -> list[Issue]:
        """Everything that is wrong with a resource given as parsed JSON, each with its FHIRPath; [] when it is valid.

        `resource_type` is the type it must have. Warnings and profiles are left to `validate` and `claims`.
        """
        return _cut(self._base(resource, resource_type, thorough=False), resource_type)

    def claims(self, resource: dict[str, Any], profiles: Profiles) -> list[Issue]:
        """The errors of a resource, which `check` has passed, against the profiles that its meta.profile claims.

        What it contains and the entries of a Bundle are held to their own claims. Profiles that are not known are not
        checked.
        """
        issues: list[Issue] = []
        check_profiles(resource, (), profiles, issues, thorough=False)
        return _cut(issues, resource["resourceType"])

    def validate(
        self,
        resource: Any,
        resource_type: str,
        *,
        profiles: Sequence[str] = (),
        mode: str | None = None,
        known: Profiles | None = None,
    ) -> list[Issue]:
        """All that $validate says of a resource given as parsed JSON: errors, warnings and information; [] if nothing.

        `resource_type` is the type it must have. It is checked against the base specification, against the profiles
        that its meta.profile claims, and against the canonical URLs `profiles`; one of those that `known` (see
        `profiles()`) does not have is an error `not-found`, an unknown claim a warning. With `mode` update the id is
        needed, with profile a profile; with delete nothing of the resource is asked.
        https://hl7.org/fhir/R4/resource-operation-validate.html
        """
        if mode == "delete":
            return []
        issues = self._base(resource, resource_type, thorough=True)
        if mode == "profile" and not profiles:
            issues.append(Issue("required", "The mode profile needs a profile to validate against.", ("http.profile",)))
        if mode == "update" and isinstance(resource, dict) and "id" not in resource:
            said = f"{resource_type}.id: missing; an update names what it updates."
            issues.append(Issue("required", said, (f"{resource_type}.id",)))
        known = known or self.profiles()
        if resource_type == "StructureDefinition" and not any(issue.severity == "error" for issue in issues):
            issues += self.faults(resource, known)
        if isinstance(resource, dict) and resource.get("resourceType") == resource_type:
            _profiled(resource, profiles, known, issues)
        return _cut(_told_once(issues), resource_type)

    def faults(self, definition: dict[str, Any], known: Profiles) -> list[Issue]:
        """Why a StructureDefinition, which `check` has passed, cannot serve as a profile; [] for one that is none."""
        if definition.get("derivation") != "constraint" or definition.get("kind") == "logical":
            return []
        if definition["url"] in self._library.shipped:
            said = (
                f"StructureDefinition.url: {shown(definition['url'])} is a profile of this server; choose another URL."
            )
            return [Issue("business-rule", said, ("StructureDefinition.url",))]
        try:
            compile_profile(definition, known.definition)
        except DefinitionError as error:
            return error.issues
        return []

    def profiles(self, source: Source | None = None) -> Profiles:
        """The profiles that are shipped, and those that a source has stored, as they are now."""
        return Profiles(self._library, source)

    def part(self, value: Any, element: str, path: str) -> list[Issue]:
        """Everything that is wrong with one element, such as a `Bundle.entry`, that stands at this FHIRPath."""
        issues: list[Issue] = []
        self._guard.shape(element).check(value, path, Walk(issues), {})
        return issues

    def _base(self, resource: Any, resource_type: str, *, thorough: bool) -> list[Issue]:
        if not is_resource(resource_type):
            return [Issue("not-supported", f"{shown(resource_type)} is not a resource type of R4.")]
        issues: list[Issue] = []
        try:
            self._guard.shape(resource_type).check(resource, resource_type, Walk(issues, thorough=thorough), {})
            if not any(issue.severity == "error" for issue in issues):
                issues += self._structure.issues(resource, resource_type)
        except RecursionError:
            issues = [Issue("too-costly", "The resource is nested too deeply.", (resource_type,))]
        return issues


def _profiled(resource: dict[str, Any], wanted: Sequence[str], known: Profiles, issues: list[Issue]) -> None:
    for url in wanted:
        if not known.type_of(url):
            said = f"profile: {shown(url)} is not known here; post its StructureDefinition first."
            issues.append(Issue("not-found", said, ("http.profile",)))
    check_profiles(resource, [url for url in wanted if known.type_of(url)], known, issues, thorough=True)


def _told_once(issues: list[Issue]) -> list[Issue]:
    """What a profile says again of an element that the base specification finds missing or wrong is left out."""
    told: set[tuple[str, tuple[str, ...]]] = set()
    kept = []
    for issue in issues:
        key = (issue.code, issue.expression)
        if issue.code not in ("required", "code-invalid", "structure") or key not in told:
            kept.append(issue)
        told.add(key)
    return kept


def _cut(issues: list[Issue], resource_type: str) -> list[Issue]:
    if len(issues) <= MOST_ISSUES:
        return issues
    rest = f"{len(issues) - MOST_ISSUES} more errors are not listed."
    return [*issues[:MOST_ISSUES], Issue("too-costly", rest, (resource_type,), severity="information")]
