"""What a client may have meant whose search finds nothing: a code that only components of Observations have.

https://hl7.org/fhir/R4/observation.html#gr-comp
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fhir_lab.outcomes import Issue
from fhir_lab.search.kinds.composite import CompositeValue, Part
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.search.tree import Condition, Query


def hints(registry: Registry, queries: Sequence[Query], finds: Callable[[Query], bool]) -> Iterator[Issue]:
    """An issue for each `code` of which a `combo-code` finds something, under the same other criteria and rights."""
    for query in queries:
        for position, criterion in enumerate(query.criteria):
            if not isinstance(criterion, Condition) or criterion.modifier == "not":
                continue
            code = criterion.parameter.code
            combined = registry.get(query.type, f"combo-{code}")
            if combined is None:
                continue
            wider = replace(criterion, parameter=combined, values=_values(registry, combined, criterion.values))
            criteria = (*query.criteria[:position], wider, *query.criteria[position + 1 :])
            if finds(replace(query, criteria=criteria)):
                yield Issue(
                    "informational",
                    f"No {query.type} itself matches '{code}', but components do. Search by '{combined.code}', "
                    f"which looks at both, or by 'component-{code}'.",
                    (f"http.{code}",),
                    severity="information",
                )


def _values(registry: Registry, combined: SearchParameter, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if combined.kind != "composite":
        return values
    parts = [(registry.part(combined, component), component.shared) for component in combined.components]
    return tuple(
        CompositeValue(
            tuple(Part(of, part.value, shared) for (of, shared), part in zip(parts, value.parts, strict=True))
        )
        for value in values
    )
