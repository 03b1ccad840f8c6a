"""History of a resource, of a type and of the whole system, newest first, from the change feed.

https://hl7.org/fhir/R4/http.html#history
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from fhir_lab.outcomes import BadRequest, Forbidden, NotFound
from fhir_lab.security.access import Permission
from fhir_lab.storage.repository import Version, check_access, within
from fhir_lab.storage.tables import change, resource, resource_history
from fhir_lab.storage.unit import Unit

_CURSOR = re.compile(r"(-?)([0-9]{1,18})\.([0-9]{1,18})")  # `-` leads back


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
) -> HistoryPage:
    """Versions newest first.

    `since` (microseconds UTC) keeps what was written at or after it; `at` keeps what was current at some time in
    [low, high). `count` 0 gives the total alone. Raises `NotFound`, `Forbidden`, and `BadRequest` for a bad cursor.
    """
    conditions = _scope(unit, resource_type, resource_id)
    if since is not None:
        conditions.append(change.c.at >= since)
    if at is not None:
        conditions.append(_current_during(*at))
    permission: Permission = "s" if resource_id is None else "r"
    limited = resource_type is not None and not unit.caller.access(resource_type, permission).unrestricted
    total = None if limited else _count(unit, conditions)
    if count == 0:
        return HistoryPage([], total)
    back = cursor is not None and cursor.startswith("-")
    if cursor is not None:
        conditions.append(_beyond(cursor))
    rows = unit.connection.execute(_page(conditions, count + 1, back)).all()
    more = len(rows) > count
    versions = [
        Version(row.resource_pk, row.type, row.id, row.version, row.at, row.seq, row.interaction, row.gone, row.content)
        for row in rows[:count]
    ]
    if back:
        versions.reverse()
    return HistoryPage(
        [each for each in versions if not limited or within(unit, each, permission)],
        total,
        next=_cursor(versions[-1]) if versions and (more or back) else None,
        previous=f"-{_cursor(versions[0])}" if versions and cursor is not None and (more or not back) else None,
    )


def _cursor(version: Version) -> str:
    return f"{version.last_updated}.{version.seq}"


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


def _current_during(low: int, high: int) -> ColumnElement[bool]:
    later = change.alias("later")
    superseded = select(later.c.seq).where(
        later.c.resource_pk == change.c.resource_pk, later.c.version > change.c.version, later.c.at <= low
    )
    return and_(change.c.at < high, ~superseded.exists())


def _beyond(cursor: str) -> ColumnElement[bool]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequest.of(
            f"The history page '{cursor[:64]}' does not exist; follow the links of the Bundle.", "http._page"
        )
    at, seq = int(found[2]), int(found[3])
    if found[1]:
        return or_(change.c.at > at, and_(change.c.at == at, change.c.seq > seq))
    return or_(change.c.at < at, and_(change.c.at == at, change.c.seq < seq))


def _page(conditions: list[ColumnElement[bool]], limit: int, back: bool) -> Any:
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
        )
        .select_from(change.outerjoin(resource, current).outerjoin(resource_history, earlier))
        .where(*conditions)
        .order_by(*(column.asc() if back else column.desc() for column in (change.c.at, change.c.seq)))
        .limit(limit)
    )
