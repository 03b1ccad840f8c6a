"""Conditions beyond the closures, evaluated by fhirpathpy: rounding, conversions, aggregates.

fhirpathpy is some twenty times slower, orders dates of different precision as if they were exact, and does not know
FHIR's own functions; so it gets only what names its functions and no others, and nothing that asks for an order. https://github.com/beda-software/fhirpath-py
"""

import re
from copy import deepcopy
from typing import Any

from fhir_lab.fhirpath.grammar import UnsupportedError
from fhir_lab.fhirpath.nodes import Context, EvaluationError, Node

_CALLED = re.compile(r"([A-Za-z]+)\s*\(")
# fhirpathpy takes the order of dates of different precision for known.
_ORDERED = re.compile("[<>]")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
# Regular expressions may take forever; the closures look at them first.
_MATCHING = frozenset({"matches", "matchesFull", "replaceMatches"})
_WORDS = frozenset({"and", "or", "xor", "implies", "in", "contains", "is", "as", "div", "mod"})


def fallback(text: str, why: str) -> Any:
    """The closure of a condition that the closures cannot do. Raises `UnsupportedError`, with `why`, if neither can."""
    import fhirpathpy  # costs 40 ms, which most processes never need to spend
    from fhirpathpy.engine.invocations import invocation_registry
    from fhirpathpy.engine.nodes import ResourceNode
    from fhirpathpy.models import models

    if _ORDERED.search(_STRING.sub("''", text)):
        raise UnsupportedError(why)
    called = set(_CALLED.findall(text)) - _WORDS
    if called - invocation_registry.keys() or called & _MATCHING:
        raise UnsupportedError(why)
    try:
        evaluate = fhirpathpy.compile(text, models["r4"], {"traceFn": lambda *_: None})
        evaluate({}, {})
    except Exception:
        raise UnsupportedError(why) from None

    def answer(context: Context, node: Node) -> bool | None:
        value, type_, _ = deepcopy(node)
        nested = not isinstance(value, dict) or "resourceType" not in value
        start: Any = ResourceNode.create_node(value, type_) if nested else value  # type: ignore[no-untyped-call]
        variables = {"resource": context.resource[0], "rootResource": context.root[0], "context": value}
        try:
            found = evaluate(start, deepcopy(variables))
        except Exception as error:
            raise EvaluationError(f"it cannot be evaluated here ({type(error).__name__})") from None
        if len(found) > 1:
            raise EvaluationError("several items where true or false is needed")
        return None if not found else found[0] is not False

    return answer
