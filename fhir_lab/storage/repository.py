"""Reading documents: the current version and earlier ones, under the caller's access.

https://hl7.org/fhir/R4/http.html#read https://hl7.org/fhir/R4/http.html#vread
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select

from fhir_lab.documents import parse
from fhir_lab.outcomes import Forbidden, Gone, NotFound
from fhir_lab.security.access import Permission
from fhir_lab.storage.tables import resource, resource_history
from fhir_lab.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource. `content` is its JSON text; a version that deleted has none.

    `last_updated` is in microseconds UTC; `interaction` is create, update, patch or delete.
    """

    pk: int
    type: str
    id: str
    version: int
    last_updated: int
    seq: int
    interaction: str
    deleted: bool
    content: str | None


COLUMNS = (
    resource.c.pk,
    resource.c.type,
    resource.c.id,
    resource.c.version,
    resource.c.last_updated,
    resource.c.seq,
    resource.c.interaction,
    resource.c.deleted,
    resource.c.content,
)
_READ = select(*COLUMNS)
BY_ID = f"SELECT {', '.join(column.name for column in COLUMNS)} FROM resource WHERE type = {{0}} AND id = {{0}}"


def read(unit: Unit, resource_type: str, resource_id: str) -> Version:
    """The current version, or the built-in resource of this id where none is stored.

    Raises `NotFound`, `Gone` (deleted) or `Forbidden` (beyond the caller's scopes).
    """
    try:
        found = _by_id(unit, resource_type, resource_id)
        check_access(unit, resource_type, "r", found.pk)
        return living(found)
    except (NotFound, Gone):
        builtin = unit.services.builtin.get(resource_type, resource_id)
        if builtin is None or not within(unit, builtin, "r"):
            raise
        return builtin


def living(found: Version) -> Version:
    """The version, unless it is the one that deleted the resource. Raises `Gone`."""
    if found.deleted:
        raise Gone.of(
            f"{found.type}/{found.id} was deleted. Its earlier versions can be read at "
            f"{found.type}/{found.id}/_history.",
            headers={"ETag": f'W/"{found.version}"'},
        )
    return found


def read_version(unit: Unit, resource_type: str, resource_id: str, version: int) -> Version:
    """One version; a built-in resource has only version 0.

    Raises `NotFound`, `Gone` (the version that deleted it) or `Forbidden`.
    """
    builtin = unit.services.builtin.get(resource_type, resource_id) if version == 0 else None
    if builtin is not None and within(unit, builtin, "r"):
        return builtin
    current = _by_id(unit, resource_type, resource_id)
    check_access(unit, resource_type, "r", current.pk)
    found = current if current.version == version else _earlier(unit, current, version)
    if found.content is None:
        raise Gone.of(f"Version {version} of {resource_type}/{resource_id} is the one that deleted it.")
    if found is not current and not within(unit, found, "r"):
        raise Forbidden.of(f"Your scopes do not reach version {version} of this {resource_type}.")
    return found


def fetch(unit: Unit, pks: Sequence[int]) -> list[Version]:
    """The current versions of these pks, in the order given. The caller of this function has checked access."""
    if not pks:
        return []
    rows = unit.connection.execute(_READ.where(resource.c.pk.in_(pks)))
    found = {row.pk: version_of(row) for row in rows}
    return [found[pk] for pk in pks if pk in found]


def version_of(row: Sequence[Any]) -> Version:
    """A row of `COLUMNS` as a Version."""
    return Version(*row)


def check_access(unit: Unit, resource_type: str, permission: Permission, pk: int) -> None:
    """Raise `Forbidden` unless the caller's scopes grant the permission on this very resource."""
    access = unit.caller.access(resource_type, permission)
    if access.unrestricted:
        return
    from fhir_lab.search.access import access_condition

    condition = access_condition(unit, resource_type, permission, resource.c.pk)
    query: Select[Any] = select(resource.c.pk).where(resource.c.pk == pk)
    if condition is not None:
        query = query.where(condition)
    if unit.connection.execute(query).first() is None:
        raise Forbidden.of(f"Your scopes do not reach this {resource_type}.")


def within(unit: Unit, version: Version, permission: Permission) -> bool:
    """True when the caller's scopes reach the content of a version, or it has none.

    What a resource says now opens no version that said something else, such as the name of another patient.
    """
    from fhir_lab.search.access import permits

    if version.content is None or unit.caller.access(version.type, permission).unrestricted:
        return True
    return permits(unit, parse(version.content), permission)


def _by_id(unit: Unit, resource_type: str, resource_id: str) -> Version:
    # The hottest statement of the server goes to the driver as text: building it would cost more than running it.
    mark = "%s" if unit.connection.dialect.name == "postgresql" else "?"
    raw = unit.connection.connection.driver_connection
    assert raw is not None
    row = raw.execute(BY_ID.format(mark), (resource_type, resource_id)).fetchone()
    return existing(row, resource_type, resource_id)


def existing(row: Sequence[Any] | None, resource_type: str, resource_id: str) -> Version:
    """The row that `BY_ID` found as a Version. Raises `NotFound` for none, and for a placeholder."""
    if row is None or row[3] == 0:
        raise NotFound.of(f"There is no {resource_type} with the id '{resource_id}'.")
    return Version(*row)


def _earlier(unit: Unit, current: Version, version: int) -> Version:
    row = unit.connection.execute(
        select(resource_history).where(
            and_(resource_history.c.resource_pk == current.pk, resource_history.c.version == version)
        )
    ).first()
    if row is None:
        raise NotFound.of(
            f"{current.type}/{current.id} has no version {version}; the versions 1 to {current.version} exist."
        )
    return Version(
        current.pk,
        current.type,
        current.id,
        row.version,
        row.last_updated,
        row.seq,
        row.interaction,
        row.content is None,
        row.content,
    )
