"""Parts of resources: `_summary` and `_elements`.

https://hl7.org/fhir/R4/search.html#summary https://hl7.org/fhir/R4/search.html#elements

What is cut is tagged SUBSETTED. Mandatory elements and those that change the meaning of others always stay. A summary
goes down into the elements: `Attachment.data` is not in it, though the Attachment may be. R4 leaves open what becomes
of extensions in a summary; here one stays with the element it stands in, and those of the resource itself go.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
INSIDE = frozenset(("id", "extension"))
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
    resource = cut(parse(content, sys.maxsize))
    if not is_subset(resource):
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
    return _kept(resource, lambda member: member.name in wanted or own + member.name in wanted)


def _summarised(resource: Resource) -> Resource:
    known = _members(resource["resourceType"])
    kept = _kept(resource, lambda member: "summary" in member.element)
    cut = {
        name: value if name in ALWAYS else _shortened(value, known[name.lstrip("_")]) for name, value in kept.items()
    }
    return {name: value for name, value in cut.items() if value is not None}


def _shortened(value: Any, member: "Member") -> Any:
    """What of an element's value is in a summary, or None; a resource inside another stays whole."""
    if not member.content:
        return value
    if isinstance(value, list):
        found = (_shortened(each, member) for each in value)
        return [each for each in found if each is not None] or None
    known = _members(member.content)
    kept = {}
    for name, child in value.items():
        inner = known.get(name.lstrip("_"))
        if name in INSIDE:
            kept[name] = child
        elif inner is not None and _in_summary(inner.element) and (part := _shortened(child, inner)) is not None:
            kept[name] = part
    if kept.keys() - {"id"}:
        return kept
    return value if _stays(member.element) else None  # an empty element is not allowed


def _in_summary(element: Element) -> bool:
    return "summary" in element or _stays(element)


def _with_text(resource: Resource) -> Resource:
    return _kept(resource, lambda member: member.name == "text")


def _without_text(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("text", "_text")}


def _kept(resource: Resource, wanted: "Callable[[Member], bool]") -> Resource:
    """The top-level elements that are wanted, mandatory or modifiers."""
    known = _members(resource["resourceType"])
    return {
        name: value
        for name, value in resource.items()
        if name in ALWAYS
        or ((found := known.get(name.removeprefix("_"))) is not None and (_stays(found.element) or wanted(found)))
    }


def _stays(element: Element) -> bool:
    return bool(element["card"].startswith("1") or "modifier" in element)


def _check_names(names: frozenset[str], types: Sequence[str]) -> None:
    known = {name for each in types for name in _names(each)}
    for name in sorted(names - known):
        owner, _, plain = name.rpartition(".")
        if owner in types and plain in _names(owner):
            continue
        of = types[0] if len(types) == 1 else "None of the searched types"
        hint = nearest(name, known) or (" Only elements at the top can be asked for." if owner else "")
        raise BadRequest.of(
            f"{of} has {'no' if len(types) == 1 else 'an'} element '{name[:64]}'.{hint}",
            "http._elements",
            code="value",
        )


def _names(resource_type: str) -> frozenset[str]:
    return ALWAYS.union(member.name for member in _members(resource_type).values())


@dataclass(frozen=True, slots=True)
class Member:
    """An element of a type: its name, its entry in the table, and the path of its content if it has elements itself."""

    name: str
    element: Element
    content: str


@cache
def _members(path: str) -> dict[str, Member]:
    """JSON property -> element, right below a type or path; `valueQuantity` belongs to the element `value`."""
    table = elements()
    found: dict[str, Member] = {}
    depth = path.count(".") + 1
    for each, element in table[path.partition(".")[0]]["elements"].items():
        if not each.startswith(f"{path}.") or each.count(".") != depth:
            continue
        name = each.rpartition(".")[2]
        base = name.removesuffix("[x]")
        for entry in element.get("types", ("",)):
            datatype = entry if isinstance(entry, str) else entry[0]
            inline = datatype in ("BackboneElement", "Element")
            content = element.get("sameAs") or (each if inline else datatype)
            whole = datatype in ("Resource", "Extension") or table.get(datatype, {}).get("kind") == "primitive-type"
            named = name if base == name else base + datatype[0].upper() + datatype[1:]
            found[named] = Member(base, element, "" if whole else content)
    return found
