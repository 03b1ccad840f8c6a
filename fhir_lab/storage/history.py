"""History of a resource, of a type and of the whole system, newest first, from the change feed.

All pages show what could be seen when the first was made: a cursor carries that moment's mark, and a change that was
committed later is left out even where its time is that of an earlier page. https://hl7.org/fhir/R4/http.html#history
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from fhir_lab.outcomes import BadRequest, Forbidden, Gone, NotFound
from fhir_lab.security.access import Permission
from fhir_lab.storage import marks
from fhir_lab.storage.marks import Mark
from fhir_lab.storage.repository import Version, check_access, read, within
from fhir_lab.storage.tables import change, idx_reference, resource, resource_history
from fhir_lab.storage.unit import Unit

# `-` leads back; time and number of a version, then the mark: its highest change, the transactions that were running.
_CURSOR = re.compile(r"(-?)([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})((?:\.[0-9]{1,18}){0,1000})")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some versions, the count of all of them, and the cursors of the pages after and before (None for none).

    A caller whose scopes do not reach every resource of the type sees of each only the versions within them, and no
    total.
    """

    versions: list[Version]
    total: int | None
    next: str | None = None
    previous: str | None = None


def history(
    unit: Unit,
    resource_type: str | None,
    resource_id: str | None,
    *,
    since: int | None = None,
    at: tuple[int, int] | None = None,
    count: int = 20,
    cursor: str | None = None,
    listed: str | None = None,
) -> HistoryPage:
    """Versions newest first.

    `since` (microseconds UTC) keeps what was written at or after it; `at` keeps what was current at some time in
    [low, high); `listed` keeps the resources in the List of this id. `count` 0 gives the total alone.

    Raises `NotFound`, `Forbidden`, and `BadRequest` for a bad cursor.
    """
    conditions = _scope(unit, resource_type, resource_id)
    if since is not None:
        conditions.append(change.c.at >= since)
    if at is not None:
        conditions.append(_current_during(*at))
    if listed is not None:
        conditions.append(_in_list(unit, listed))
    permission: Permission = "s" if resource_id is None else "r"
    limited = resource_type is not None and not unit.caller.access(resource_type, permission).unrestricted
    if count == 0:
        return HistoryPage([], None if limited else _count(unit, conditions))
    place = _place(cursor) if cursor is not None else None
    if place is not None:
        conditions.append(marks.by_then(place.mark))
    rows = unit.connection.execute(_page(unit, conditions, count + 1, place)).all()
    mark = place.mark if place else marks.mark_of(rows[0][-3:], unit.connection) if rows else Mark(0, 0)
    total = None if limited else _count(unit, [*conditions, marks.by_then(mark)])
    more, back = len(rows) > count, place is not None and place.back
    versions = [
        Version(row.resource_pk, row.type, row.id, row.version, row.at, row.seq, row.interaction, row.gone, row.content)
        for row in rows[:count]
    ]
    if back:
        versions.reverse()
    return HistoryPage(
        [each for each in versions if not limited or within(unit, each, permission)],
        total,
        next=_cursor(versions[-1], mark) if versions and (more or back) else None,
        previous=f"-{_cursor(versions[0], mark)}" if versions and place is not None and (more or not back) else None,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: at a version, beyond it in either direction; and what the first page could see."""

    back: bool
    at: int
    seq: int
    mark: Mark

    def beyond(self) -> ColumnElement[bool]:
        if self.back:
            return or_(change.c.at > self.at, and_(change.c.at == self.at, change.c.seq > self.seq))
        return or_(change.c.at < self.at, and_(change.c.at == self.at, change.c.seq < self.seq))


def _cursor(version: Version, mark: Mark) -> str:
    return ".".join(map(str, (version.last_updated, version.seq, mark.seq, *mark.running)))


def _place(cursor: str) -> _Place:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequest.of(
            f"The history page '{cursor[:64]}' does not exist; follow the links of the Bundle.", "http._page"
        )
    running = tuple(int(number) for number in found[5].split(".") if number)
    return _Place(bool(found[1]), int(found[2]), int(found[3]), Mark(int(found[4]), 0, running))


def _count(unit: Unit, conditions: list[ColumnElement[bool]]) -> int:
    return unit.connection.execute(select(func.count()).select_from(change).where(*conditions)).scalar_one()


def _scope(unit: Unit, resource_type: str | None, resource_id: str | None) -> list[ColumnElement[bool]]:
    if resource_type is None:
        return [_readable_types(unit)]
    permission: Permission = "s" if resource_id is None else "r"
    access = unit.caller.access(resource_type, permission)
    if access.denied:
        raise Forbidden.of(f"Your scopes do not grant '{permission}' on {resource_type}.")
    if resource_id is not None:
        found = select(resource.c.pk).where(resource.c.type == resource_type, resource.c.id == resource_id)
        pk = unit.connection.execute(found.where(resource.c.version > 0)).scalar()
        if pk is None:
            raise NotFound.of(f"There is no {resource_type} with the id '{resource_id}'.")
        check_access(unit, resource_type, "r", pk)
        return [change.c.resource_pk == pk]
    conditions: list[ColumnElement[bool]] = [change.c.type == resource_type]
    if not access.unrestricted:
        from fhir_lab.search.access import access_condition

        condition = access_condition(unit, resource_type, "s", change.c.resource_pk)
        if condition is not None:
            conditions.append(condition)
    return conditions


def _readable_types(unit: Unit) -> ColumnElement[bool]:
    types = [name for name in unit.services.registry.types if unit.caller.access(name, "s").unrestricted]
    if not types:
        raise Forbidden.of("Your scopes do not reach the history of the whole system.")
    return change.c.type.in_(types) if len(types) < len(unit.services.registry.types) else change.c.seq.is_not(None)


def _in_list(unit: Unit, list_id: str) -> ColumnElement[bool]:
    """The caller must be able to read the List itself: what is in it is told by what is found.

    Raises `Forbidden`, and `BadRequest` where there is no such List.
    """
    try:
        found = read(unit, "List", list_id)
    except (NotFound, Gone) as error:
        raise BadRequest.of(error.issues[0].details, "http._list", code="not-found") from None
    except Forbidden as error:
        raise error.placed("http._list") from None
    item = unit.services.registry.get("List", "item")
    assert item is not None
    index = idx_reference.c
    return change.c.resource_pk.in_(select(index.target_pk).where(index.pk == found.pk, index.param == item.id))


def _current_during(low: int, high: int) -> ColumnElement[bool]:
    later = change.alias("later")
    superseded = select(later.c.seq).where(
        later.c.resource_pk == change.c.resource_pk, later.c.version > change.c.version, later.c.at <= low
    )
    return and_(change.c.at < high, ~superseded.exists())


def _page(unit: Unit, conditions: list[ColumnElement[bool]], limit: int, place: _Place | None) -> Any:
    """The versions of a page, in the order in which they are read; those of a first page with their mark."""
    back = place is not None and place.back
    first = marks.columns(unit.connection) if place is None else []
    content = func.coalesce(resource.c.content, resource_history.c.content)
    current = and_(resource.c.pk == change.c.resource_pk, resource.c.version == change.c.version)
    earlier = and_(
        resource_history.c.resource_pk == change.c.resource_pk, resource_history.c.version == change.c.version
    )
    return (
        select(
            change.c.resource_pk,
            change.c.type,
            change.c.id,
            change.c.version,
            change.c.at,
            change.c.seq,
            change.c.interaction,
            content.is_(None).label("gone"),
            content.label("content"),
            *first,
        )
        .select_from(change.outerjoin(resource, current).outerjoin(resource_history, earlier))
        .where(*conditions, *([place.beyond()] if place else []))
        .order_by(*(column.asc() if back else column.desc() for column in (change.c.at, change.c.seq)))
        .limit(limit)
    )
