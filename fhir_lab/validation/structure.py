"""Structure by the Pydantic models of fhir.resources (R4B 4.3.0), a second opinion on what the guard passes.

123 of the 130 resource types that R4 and R4B share have the same elements; for the others and for the types that only
R4 has, the guard alone decides. https://hl7.org/fhir/R4B/diff.html
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from pydantic import ValidationError

from fhir_lab.outcomes import Issue

# Rewritten in R4B: the 4.0.1 definitions say otherwise.
DIFFERENT = frozenset({"Evidence", "EvidenceVariable"})
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
    except (LookupError, ValueError):
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
        return [_issue(resource_type, each["loc"], each["msg"]) for each in found if not _mistaken(each)]
    return []


def _mistaken(error: Mapping[str, Any]) -> bool:
    """True for what 4.0.1 allows: its own types, and strings with white space beyond ASCII, as in "10\u00a0mg"."""
    return error["type"] == "string_pattern_mismatch" or not ONLY_IN_R4.isdisjoint(error["loc"])


def _issue(resource_type: str, location: Iterable[int | str], message: str) -> Issue:
    path = resource_type
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return Issue("structure", f"{path}: {message}.", (path,))
