"""Values against what a profile fixes: fixed values, patterns, value sets, lengths and limits.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fhir_lab.documents import dumps
from fhir_lab.fhirpath import Node
from fhir_lab.fhirpath.compare import order, same_value
from fhir_lab.fhirpath.nodes import EvaluationError

Json = dict[str, Any]
LONGEST_SHOWN = 160


def said(value: Any) -> str:
    """A value as a message may quote it: compact JSON, cut where it is long."""
    text = dumps(value).decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def stated(says: Json, prefix: str) -> Any:
    """The value of `fixed[x]`, `pattern[x]`, `minValue[x]` or `maxValue[x]` in an ElementDefinition; None without."""
    size = len(prefix)
    named = (name for name in says if name.startswith(prefix) and name[size : size + 1].isupper())
    return says.get(next(named, ""))


def fits(value: Any, pattern: Any) -> bool:
    """True when a value holds everything that the pattern holds; each item of an array somewhere in the array."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], wanted) for name, wanted in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(item, wanted) for item in value) for wanted in pattern)
    return same_value(value, pattern)


def coded(node: Node) -> Iterator[tuple[str | None, str]]:
    """The (system, code) pairs of a code, Coding, CodeableConcept, Quantity, string or uri."""
    value, type_, _ = node
    if isinstance(value, str):
        yield None, value
    elif isinstance(value, dict):
        codings = value.get("coding", []) if type_ == "CodeableConcept" else [value]
        for each in codings if isinstance(codings, list) else []:
            if isinstance(each, dict) and isinstance(each.get("code"), str):
                yield each.get("system") or "", each["code"]


def beyond(node: Node, low: Any, high: Any) -> str | None:
    """What is wrong with a value outside `low` to `high`, if it is."""
    for limit, wrong, phrase in ((low, -1, "at least"), (high, 1, "at most")):
        if limit is None:
            continue
        kind = node[1] if isinstance(limit, str | dict) else "decimal"
        try:
            found = order([node], [(limit, kind, None)])
        except EvaluationError:
            found = None
        if found == wrong:
            return f"{phrase} {said(limit)} is allowed"
    return None


def length(value: Any) -> int:
    """The length of a primitive as text."""
    if isinstance(value, str):
        return len(value)
    return len(str(getattr(value, "literal", value))) if isinstance(value, int | Decimal) else 0
