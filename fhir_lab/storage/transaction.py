"""The one door for writes: validate, resolve, map, store, index, audit, outbox, in one database transaction.

HTTP, Bundles, HL7v2, loading and demo data all come through `apply`; there is no second way to change data. `apply`
never commits: the edge that opened the transaction does. https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import BadRequest, FhirError, Forbidden, Issue, Unprocessable
from fhir_lab.security.access import Permission
from fhir_lab.storage.definitions import profiles_of
from fhir_lab.storage.linking import link
from fhir_lab.storage.planning import Entry, Plan, plan
from fhir_lab.storage.unit import Unit
from fhir_lab.storage.writer import store

__all__ = ["Entry", "Written", "apply", "entries_of"]

PERMISSIONS: dict[str, Permission] = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
LOADED = ("POST", "PUT", "DELETE")  # what a Bundle in a file may ask for


@dataclass(slots=True)
class Written:
    """What became of an entry.

    `status`: 201 created, 200 updated, unchanged or matched, 204 deleted or nothing to delete. `content` is the JSON
    text of the current version (None after a delete, and where the caller may not read it).
    """

    type: str
    id: str
    version: int
    last_updated: int
    content: str | None
    status: int
    pk: int


def apply(unit: Unit, entries: Sequence[Entry]) -> list[Written]:
    """Write all entries or none, and answer them in the order given.

    Raises `BadRequest` (invalid resources, overlapping entries), `Unprocessable` (references to nothing),
    `Forbidden`, `Conflict`, `PreconditionFailed`; the transaction must then be rolled back.
    """
    for entry in entries:
        _authorize(unit, entry)
    _validate(unit, entries)
    plans = plan(unit, entries)
    _before(unit, plans)
    store(unit, plans, link(unit, plans))
    _after(unit, plans)
    return [_written(unit, plan) for plan in plans]


def entries_of(bundle: Resource) -> list[Entry]:
    """The writing entries of a transaction Bundle. Raises `BadRequest` naming the entry that cannot be understood."""
    return [_entry(entry, index) for index, entry in enumerate(bundle.get("entry", []))]


def _entry(entry: Any, index: int) -> Entry:
    label = f"Bundle.entry[{index}]"
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise BadRequest.of("Each entry needs a request with a method and a url.", f"{label}.request", code="required")
    method = request.get("method")
    if method not in LOADED:
        raise BadRequest.of(
            f"The method '{method}' is not one of {', '.join(LOADED)}.", f"{label}.request.method", code="value"
        )
    path, _, query = request["url"].partition("?")
    resource_type, _, resource_id = path.strip("/").partition("/")
    found = entry.get("resource")
    if (found is None) != (method == "DELETE"):
        wrong = "has no resource" if found is None else "has a resource, which a DELETE must not"
        raise BadRequest.of(f"This {method} entry {wrong}.", f"{label}.resource", code="structure")
    return Entry(
        method=method,
        type=resource_type,
        id=unquote(resource_id) or None,
        resource=found,
        full_url=entry.get("fullUrl"),
        if_match=request.get("ifMatch"),
        if_none_match=request.get("ifNoneMatch"),
        if_none_exist=request.get("ifNoneExist"),
        query=query or None,
        label=label,
    )


def _authorize(unit: Unit, entry: Entry) -> None:
    permission = PERMISSIONS[entry.method]
    if entry.type in unit.services.registry.types and unit.caller.access(entry.type, permission).denied:
        raise Forbidden.of(f"Your scopes do not grant '{permission}' on {entry.type}.", *filter(None, [entry.label]))


def _before(unit: Unit, plans: Sequence[Plan]) -> None:
    """Some types have rules of their own before they are stored: a Subscription starts as requested."""
    hooks = unit.services.write_hooks
    for item in plans:
        if item.type in hooks and item.resource is not None and not item.settled:
            try:
                item.resource = hooks[item.type].before(unit, item.resource, item.current)
            except FhirError as error:
                prefix = f"{item.entry.label}.resource" if item.entry.label else ""
                raise type(error)([_labelled(issue, prefix) for issue in error.issues], error.headers) from None


def _after(unit: Unit, plans: Sequence[Plan]) -> None:
    hooks = unit.services.write_hooks
    for item in plans:
        if item.type in hooks and not item.settled:
            hooks[item.type].after(unit, item.pk, item.resource)


def _validate(unit: Unit, entries: Sequence[Entry]) -> None:
    issues: list[Issue] = []
    types = frozenset(unit.services.registry.types)
    for entry in entries:
        prefix = f"{entry.label}.resource" if entry.label else ""
        if entry.type not in types:
            issues.append(
                Issue("not-supported", f"'{entry.type}' is not a resource type of FHIR R4.", (prefix or entry.type,))
            )
        elif entry.resource is not None:
            found = unit.services.validator.check(entry.resource, entry.type)
            issues.extend(_labelled(issue, prefix) for issue in found)
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise BadRequest(issues)
    _check_claims(unit, entries)


def _check_claims(unit: Unit, entries: Sequence[Entry]) -> None:
    """Whoever claims a profile that is known here must follow it."""
    profiles, issues = profiles_of(unit), []
    for entry in entries:
        if entry.resource is not None:
            found = unit.services.validator.claims(entry.resource, profiles)
            issues += [_labelled(issue, f"{entry.label}.resource" if entry.label else "") for issue in found]
    if issues:
        raise Unprocessable(issues)


def _labelled(issue: Issue, prefix: str) -> Issue:
    if not prefix:
        return issue
    paths = issue.expression or ("",)
    # `Observation.status` inside an entry is `Bundle.entry[3].resource.status`.
    return replace(issue, expression=tuple(prefix + path[len(path.partition(".")[0]) :] for path in paths))


def _written(unit: Unit, plan: Plan) -> Written:
    content = plan.content if plan.status == 201 or _readable(unit, plan) else None
    return Written(plan.type, plan.id, plan.version, plan.last_updated, content, plan.status, plan.pk)


def _readable(unit: Unit, plan: Plan) -> bool:
    """A condition or a patch may lead to what the caller has not written himself."""
    if plan.content is None or unit.caller.access(plan.type, "r").unrestricted:
        return True
    from fhir_lab.search.access import permits

    return permits(unit, parse(plan.content), "r")
