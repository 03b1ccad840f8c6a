"""The labels in use: every profile, tag and security label of the resources that a caller may read.

https://hl7.org/fhir/R4/resource.html#Meta
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, or_, select

from fhir_lab.search.access import Reaches
from fhir_lab.search.aliases import fresh, restart
from fhir_lab.search.sets import holds
from fhir_lab.storage.tables import idx_token, idx_uri
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]


def labels_in_use(unit: Unit, types: Iterable[str]) -> Json:
    """A Meta with `profile`, `security` and `tag`, sorted; lists that would be empty are left out."""
    restart()
    readable = [name for name in types if not unit.caller.access(name, "r").denied]
    found: Json = {}
    profiles = fresh(idx_uri)
    rows = unit.connection.execute(
        select(profiles.c.value).where(_labelled(unit, readable, "_profile", profiles)).distinct()
    )
    if urls := sorted(row.value for row in rows):
        found["profile"] = urls
    for name in ("security", "tag"):
        tokens = fresh(idx_token)
        pairs = unit.connection.execute(
            select(tokens.c.system, tokens.c.code).where(_labelled(unit, readable, f"_{name}", tokens)).distinct()
        )
        if codings := [_coding(system, code) for system, code in sorted(tuple(pair) for pair in pairs)]:
            found[name] = codings
    return found


def _labelled(unit: Unit, types: Iterable[str], code: str, row: FromClause) -> ColumnElement[bool]:
    """The rows of the parameter `code` of these types, as far as the caller reaches."""
    registry, reaches = unit.services.registry, Reaches(unit)
    open_to_caller: list[int] = []
    bounded: list[ColumnElement[bool]] = []
    for name in types:
        parameter_id = registry.of(name)[code].id
        reach = reaches.readable(name)
        if reach is None:
            open_to_caller.append(parameter_id)
        else:
            bounded.append(and_(row.c.param == parameter_id, holds(reach, row.c.pk)))
    return or_(row.c.param.in_(open_to_caller), *bounded)


def _coding(system: str, code: str) -> Json:
    return {name: value for name, value in (("system", system), ("code", code)) if value}
