"""The naive reading of what is done with the matches: their order, and what is included beside them.

https://hl7.org/fhir/R4/search.html#sort https://hl7.org/fhir/R4/search.html#include
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tests.support.oracle import ENDLESS, Json, Oracle, folded, local, raw, spans, texts, tokens
from tests.support.oracle_paths import parameters

Key = tuple[str, str]  # resource type, id
Rank = tuple[bool, Any]


def rank(oracle: Oracle, document: Json, code: str, descending: bool) -> Rank:
    """What a document is sorted by: the value that comes first, and nothing at all before every value."""
    found = _values(oracle, document, code)
    first = (max(found) if descending else min(found)) if found else ""
    return (False, 0) if first in ("", -ENDLESS) else (True, first)


def in_order(oracle: Oracle, resource_type: str, ids: Sequence[str], keys: Sequence[tuple[str, bool]]) -> bool:
    """Whether documents come in the order of the keys (code, descending)."""
    for one, other in pairwise(ids):
        for code, descending in keys:
            first = rank(oracle, oracle.by_key[resource_type, one], code, descending)
            second = rank(oracle, oracle.by_key[resource_type, other], code, descending)
            if first != second:
                if (first > second) is not descending:
                    return False
                break
    return True


def _values(oracle: Oracle, document: Json, code: str) -> list[Any]:
    kind, paths = parameters(document["resourceType"])[code]
    values = raw(document, paths)
    if kind == "token":
        return [code for value in values for _, code in tokens(*value)]
    if kind == "string":
        return [folded(text) for value, _ in values for text in texts(value)]
    if kind == "date":
        return [low for value, _ in values for low, _ in spans(value)]
    if kind == "reference":
        return [_named(oracle, value) for value, _ in values]
    return [value["value"] if kind == "quantity" else value for value, _ in values]


def _named(oracle: Oracle, reference: Json) -> str:
    target = local(reference, oracle.base)
    return "/".join(target) if target else str(reference.get("reference", ""))


def included(oracle: Oracle, matches: set[Key], includes: Sequence[tuple[str, str]]) -> set[Key]:
    """What the `_include` and `_revinclude` parameters bring to these matches."""
    seen, frontier, active = set(matches), set(matches), list(includes)
    while frontier and active:
        new = {key for name, text in active for key in _reached(oracle, frontier, name, text)} - seen
        seen |= new
        frontier, active = new, [include for include in active if include[0].endswith(":iterate")]
    return seen - matches


def _reached(oracle: Oracle, frontier: set[Key], name: str, text: str) -> set[Key]:
    source, code, target = (*text.split(":"), "")[:3]
    if name.startswith("_revinclude"):
        return {(source, each["id"]) for key in frontier for each in oracle.referrers(oracle.by_key[key], source, code)}
    _, paths = parameters(source)[code]
    found = {
        local(reference, oracle.base)
        for key in frontier
        if key[0] == source
        for reference, _ in raw(oracle.by_key[key], paths)
    }
    return {key for key in found if key in oracle.by_key and target in ("", key[0])}
