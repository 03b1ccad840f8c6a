"""What matched at a mark, whatever was written since: the documents of one snapshot, in stretches of ascending pk.

A resource that has not changed since the mark is found by SQL, as by any search. One that has may have left the index,
so the version that was current then is taken from the history and judged in memory by the same criteria. Each stretch
is two statements; a change between them moves a resource from the first to the second, where it is left out if the
first gave it already. So every stretch is exact, and so is their sum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select, tuple_

from fhir_lab.documents import Resource, parse
from fhir_lab.search.aliases import restart
from fhir_lab.search.sets import Set, holds
from fhir_lab.storage.repository import COLUMNS, Version, version_of
from fhir_lab.storage.settled import Snapshot
from fhir_lab.storage.tables import change, resource, resource_history
from fhir_lab.storage.unit import Unit

ANEW = {"plan_anew": True}
CHUNK = 400
WINDOW = 200_000  # so many resources are looked at by one statement, so that none takes long however few match
Judge = Callable[[Resource], bool]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Resources of these types that are in all of `sets`, which `judge` tells of a document (None: of any).

    With sets there is one type. `since` keeps what changed after it (microseconds UTC), `until` what did not later.
    """

    types: tuple[str, ...]
    sets: tuple[Set, ...] = ()
    judge: Judge | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The versions of a stretch; `upto` is the last pk that was looked at, None at the end."""

    versions: list[Version]
    upto: int | None


def stretch(unit: Unit, mark: Snapshot, wanted: Selection, after: int, limit: int) -> Stretch:
    """Versions that matched at the mark, of the resources next after the pk `after`: about `limit`, or fewer."""
    restart()
    last = min(mark.pk, after + WINDOW)
    rows = unit.connection.execute(_unchanged(mark, wanted, (after, last), limit), execution_options=ANEW)
    found = [version_of(row) for row in rows]
    if len(found) == limit:
        last = found[-1].pk
    seen = {version.pk for version in found}
    found += [version for version in _changed(unit, mark, wanted, (after, last)) if version.pk not in seen]
    return Stretch(sorted(found, key=lambda version: version.pk), last if last < mark.pk else None)


def deleted(unit: Unit, mark: Snapshot, wanted: Selection, after: int, limit: int) -> tuple[list[Key], int | None]:
    """(type, id) of at most `limit` resources that are in the selection but were deleted at the mark, after `since`.

    They are judged by what they said last. The second value is where to go on, None when none is left.
    """
    restart()
    gone = _gone(mark, wanted, after).order_by("pk").limit(limit)
    rows = unit.connection.execute(gone).all()
    keys = [
        (row.type, row.id)
        for row in rows
        if wanted.judge is None or (row.content is not None and wanted.judge(parse(row.content)))
    ]
    return keys, rows[-1].pk if len(rows) == limit else None


def versions_of(unit: Unit, mark: Snapshot, keys: Sequence[Key]) -> list[Version]:
    """The versions that these resources had at the mark, those that existed then."""
    found: list[Version] = []
    for start in range(0, len(keys), CHUNK):
        where = tuple_(resource.c.type, resource.c.id).in_(keys[start : start + CHUNK])
        found += [version_of(row) for row in unit.connection.execute(select(*COLUMNS).where(where))]
    kept = [version for version in found if version.seq <= mark.seq and not version.deleted and version.version > 0]
    changed = [version.pk for version in found if version.seq > mark.seq]
    for start in range(0, len(changed), CHUNK):
        these = resource_history.c.resource_pk.in_(changed[start : start + CHUNK])
        earlier = _at(mark).where(these, resource_history.c.content.is_not(None))
        kept += [_earlier(row) for row in unit.connection.execute(earlier)]
    return sorted(kept, key=lambda version: version.pk)


def _unchanged(mark: Snapshot, wanted: Selection, between: tuple[int, int], limit: int) -> Select[Any]:
    # The order of the primary key leads, and the sets only filter: each row is looked at once in the whole export.
    every = select(*COLUMNS).where(
        resource.c.pk > between[0],
        resource.c.pk <= between[1],
        resource.c.type.in_(wanted.types),
        resource.c.deleted.is_(False),
        resource.c.version > 0,
        resource.c.seq <= mark.seq,
        *_time(wanted, resource.c.last_updated),
        *(holds(found, resource.c.pk) for found in wanted.sets),
    )
    return every.order_by(resource.c.pk).limit(limit)


def _time(wanted: Selection, at: ColumnElement[int]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(at > wanted.since)
    if wanted.until is not None:
        conditions.append(at <= wanted.until)
    return conditions


def _at(mark: Snapshot) -> Select[Any]:
    """The versions that were current at the mark and are not any more."""
    return (
        select(
            resource_history.c.resource_pk.label("pk"),
            resource.c.type,
            resource.c.id,
            resource_history.c.version,
            resource_history.c.last_updated,
            resource_history.c.seq,
            resource_history.c.interaction,
            resource_history.c.content,
        )
        .join(resource, resource.c.pk == resource_history.c.resource_pk)
        .where(resource_history.c.seq <= mark.seq, resource_history.c.superseded_seq > mark.seq)
    )


def _changed(unit: Unit, mark: Snapshot, wanted: Selection, between: tuple[int, int]) -> list[Version]:
    since = select(change.c.resource_pk).where(
        change.c.seq > mark.seq,
        change.c.type.in_(wanted.types),
        change.c.resource_pk > between[0],
        change.c.resource_pk <= between[1],
    )
    query = _at(mark).where(
        resource_history.c.resource_pk.in_(since),
        resource_history.c.content.is_not(None),
        *_time(wanted, resource_history.c.last_updated),
    )
    found = [_earlier(row) for row in unit.connection.execute(query)]
    if wanted.judge is None:
        return found
    judge = wanted.judge
    return [version for version in found if judge(parse(version.content or ""))]


def _gone(mark: Snapshot, wanted: Selection, after: int) -> Select[Any]:
    """Deleted at the mark, by the current version or by one that was followed by others since."""
    current = select(resource.c.pk, resource.c.type, resource.c.id, resource.c.version).where(
        resource.c.type.in_(wanted.types),
        resource.c.deleted.is_(True),
        resource.c.version > 0,
        resource.c.seq <= mark.seq,
        resource.c.pk > after,
        *_time(wanted, resource.c.last_updated),
    )
    then = _at(mark).where(
        resource_history.c.content.is_(None),
        resource.c.type.in_(wanted.types),
        resource_history.c.resource_pk > after,
        *_time(wanted, resource_history.c.last_updated),
    )
    earlier = then.with_only_columns(
        resource_history.c.resource_pk.label("pk"), resource.c.type, resource.c.id, resource_history.c.version
    )
    found = current.union(earlier).subquery("gone")
    before = resource_history.alias("before")
    return select(found.c.pk, found.c.type, found.c.id, before.c.content).outerjoin_from(
        found, before, and_(before.c.resource_pk == found.c.pk, before.c.version == found.c.version - 1)
    )


def _earlier(row: Any) -> Version:
    return Version(
        row.pk, row.type, row.id, row.version, row.last_updated, row.seq, row.interaction, False, row.content
    )
