"""What tells of exported resources, and whether there is anything of a type at all."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from fhir_lab.documents import parse
from fhir_lab.search.values import date_range
from fhir_lab.storage.tables import idx_reference, resource
from fhir_lab.storage.unit import Unit


def present(unit: Unit, types: Iterable[str]) -> bool:
    """True when any resource of these types was ever stored."""
    found = select(resource.c.pk).where(resource.c.type.in_(tuple(types))).limit(1)
    return unit.connection.execute(found).first() is not None


def provenances(unit: Unit, pks: Sequence[int], *, latest: bool) -> set[str]:
    """The ids of the Provenances whose targets are these resources, `latest`: of each target the one recorded last."""
    parameter = unit.services.registry.get("Provenance", "target")
    assert parameter is not None
    query = (
        select(idx_reference.c.target_pk, resource.c.id, resource.c.content)
        .join_from(idx_reference, resource, resource.c.pk == idx_reference.c.pk)
        .where(idx_reference.c.param == parameter.id, idx_reference.c.target_pk.in_(pks))
        .order_by(resource.c.pk)
    )
    rows = unit.connection.execute(query).all()
    if not latest:
        return {row.id for row in rows}
    last: dict[int, tuple[int, str]] = {}
    for row in rows:
        recorded = parse(row.content or "{}").get("recorded")
        at = date_range(recorded, unit.services.settings.zone)[0] if isinstance(recorded, str) else 0
        if row.target_pk not in last or last[row.target_pk][0] <= at:
            last[row.target_pk] = (at, row.id)
    return {found for _, found in last.values()}
