"""Conditions of conditional interactions and references: which resource does `Patient?identifier=...` mean?

Conditions that nothing matched are locked until the transaction ends, so that fifty clients with one condition make
one resource. https://hl7.org/fhir/R4/http.html#ccreate
"""

import zlib
from collections.abc import Iterable, Mapping

from sqlalchemy import Integer, Text, and_, bindparam, column, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from fhir_lab.outcomes import FhirError, PreconditionFailed
from fhir_lab.search.values import key
from fhir_lab.storage.coming import Condition, identifier_of
from fhir_lab.storage.references import CHUNK
from fhir_lab.storage.tables import idx_token, resource
from fhir_lab.storage.unit import Unit

LOCKS = 1024  # a transaction of many conditions must not fill PostgreSQL's lock table
_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def resolve(unit: Unit, conditions: Mapping[Condition, str]) -> dict[Condition, list[str]]:
    """The ids of what each condition matches: none, one, or two where there are several.

    With each condition comes where it stands, for errors. Raises `BadRequest` for a query that is not a search of the
    type, and `Forbidden`.
    """
    wanted = set(conditions)
    asked = sorted(wanted - unit.matched.keys())
    if asked:
        unit.matched.update(_matches(unit, asked, conditions))
        unmatched = [condition for condition in asked if not unit.matched[condition]]
        if unmatched and lock(unit, unmatched):
            # Another transaction may have committed the match while this one waited for the lock.
            unit.matched.update(_matches(unit, unmatched, conditions))
    return {condition: unit.matched[condition] for condition in wanted}


def only(condition: Condition, ids: list[str], where: str) -> str | None:
    """The one id that matches, None for none. Raises `PreconditionFailed` when several do."""
    if len(ids) > 1:
        raise PreconditionFailed.of(
            f"Several {condition[0]} resources match '{condition[1]}'; the condition must name one.",
            where,
            code="multiple-matches",
        )
    return ids[0] if ids else None


def lock(unit: Unit, conditions: Iterable[Condition]) -> bool:
    """Let no other transaction create what these conditions name; True when this one may have had to wait for it."""
    if unit.connection.dialect.name != "postgresql":
        return False  # a SQLite writer is alone already
    keys = sorted({zlib.crc32(f"{name}?{query}".encode()) % LOCKS for name, query in conditions})
    unit.connection.execute(_LOCK, {"keys": keys}).all()
    return True


def _matches(unit: Unit, conditions: list[Condition], places: Mapping[Condition, str]) -> dict[Condition, list[str]]:
    identifiers = {condition: key for condition in conditions if (key := _identifier(unit, condition)) is not None}
    found = _by_identifier(unit, identifiers)
    for condition in conditions:
        if condition not in found:
            found[condition] = _searched(unit, condition, places[condition])
    return found


def _searched(unit: Unit, condition: Condition, where: str) -> list[str]:
    from fhir_lab.search.run import matching

    try:
        return [row[1] for row in matching(unit, *condition)]
    except FhirError as error:
        raise error.placed(where) from None


def _identifier(unit: Unit, condition: Condition) -> tuple[int, str, str] | None:
    """(parameter id, system, value) of a plain identifier, where the index answers for the caller."""
    identifier = identifier_of(condition)
    parameter = unit.services.registry.get(condition[0], "identifier")
    if identifier is None or parameter is None or not unit.caller.access(condition[0], "s").unrestricted:
        return None
    return parameter.id, key(identifier[0]), key(identifier[1])


def _by_identifier(unit: Unit, keys: dict[Condition, tuple[int, str, str]]) -> dict[Condition, list[str]]:
    wanted = sorted(set(keys.values()))
    ids: dict[tuple[int, str, str], list[str]] = {key: [] for key in wanted}
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        if unit.connection.dialect.name == "postgresql":
            params, systems, codes = (list(part) for part in zip(*chunk, strict=True))
            rows = unit.connection.execute(_AMONG_ARRAYS, {"params": params, "systems": systems, "codes": codes})
        else:
            rows = unit.connection.execute(_FIND.where(tuple_(*_KEY).in_(chunk)).distinct())
        for param, system, value, resource_id in rows:
            ids[(param, system, value)].append(resource_id)
    return {condition: ids[key][:2] for condition, key in keys.items()}


_KEY = (idx_token.c.param, idx_token.c.system, idx_token.c.code)
_FIND = select(*_KEY, resource.c.id).join(resource, resource.c.pk == idx_token.c.pk)
# One statement for any number of conditions, so that PostgreSQL plans it once.
_WANTED = (
    func.unnest(
        bindparam("params", type_=ARRAY(Integer)),
        bindparam("systems", type_=ARRAY(Text)),
        bindparam("codes", type_=ARRAY(Text)),
    )
    .table_valued(column("param", Integer), column("system", Text), column("code", Text), name="wanted")
    .render_derived()
)
_AMONG_ARRAYS = _FIND.join(_WANTED, and_(*(key == _WANTED.c[key.name] for key in _KEY))).distinct()
