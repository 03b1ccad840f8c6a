"""The search parameters of R4 that this server answers, as SearchParameter resources.

https://hl7.org/fhir/R4/searchparameter.html. Comparators and modifiers are those that the server knows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from conformance import search_help
from fhir_lab.documents import Resource
from fhir_lab.search.criteria import NEVER_MISSING, modifiers_of
from fhir_lab.search.kinds.date import PREFIXES
from fhir_lab.search.registry import Component, Registry, SearchParameter

COMPARED = ("date", "number", "quantity")
# https://hl7.org/fhir/R4/valueset-search-modifier-code.html spells one of them differently.
_CODES = {"of-type": "ofType"}


def documents(registry: Registry) -> dict[str, Resource]:
    """Id -> SearchParameter, the id being the last segment of its canonical URL."""
    by_url: dict[str, list[SearchParameter]] = {}
    for resource_type in registry.types:
        for parameter in registry.of(resource_type).values():
            by_url.setdefault(parameter.url, []).append(parameter)
    return {url.rpartition("/")[2]: _document(url, found) for url, found in by_url.items()}


def modifiers(parameter: SearchParameter) -> list[str]:
    """The modifiers that a parameter takes, as codes of SearchParameter.modifier."""
    if parameter.kind in NEVER_MISSING:
        return []
    known = modifiers_of(Registry.load(), parameter)
    own = ["type"] if parameter.kind == "reference" else []
    return [*known[:1], *own, *(_CODES.get(name, name) for name in known[1:])]


def _document(url: str, found: Sequence[SearchParameter]) -> Resource:
    first = found[0]
    bases = _bases(found)
    expressions = list(dict.fromkeys(parameter.expression for parameter in found if parameter.expression))
    targets = list(dict.fromkeys(target for parameter in found for target in parameter.targets))
    document: Resource = {
        "resourceType": "SearchParameter",
        "url": url,
        "version": "4.0.1",
        "name": first.code,
        "status": "active",
        "experimental": False,
        "date": "2019-11-01",
        "publisher": "Health Level Seven International",
        "description": search_help(first.type, first.code) or _description(first, bases),
        "code": first.code,
        "base": bases,
        "type": first.fhir_type,
    }
    if expressions:
        document |= {"expression": " | ".join(expressions), "xpathUsage": "normal"}
    if targets:
        document["target"] = targets
    return document | _abilities(first)


def _abilities(parameter: SearchParameter) -> dict[str, Any]:
    found: dict[str, Any] = {"multipleOr": True, "multipleAnd": True}
    if parameter.kind in COMPARED:
        found["comparator"] = list(PREFIXES)
    if names := modifiers(parameter):
        found["modifier"] = names
    if parameter.components:
        found["component"] = [_component(part) for part in parameter.components]
    return found


def _component(part: Component) -> Mapping[str, str]:
    return {"definition": part.url, "expression": part.expression}


def _bases(found: Sequence[SearchParameter]) -> list[str]:
    """The types that have the parameter; one of every type has the abstract type that its URL begins with."""
    if found[0].code.startswith("_"):
        return [found[0].url.rpartition("/")[2].partition("-")[0]]
    return [parameter.type for parameter in found]


def _description(parameter: SearchParameter, bases: Sequence[str]) -> str:
    parts = " and ".join(part.code for part in parameter.components)
    what = f"{parts}, both in one element" if parts else f"the {parameter.kind} {parameter.expression}"
    return f"Finds {', '.join(bases)} by {what}."
