"""Who refers to a resource: from the index, and from the lab columns that hold references instead of it.

https://hl7.org/fhir/R4/references.html
"""

from functools import cache
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Select, bindparam, select, union_all

from fhir_lab.storage.repository import COLUMNS, Version, version_of
from fhir_lab.storage.tables import LAB_TABLES, idx_reference, resource
from fhir_lab.storage.unit import Unit


def _places() -> CompoundSelect[Any]:
    """(target, pk) of every resource that refers to one of `targets`."""
    pks: BindParameter[Any] = bindparam("targets", expanding=True)
    index = idx_reference.c
    places = [select(index.target_pk.label("target"), index.pk).where(index.target_pk.in_(pks))]
    for table in LAB_TABLES.values():
        for column in table.columns:
            if column.foreign_keys and column.name != "pk":
                places.append(select(column.label("target"), table.c.pk).where(column.in_(pks)))
    return union_all(*places)


@cache
def _named() -> Select[Any]:
    found = _places().subquery()
    return (
        select(found.c.target, resource.c.type, resource.c.id)
        .join(resource, resource.c.pk == found.c.pk)
        .where(found.c.pk != found.c.target)
        .distinct()
        .limit(bindparam("most"))
    )


@cache
def _whole() -> Select[Any]:
    found = _places().subquery()
    alive = (resource.c.deleted.is_(False), resource.c.version > 0)
    return select(*COLUMNS).where(resource.c.pk.in_(select(found.c.pk)), *alive).order_by(resource.c.pk)


def referrers_of(unit: Unit, pks: list[int], limit: int = 5) -> dict[int, list[str]]:
    """For each of these resources that others refer to: up to `limit` of them as `Type/id`."""
    referrers: dict[int, list[str]] = {}
    for target, resource_type, resource_id in unit.connection.execute(
        _named(), {"targets": pks, "most": limit * len(pks)}
    ):
        referrers.setdefault(target, []).append(f"{resource_type}/{resource_id}")
    return {target: sorted(names)[:limit] for target, names in referrers.items()}


def referring(unit: Unit, pk: int) -> list[Version]:
    """The current version of every resource that refers to this one. The caller of this function has checked access."""
    rows = unit.connection.execute(_whole(), {"targets": [pk]})
    return [version for row in rows if (version := version_of(row)).pk != pk]
