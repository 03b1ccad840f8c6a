"""Structure by the Pydantic models of fhir.resources (R4B 4.3.0), a second opinion on what the guard passes.

A model looks at which elements are where and of what type; how values are written is the guard's to check. So a shape
that has passed passes again, whatever its values: the results of a laboratory have few shapes, and asking the model
about an Observation costs 118 us, knowing its shape 9.

123 of the 130 resource types that R4 and R4B share have the same elements; for the others and for the types that only
R4 has, the guard alone decides. https://hl7.org/fhir/R4B/diff.html
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from pydantic import ValidationError

from fhir_lab.outcomes import Issue

# A shape is one number; a server of all types sees some hundreds.
MOST_SHAPES = 50_000
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


class Structure:
    """The models, and the shapes that have passed them."""

    def __init__(self) -> None:
        self._passed: set[int] = set()

    def issues(self, resource: Any, resource_type: str) -> list[Issue]:
        """What the R4B model of the type finds wrong; nothing for types that R4B lacks or changed."""
        shape = hash((resource_type, _shape(resource)))
        if shape in self._passed:
            return []
        found = _ask_model(resource, resource_type)
        if not found:
            if len(self._passed) >= MOST_SHAPES:
                self._passed.clear()
            self._passed.add(shape)
        return found


def _shape(value: Any) -> int:
    """The same number for values with the same elements of the same types; repetitions of a shape count once."""
    if type(value) is dict:
        return hash(
            tuple([(name, child if name == "resourceType" else _shape(child)) for name, child in value.items()])
        )
    if type(value) is list:
        return hash(tuple({_shape(child): None for child in value}))
    return hash(type(value))


def _ask_model(resource: Any, resource_type: str) -> list[Issue]:
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
