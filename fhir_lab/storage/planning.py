"""Which resource is each entry about, and may it be written so? Ids, conditions, versions and overlaps.

https://hl7.org/fhir/R4/http.html#update https://hl7.org/fhir/R4/http.html#concurrency
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select, tuple_

from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import (
    BadRequest,
    Conflict,
    FhirError,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    Unprocessable,
)
from fhir_lab.storage.coming import Coming, Condition
from fhir_lab.storage.conditions import only, resolve
from fhir_lab.storage.definitions import profiles_of
from fhir_lab.storage.numbers import new_id
from fhir_lab.storage.references import CHUNK, Target
from fhir_lab.storage.repository import COLUMNS, Version, check_access, living, version_of
from fhir_lab.storage.tables import resource as resource_table
from fhir_lab.storage.unit import Unit

_ETAG = re.compile(r'(?:W/)?("?)([A-Za-z0-9\-.]{1,64})\1')
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
# Built once: building it takes longer than running it. By whether the writer will keep the keys of the rows.
_CURRENT = {
    keeps_key: select(*COLUMNS)
    .where(tuple_(resource_table.c.type, resource_table.c.id).in_(bindparam("keys", expanding=True)))
    .order_by(resource_table.c.pk)
    .with_for_update(key_share=keeps_key)
    for keeps_key in (True, False)
}


@dataclass(slots=True)
class Entry:
    """One write that somebody asks for.

    `method` is POST, PUT, PATCH or DELETE; `change` makes the next document of a PATCH from the current one and may
    raise `Unprocessable`; `query` holds the criteria of a conditional PUT, PATCH or DELETE; `if_none_exist` those of a
    conditional POST; `label` names the entry in errors; `full_url` lets other entries refer to it; `pk` adopts a row
    that already has one.
    """

    method: str
    type: str
    id: str | None = None
    resource: Resource | None = None
    full_url: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    query: str | None = None
    label: str = ""
    pk: int | None = None
    interaction: str | None = None
    change: Callable[[Resource], Resource] | None = None


@dataclass(slots=True)
class Plan:
    """An entry whose resource is known, and later what was written for it."""

    entry: Entry
    type: str
    id: str
    resource: Resource | None
    current: Version | None = None
    settled: bool = False  # nothing to write: matched by a condition, or nothing to delete
    unmatched: bool = False  # criteria of an update that nothing matched, so that it creates
    pk: int = 0
    version: int = 0
    last_updated: int = 0
    content: str | None = None
    status: int = 200
    targets: dict[str, Target] = field(default_factory=dict)  # reference as written -> local target

    @property
    def key(self) -> Target:
        """(type, id)."""
        return (self.type, self.id)

    @property
    def live(self) -> bool:
        """True when there is a current version that is not deleted."""
        return self.current is not None and not self.current.deleted


def plan(unit: Unit, entries: Sequence[Entry]) -> list[Plan]:
    """A plan for each entry, in order.

    Raises `BadRequest` (ids, overlaps), `PreconditionFailed` (If-Match, several matches) and `Forbidden`.
    """
    conditions = _conditions(entries)
    matches = _matched(unit, entries, conditions)
    plans = []
    made: dict[Condition, str] = {}
    for index, entry in enumerate(entries):
        condition, found = conditions.get(index), matches.get(index)
        plans.append(_planned(entry, condition, found, made))
    _refuse_overlap(plans)
    _refuse_hidden_overlap(unit, plans, conditions)
    _load_current(unit, plans)
    for item in plans:
        _check(unit, item)
    return plans


def _matched(unit: Unit, entries: Sequence[Entry], conditions: Mapping[int, Condition]) -> dict[int, str | None]:
    """The id of what the condition of each entry matches. What the same transaction deletes is gone before a POST."""
    if not conditions:
        return {}
    places = {condition: _where(entries[index]) for index, condition in conditions.items()}
    matches = resolve(unit, places)
    found = {
        index: only(condition, matches[condition], _where(entries[index])) for index, condition in conditions.items()
    }
    gone = {
        (entry.type, entry.id or found.get(index)) for index, entry in enumerate(entries) if entry.method == "DELETE"
    }
    return {
        index: None if entries[index].method == "POST" and (entries[index].type, match) in gone else match
        for index, match in found.items()
    }


def _where(entry: Entry) -> str:
    if entry.method == "POST":
        return f"{entry.label}.request.ifNoneExist" if entry.label else "http.If-None-Exist"
    return f"{entry.label}.request.url" if entry.label else "http.query"


def _conditions(entries: Sequence[Entry]) -> dict[int, Condition]:
    found = {}
    for index, entry in enumerate(entries):
        query = entry.if_none_exist if entry.method == "POST" else entry.query
        if query is not None and entry.id is None:
            found[index] = (entry.type, query.removeprefix(entry.type).lstrip("?"))
    return found


def _planned(entry: Entry, condition: Condition | None, found: str | None, made: dict[Condition, str]) -> Plan:
    body_id = entry.resource.get("id") if entry.resource else None
    if entry.method == "POST":
        if condition is not None:
            repeated = found or made.get(condition)
            if repeated is not None:
                return Plan(entry, entry.type, repeated, None, settled=True)
        made_id = new_id()
        if condition is not None:
            made[condition] = made_id
        return Plan(entry, entry.type, made_id, entry.resource)
    if entry.method == "PUT":
        put_id = _put_id(entry, condition, found, body_id)
        return Plan(entry, entry.type, put_id, entry.resource, unmatched=condition is not None and found is None)
    if entry.id is None and condition is None:
        raise BadRequest.of(
            f"A {entry.method} needs an id or search criteria.", entry.label or "http.url", code="required"
        )
    resource_id = entry.id or found
    if entry.method == "PATCH":
        if resource_id is None:
            raise NotFound.of(f"No {entry.type} matches the criteria; there is nothing to patch.", _where(entry))
        return Plan(entry, entry.type, resource_id, None)
    return Plan(entry, entry.type, resource_id or "", None, settled=resource_id is None, status=204)


def _put_id(entry: Entry, condition: Condition | None, found: str | None, body_id: str | None) -> str:
    where = f"{entry.label}.resource.id" if entry.label else f"{entry.type}.id"
    if condition is not None:
        if found and body_id and body_id != found:
            raise BadRequest.of(
                f"The criteria match {entry.type}/{found}, but the id is '{body_id}'.", where, code="value"
            )
        return found or body_id or new_id()
    if entry.id is None:
        raise BadRequest.of("A PUT needs an id or search criteria.", entry.label or "http.url", code="required")
    if not _ID.fullmatch(entry.id):
        raise BadRequest.of(f"'{entry.id}' is not an id: 1 to 64 letters, digits, '-' and '.'.", where, code="value")
    if body_id != entry.id:
        given = f"the resource has '{body_id}'" if body_id else "the resource has none"
        raise BadRequest.of(
            f"The id in the URL is '{entry.id}', but {given}; both must be the same.", where, code="value"
        )
    return entry.id


def _refuse_overlap(plans: list[Plan]) -> None:
    seen: dict[Target, str] = {}
    for item in plans:
        if item.settled:
            continue
        if item.key in seen:
            raise BadRequest.of(
                f"{seen[item.key]} and this entry both write {item.type}/{item.id}; one transaction may write it once.",
                item.entry.label,
                code="duplicate",
            )
        seen[item.key] = item.entry.label


def _refuse_hidden_overlap(unit: Unit, plans: list[Plan], conditions: Mapping[int, Condition]) -> None:
    """What a transaction creates is there before it updates: the criteria of an update may mean just that."""
    made = {index: each for index, each in conditions.items() if plans[index].entry.method in ("PUT", "PATCH")}
    if not made or len(plans) == 1:
        return
    first: dict[Condition, int] = {}
    created = [item for item in plans if item.entry.method == "POST" and not item.settled]
    coming = Coming(unit, ((item.id, item.resource) for item in created if item.resource is not None))
    for index, condition in made.items():
        label = plans[index].entry.label
        if first.setdefault(condition, index) != index:
            other = plans[first[condition]].entry.label
        elif matching := coming.matching(condition):
            other = next(item.entry.label for item in created if item.id == matching[0])
        else:
            continue
        raise BadRequest.of(
            f"{other} and this entry both write what '{condition[0]}?{condition[1]}' means; "
            "one transaction may write it once.",
            label,
            code="duplicate",
        )


def _load_current(unit: Unit, plans: list[Plan]) -> None:
    updated = [
        item.key for item in plans if item.entry.method != "DELETE" and (item.settled or item.entry.method != "POST")
    ]
    deleted = [item.key for item in plans if item.entry.method == "DELETE" and not item.settled]
    found = locked(unit, updated, keeps_key=True) | locked(unit, deleted, keeps_key=False)
    created = {item.key for item in plans if not item.settled and item.entry.method == "POST"}
    for item in plans:
        if item.key not in created or item.settled:
            item.current = found.get(item.key)
        if item.current is not None:
            item.pk = item.current.pk
            if item.settled:
                item.version, item.last_updated = item.current.version, item.current.last_updated
                item.content = item.current.content


def locked(unit: Unit, keys: list[Target], *, keeps_key: bool) -> dict[Target, Version]:
    """The current versions of these resources, deleted ones too, locked until the transaction ends.

    Only without `keeps_key` does the lock also hold off those who are about to write a reference to one of them.
    """
    found: dict[Target, Version] = {}
    for start in range(0, len(keys), CHUNK):
        for row in unit.connection.execute(_CURRENT[keeps_key], {"keys": keys[start : start + CHUNK]}):
            version = version_of(row)
            found[(version.type, version.id)] = version
    return found


def _check(unit: Unit, item: Plan) -> None:
    entry = item.entry
    if entry.method == "DELETE" and not item.settled and not item.live:
        if unit.services.builtin.get(item.type, item.id) is not None:
            raise MethodNotAllowed.of(
                f"{item.type}/{item.id} comes with the server and cannot be deleted; a PUT puts another in its place.",
                *filter(None, [entry.label]),
            )
        item.settled = True
        if item.current is not None:
            item.version, item.last_updated = item.current.version, item.current.last_updated
    if entry.method == "PATCH":
        _current(item)
    # Access first: a refused precondition tells the version.
    if item.live and not item.settled and item.pk:
        check_access(unit, item.type, "d" if entry.method == "DELETE" else "u", item.pk)
    if item.unmatched and item.live:
        raise Conflict.of(
            f"Nothing matches the criteria, but there is another {item.type} with the id '{item.id}'.", _where(entry)
        )
    if entry.if_match is not None:
        _check_if_match(item, entry.if_match)
    if entry.if_none_match is not None and entry.method in ("PUT", "PATCH"):
        _check_if_none_match(item, entry.if_none_match)
    if entry.change is not None:
        item.resource = _changed(unit, item, entry.change)


def _current(item: Plan) -> Version:
    """What a PATCH starts from. Raises `NotFound` and `Gone`."""
    if item.current is None or item.current.version == 0:
        raise NotFound.of(f"There is no {item.type} with the id '{item.id}'.", *filter(None, [item.entry.label]))
    return living(item.current)


def _changed(unit: Unit, item: Plan, change: Callable[[Resource], Resource]) -> Resource:
    """The document after a patch, valid as every document that is stored."""
    content = _current(item).content
    assert content is not None
    try:
        resource = change(parse(content))
        validator = unit.services.validator
        issues = validator.check(resource, item.type) or validator.claims(resource, profiles_of(unit))
        if issues:
            raise Unprocessable(issues)
    except FhirError as error:
        raise error.placed(item.entry.label) if item.entry.label else error from None
    return resource


def _check_if_match(item: Plan, header: str) -> None:
    wanted, where = _versions(item, header, "If-Match")
    actual = str(item.current.version) if item.current is not None and item.live else "none"
    if actual not in wanted and not ("*" in wanted and item.live):
        raise PreconditionFailed.of(
            f"If-Match asks for version {' or '.join(sorted(wanted))}, "
            f"but the current version of {item.type}/{item.id} is {actual}.",
            where,
        )


def _check_if_none_match(item: Plan, header: str) -> None:
    unwanted, where = _versions(item, header, "If-None-Match")
    if item.live and item.current is not None and not unwanted.isdisjoint(("*", str(item.current.version))):
        raise PreconditionFailed.of(f"{item.type}/{item.id} exists already, at version {item.current.version}.", where)


def _versions(item: Plan, header: str, name: str) -> tuple[set[str], str]:
    """The versions that a header of ETags lists, `*` among them, and where it stands.

    https://www.rfc-editor.org/rfc/rfc9110#section-13.1
    """
    element = name[0].lower() + name[1:].replace("-", "")
    where = f"{item.entry.label}.request.{element}" if item.entry.label else f"http.{name}"
    tags = [tag.strip() for tag in header.split(",")]
    if not all(tag == "*" or _ETAG.fullmatch(tag) for tag in tags):
        raise BadRequest.of(f"{name} '{header[:100]}' is not an ETag like W/\"3\".", where, code="value")
    return {tag.removeprefix("W/").strip('"') for tag in tags}, where
