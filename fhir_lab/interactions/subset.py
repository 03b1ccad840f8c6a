"""Parts of resources: `_summary` and `_elements`.

https://hl7.org/fhir/R4/search.html#summary https://hl7.org/fhir/R4/search.html#elements

What is cut is tagged SUBSETTED. Mandatory elements and those that change the meaning of others always stay.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from conformance import elements
from fhir_lab.documents import Resource, dumps, parse
from fhir_lab.interactions.message import Parameters
from fhir_lab.outcomes import BadRequest, nearest

PARAMETERS = ("_summary", "_elements")
SUMMARIES = ("true", "text", "data", "count", "false")
ALWAYS = frozenset(("resourceType", "id", "meta"))
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
Element = dict[str, Any]
Cut = Callable[[Resource], Resource]


def cut_of(parameters: Parameters, *types: str) -> Cut | None:
    """What `_summary` and `_elements` ask to do with each resource; None when it stays whole.

    Raises `BadRequest` for another `_summary`, an element that none of the types has, or both at once.
    """
    given: dict[str, str] = {}
    for name, value in parameters:
        if name in PARAMETERS and value and given.setdefault(name, value) != value:
            raise BadRequest.of(f"'{name}' is given twice, as '{given[name][:40]}' and '{value[:40]}'.", f"http.{name}")
    summary, names = given.get("_summary", "false"), given.get("_elements", "")
    if summary not in SUMMARIES:
        raise BadRequest.of(
            f"_summary '{summary[:40]}' is none of {', '.join(SUMMARIES)}.", "http._summary", code="value"
        )
    if names and summary not in ("false", "count"):
        raise BadRequest.of("_summary and _elements cannot be combined.", "http._elements")
    if names:
        wanted = frozenset(name.strip() for name in names.split(","))
        _check_names(wanted, types)
        return lambda resource: _with_elements(resource, wanted)
    return {"true": _summarised, "text": _with_text, "data": _without_text}.get(summary)


def reduced(content: str, cut: Cut) -> bytes:
    """The JSON text of a resource after a cut, tagged."""
    resource = cut(parse(content))
    meta = dict(resource.get("meta", {}))
    meta["tag"] = [*meta.get("tag", []), SUBSETTED]
    resource["meta"] = meta
    return dumps(resource)


def is_subset(resource: Resource) -> bool:
    """True for a resource that was cut, so that storing it would lose what is missing."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return isinstance(tags, list) and any(
        isinstance(tag, dict) and (tag.get("system"), tag.get("code")) == (SUBSETTED["system"], SUBSETTED["code"])
        for tag in tags
    )


def _with_elements(resource: Resource, wanted: frozenset[str]) -> Resource:
    own = f"{resource['resourceType']}."
    return _kept(resource, lambda name, element: name in wanted or own + name in wanted)


def _summarised(resource: Resource) -> Resource:
    return _kept(resource, lambda _, element: "summary" in element)


def _with_text(resource: Resource) -> Resource:
    return _kept(resource, lambda name, _: name == "text")


def _without_text(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("text", "_text")}


def _kept(resource: Resource, wanted: Callable[[str, Element], bool]) -> Resource:
    """The top-level elements that are wanted, mandatory or modifiers."""
    known = _elements(resource["resourceType"])
    return {
        name: value
        for name, value in resource.items()
        if name in ALWAYS
        or ((found := known.get(name.removeprefix("_"))) is not None and (_stays(found[1]) or wanted(*found)))
    }


def _stays(element: Element) -> bool:
    return bool(element["card"].startswith("1") or "modifier" in element)


def _check_names(names: frozenset[str], types: Sequence[str]) -> None:
    known = {name for each in types for name, _ in _elements(each).values()} | ALWAYS
    for name in sorted(names - known):
        owner, _, plain = name.rpartition(".")
        if owner in types and (plain in ALWAYS or plain in {each for each, _ in _elements(owner).values()}):
            continue
        of = types[0] if len(types) == 1 else "None of the searched types"
        raise BadRequest.of(
            f"{of} has {'no' if len(types) == 1 else 'an'} element '{name[:64]}'.{nearest(name, known)}",
            "http._elements",
            code="value",
        )


@cache
def _elements(resource_type: str) -> dict[str, tuple[str, Element]]:
    """JSON property -> (name, entry) of the top-level elements; `valueQuantity` belongs to the element `value`."""
    found: dict[str, tuple[str, Element]] = {}
    for path, element in elements()[resource_type]["elements"].items():
        _, _, name = path.partition(".")
        if not name or "." in name:
            continue
        base = name.removesuffix("[x]")
        if base == name:
            found[name] = (name, element)
            continue
        for entry in element["types"]:
            datatype = entry if isinstance(entry, str) else entry[0]
            found[base + datatype[0].upper() + datatype[1:]] = (base, element)
    return found
