"""Composite parameters: parts that hold in one element. https://hl7.org/fhir/R4/search.html#composite

They have no rows of their own: the rows of their components pair within a group (`registry.Component` tells which do
not need to). So `combo-code-value-quantity` never mixes the code of one component with the value of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_lab.search.escapes import split

if TYPE_CHECKING:
    from fhir_lab.search.registry import SearchParameter


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a value, of its own parameter; a `shared` one may be in any group."""

    parameter: "SearchParameter"
    value: Any
    shared: bool


@dataclass(frozen=True, slots=True)
class CompositeValue:
    """The parts that must hold together."""

    parts: tuple[Part, ...]


def read(
    text: str,
    components: Sequence[tuple["SearchParameter", bool]],
    read_part: Callable[["SearchParameter", str], Any],
) -> CompositeValue:
    """A search value `a$b`, its parts read by `read_part`; `components` are (parameter, shared).

    Raises `ValueError` for too few or too many parts, or what `read_part` raises.
    """
    texts = split(text, "$")
    if len(texts) != len(components) or not all(texts):
        names = "$".join(parameter.code for parameter, _ in components)
        raise ValueError(f"'{text}' does not have the form {names}")
    return CompositeValue(
        tuple(
            Part(parameter, read_part(parameter, part), shared)
            for (parameter, shared), part in zip(components, texts, strict=True)
        )
    )
