"""Structure by the Pydantic models of fhir.resources (R4B 4.3.0), a second opinion beside the guard.

123 of the 130 resource types that R4 and R4B share have the same elements; for the others and for the types that only
R4 has, the guard alone decides. https://hl7.org/fhir/R4B/diff.html
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

from pydantic import ValidationError

from fhir_lab.outcomes import Issue

# Rewritten in R4B, or with more types in a choice: the 4.0.1 definitions say otherwise.
DIFFERENT = frozenset({"ActivityDefinition", "Evidence", "EvidenceVariable", "PlanDefinition"})
# Extension.valueMeta is allowed in 4.0.1 and gone in R4B.
ONLY_IN_R4 = frozenset({"valueMeta", "_valueMeta", "defaultValueMeta", "fixedMeta", "patternMeta"})


class Model(Protocol):
    """What of a Pydantic model class is used."""

    def model_validate(self, obj: Any) -> Any:
        """Raises `pydantic.ValidationError`."""


@cache
def _model(resource_type: str) -> Model | None:
    from fhir.resources.R4B import get_fhir_model_class

    if resource_type in DIFFERENT:
        return None
    try:
        model: Model = get_fhir_model_class(resource_type)
    except LookupError:
        return None
    return model


def structure_issues(resource: Any, resource_type: str) -> list[Issue]:
    """What the R4B model of the type finds wrong; nothing for types that R4B lacks or changed."""
    model = _model(resource_type)
    if model is None:
        return []
    try:
        model.model_validate(resource)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [_issue(resource_type, each["loc"], each["msg"]) for each in found if ONLY_IN_R4.isdisjoint(each["loc"])]
    return []


def _issue(resource_type: str, location: Iterable[int | str], message: str) -> Issue:
    path = resource_type
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return Issue("structure", f"{path}: {message}.", (path,))
