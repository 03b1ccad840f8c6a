"""Drafts meet what is stored: what is new or changed becomes an entry of the transaction Bundle, the rest stays out.

Updates name the version they were made for (If-Match), so that a write in between is noticed and not lost. New entities
are conditional creates, new results conditional updates. https://hl7.org/fhir/R4/http.html#transaction
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from fhir_lab.documents import Resource
from mappers.hl7v2.context import SENT, Context
from mappers.hl7v2.datatypes import type_code
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.precedence import Statement, newer

Entry = dict[str, Any]
_COLLECTED = {
    "Observation": ("hasMember", "derivedFrom"),
    "DiagnosticReport": ("result", "specimen"),
    "Specimen": ("request",),
    "ServiceRequest": ("supportingInfo",),
}
_NOT_CONTENT = ("id", "issued")
_VALUES = ("value", "component", "interpretation", "referenceRange", "dataAbsentReason")


def reachable(drafts: Iterable[Draft]) -> list[Draft]:
    """The drafts and all they refer to, each once, those referred to first."""
    found: dict[int, Draft] = {}
    visiting: set[int] = set()

    def visit(draft: Draft) -> None:
        if id(draft) not in visiting and not draft.detached:
            visiting.add(id(draft))
            for other in draft.others:
                visit(other)
            found[id(draft)] = draft

    for draft in drafts:
        visit(draft)
    return list(found.values())


def entry(draft: Draft, context: Context) -> Entry | None:
    """The Bundle entry that a draft needs; None when what is stored stays as it is."""
    stored = draft.stored
    if stored is None:
        draft.changed = True
        return _new(draft)
    if draft.policy == "create" or draft.instead:
        return None
    made = _merged(draft, stored) if draft.policy == "merge" else _replaced(draft, stored, context)
    if same_content(made, stored) and not _issued_anew(draft, made, stored):
        return None
    draft.changed = True
    made["id"] = stored["id"]
    version = stored.get("meta", {}).get("versionId", "1")
    request = {"method": "PUT", "url": f"{draft.type}/{stored['id']}", "ifMatch": f'W/"{version}"'}
    return {"fullUrl": draft.full_url, "resource": made, "request": request}


def _issued_anew(draft: Draft, made: Resource, stored: Resource) -> bool:
    """True for a report of which only the time of issue changed, because one of its results did."""
    results = (other for other in draft.others if other.type == "Observation")
    return (
        draft.type == "DiagnosticReport"
        and made.get("issued") != stored.get("issued")
        and any(result.changed for result in results)
    )


def _new(draft: Draft) -> Entry:
    key = draft.keys[0]
    if draft.policy == "replace":
        request = {"method": "PUT", "url": f"{draft.type}?{key.criteria}"}
    elif draft.alone:
        request = {"method": "POST", "url": draft.type}
    else:
        request = {"method": "POST", "url": draft.type, "ifNoneExist": key.criteria}
    return {"fullUrl": draft.full_url, "resource": draft.resource, "request": request}


def _merged(draft: Draft, stored: Resource) -> Resource:
    """What the message says over what is stored; what it does not mention stays, what it deletes goes."""
    if not newer(draft.resource, stored):
        made = _bare(stored)
    else:
        made = {name: value for name, value in _bare(stored).items() if name not in draft.nulls}
        _drop_choices(made, draft.resource)
        extensions = _extensions(stored, draft.resource)
        kept = ("meta", "identifier", *(["_birthDate"] if "birthDate" in made else []))
        made |= {name: value for name, value in draft.resource.items() if name not in kept}
        if extensions:
            made["extension"] = extensions
    _meta(made, draft.resource, stored)
    made["identifier"] = _union(stored.get("identifier", []), draft.resource.get("identifier", []), _number)
    _collect(made, draft, stored)
    return made


def _drop_choices(made: Resource, new: Resource) -> None:
    """Only one of `deceasedBoolean` and `deceasedDateTime`, and of their like."""
    for pair in (("deceasedBoolean", "deceasedDateTime"), ("multipleBirthBoolean", "multipleBirthInteger")):
        if any(name in new for name in pair):
            for name in pair:
                made.pop(name, None)
    if "birthDate" in new:
        made.pop("birthDate", None)
        made.pop("_birthDate", None)


def _extensions(stored: Resource, new: Resource) -> list[Any]:
    said = {extension["url"] for extension in new.get("extension", [])}
    kept = [extension for extension in stored.get("extension", []) if extension.get("url") not in said]
    return [*kept, *new.get("extension", [])]


def _replaced(draft: Draft, stored: Resource, context: Context) -> Resource:
    """The newer of the two statements; lists of members grow, since what a message leaves out is unchanged."""
    if Statement.of(draft.resource).replaces(Statement.of(stored)):
        made = dict(draft.resource)
        if draft.keep_value:
            _keep_value(made, stored)
        _meta(made, draft.resource, stored)
        made["identifier"] = _union(draft.resource["identifier"], stored.get("identifier", []), _number)
        if "presentedForm" in stored:
            made.setdefault("presentedForm", stored["presentedForm"])
    else:
        made = _bare(stored)
        _meta(made, {}, stored)
        new, old = draft.resource["status"], stored.get("status")
        if new != old or not _same(_result(draft.resource), _result(stored)):
            context.warn(
                f"{draft.position}: what is stored ({old}) is newer or more final than this ({new}) and stays."
            )
    _collect(made, draft, stored)
    return made


def _result(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name.startswith(_VALUES)}


def _keep_value(made: Resource, stored: Resource) -> None:
    """The sender changes only the status (OBX-11 U): the result itself stays."""
    for name, value in stored.items():
        if name.startswith(_VALUES):
            made.setdefault(name, value)
    if any(name.startswith(_VALUES[:2]) for name in stored):
        made.pop("dataAbsentReason", None)


def _collect(made: Resource, draft: Draft, stored: Resource) -> None:
    for name in _COLLECTED.get(draft.type, ()):
        if found := _union(stored.get(name, []), draft.resource.get(name, []), _target):
            made[name] = found


def _union(first: list[Any], second: list[Any], key: Callable[[Any], object]) -> list[Any]:
    found = {key(element): element for element in (*second, *first)}
    order = dict.fromkeys([*map(key, first), *map(key, second)])
    return [found[name] for name in order]


def _number(identifier: dict[str, Any]) -> object:
    return identifier.get("system"), identifier.get("value"), type_code(identifier)


def _target(reference: dict[str, Any]) -> object:
    return reference.get("reference") or str(reference.get("identifier"))


def _bare(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}


def _meta(made: Resource, new: Resource, stored: Resource) -> None:
    """Tags, profiles and security labels that are stored stay; the server sets the rest."""
    kept = {name: value for name, value in stored.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    said = new.get("meta", {})
    made.pop("meta", None)
    if tags := _union(kept.get("tag", []), said.get("tag", []), lambda tag: (tag.get("system"), tag.get("code"))):
        kept["tag"] = tags
    if kept:
        made["meta"] = kept


def same_content(made: Resource, stored: Resource) -> bool:
    """True when two documents say the same, whenever they were sent or issued."""
    return _same(_content(made), _content(stored))


def _content(resource: Resource) -> Resource:
    found = {name: value for name, value in resource.items() if name not in _NOT_CONTENT}
    meta = {name: value for name, value in found.pop("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    extensions = [extension for extension in found.pop("extension", []) if extension.get("url") != SENT]
    return {**found, **({"meta": meta} if meta else {}), **({"extension": extensions} if extensions else {})}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        # 6.3 and 6.30 are not the same result.
        return _literal(one) == _literal(other)
    return bool(one == other)


def _literal(value: Any) -> str:
    return str(getattr(value, "literal", value))
