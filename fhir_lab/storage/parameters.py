"""Custom search parameters: from SearchParameter resources to the registry of every process.

A parameter is `waiting` until a rebuild of the index has gone through every resource, then `answered`; one that was
taken back is `leaving`, still indexed like the others, until a rebuild takes its rows away.

Nothing is written by a registry that is out of date: a write holds a lock that whoever changes the parameters must wait
for, and compares the stamp of its registry with that of the database. https://hl7.org/fhir/R4/searchparameter.html
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from fhir_lab.documents import Resource
from fhir_lab.outcomes import Conflict, Issue, Unavailable, Unprocessable
from fhir_lab.search.posted import Definition, read
from fhir_lab.search.registry import FIRST_CUSTOM, Component, Registry, SearchParameter
from fhir_lab.storage.database import Database
from fhir_lab.storage.locks import PARAMETERS, begin_writing, hold
from fhir_lab.storage.repository import Version
from fhir_lab.storage.tables import search_parameter, search_parameter_stamp
from fhir_lab.storage.unit import Unit

WAITING, ANSWERED, LEAVING, GONE = "waiting", "answered", "leaving", "gone"
_STAMP = "SELECT stamp FROM search_parameter_stamp"


class Parameters:
    """The registry of this process, renewed when the database has another stamp."""

    def __init__(self) -> None:
        self.registry = Registry.load()
        self.stamp = 0

    def refresh(self, connection: Connection) -> bool:
        """Renew the registry if the custom parameters changed; True when it did."""
        raw = connection.connection.driver_connection
        assert raw is not None
        row = raw.execute(_STAMP).fetchone()
        return self._renewed(connection, row[0] if row else 0)

    def look(self, database: Database) -> None:
        """Renew the registry for a page about it; one that the database does not answer for shows what is known."""
        with suppress(Unavailable), database.read() as connection:
            self.refresh(connection)

    def agreed(self, connection: Connection, stamp: int | None) -> Registry:
        """The registry for what this transaction writes. It holds the lock, with this stamp, or waits for it (None)."""
        if stamp is None:
            hold(connection, PARAMETERS, shared=True)
            self.refresh(connection)
        else:
            self._renewed(connection, stamp)
        return self.registry

    def _renewed(self, connection: Connection, stamp: int) -> bool:
        if stamp == self.stamp:
            return False
        self.registry = _registry(connection)
        self.stamp = stamp
        return True


class ParameterHook:
    """What a write of a SearchParameter does beside storing it; see `fhir_lab.storage.hooks.WriteHook`."""

    def before(self, unit: Unit, resource: Resource, current: Version | None) -> Resource:
        """The resource as it is. Raises `Unprocessable` with everything that keeps it from being searched by."""
        begin_writing(unit.connection)  # in the order of every other write
        hold(unit.connection, PARAMETERS)
        unit.services.parameters.refresh(unit.connection)
        posted = read(resource, unit.services.registry)
        issues = posted.issues or _taken(unit.connection, posted.definitions, current.pk if current else 0)
        if issues:
            raise Unprocessable(issues)
        return resource

    def after(self, unit: Unit, pk: int, resource: Resource | None) -> None:
        """Keep the parameters in step with the resource. Raises `Conflict` when the transaction has one twice."""
        hold(unit.connection, PARAMETERS)
        definitions = [] if resource is None else read(resource, unit.services.registry).definitions
        issues = _taken(unit.connection, definitions, pk)
        if issues:
            raise Conflict(issues)
        replace_definitions(unit.connection, pk, definitions)


def replace_definitions(connection: Connection, pk: int, definitions: Sequence[Definition]) -> None:
    """Let the resource `pk` define these parameters and no others. Those that stay the same stay answered."""
    wanted = {_text(definition): definition for definition in definitions}
    rows = connection.execute(
        select(search_parameter).where(
            search_parameter.c.resource_pk == pk, search_parameter.c.state.in_((WAITING, ANSWERED))
        )
    ).all()
    kept = {row.definition for row in rows} & wanted.keys()
    going = [row.id for row in rows if row.definition not in kept]
    coming = [definition for text_, definition in wanted.items() if text_ not in kept]
    if going:
        set_state(connection, going, LEAVING)
    if coming:
        _insert(connection, pk, coming)
    if going or coming:
        new_stamp(connection)


def in_state(connection: Connection, *states: str) -> list[SearchParameter]:
    """The custom parameters in these states, with their ids, those of their parts among them."""
    found = connection.execute(select(search_parameter).where(search_parameter.c.state.in_(states)))
    return [parameter for row in found for parameter in _parameters(row)]


def set_state(connection: Connection, ids: Iterable[int], state: str) -> None:
    """Move parameters on; `new_stamp` lets the others know."""
    connection.execute(update(search_parameter).where(search_parameter.c.id.in_(list(ids))).values(state=state))


def forget(connection: Connection, ids: Iterable[int]) -> None:
    """Drop parameters whose rows are gone."""
    connection.execute(delete(search_parameter).where(search_parameter.c.id.in_(list(ids))))


def new_stamp(connection: Connection) -> None:
    """Let every process know, once this transaction is committed, that the parameters changed."""
    # A random one: after a rollback the same number would come again with another meaning.
    stamp = random.getrandbits(62) + 1
    if not connection.execute(update(search_parameter_stamp).values(stamp=stamp)).rowcount:
        connection.execute(insert(search_parameter_stamp).values(id=1, stamp=stamp, last_id=FIRST_CUSTOM))


def _insert(connection: Connection, pk: int, definitions: Sequence[Definition]) -> None:
    last = connection.execute(select(search_parameter_stamp.c.last_id)).scalar() or FIRST_CUSTOM
    rows: list[dict[str, Any]] = []
    for definition in definitions:
        rows.append(
            {
                "id": last + 1,
                "resource_pk": pk,
                "url": definition.parameter.url,
                "definition": _text(definition),
                "state": WAITING,
            }
        )
        last += 1 + len(definition.parts)
    new_stamp(connection)
    connection.execute(update(search_parameter_stamp).values(last_id=last))
    connection.execute(insert(search_parameter), rows)


def _taken(connection: Connection, definitions: Sequence[Definition], pk: int) -> list[Issue]:
    """An issue for each definition whose type and code another resource defines."""
    others = {
        (parameter.type, parameter.code): parameter.url
        for row in connection.execute(
            select(search_parameter).where(
                search_parameter.c.resource_pk != pk, search_parameter.c.state.in_((WAITING, ANSWERED))
            )
        )
        for parameter in _parameters(row)
    }
    return [
        Issue(
            "duplicate",
            f"Another SearchParameter, {others[key]}, defines '{key[1]}' of {key[0]}; choose another code.",
            ("SearchParameter.code",),
        )
        for definition in definitions
        if (key := (definition.parameter.type, definition.parameter.code)) in others
    ]


def _registry(connection: Connection) -> Registry:
    found: dict[str, list[SearchParameter]] = {WAITING: [], ANSWERED: [], LEAVING: []}
    unnamed: list[SearchParameter] = []
    for row in connection.execute(select(search_parameter).where(search_parameter.c.state != GONE)):
        parameter, *parts = _parameters(row)
        found[row.state].append(parameter)
        unnamed += parts
    known = Registry.load()
    if not any(found.values()):
        return known
    return known.with_custom(found[ANSWERED], found[WAITING], [*found[LEAVING], *unnamed])


def _text(definition: Definition) -> str:
    return json.dumps([asdict(parameter) for parameter in (definition.parameter, *definition.parts)])


def _parameters(row: Any) -> list[SearchParameter]:
    """The parameter of a row of the table, and those of its parts, which have the ids that follow."""
    whole, *parts = (_parameter(entry, row.id + n) for n, entry in enumerate(json.loads(row.definition)))
    components = tuple(replace(part, id=row.id + n) for n, part in enumerate(whole.components, 1))
    return [replace(whole, components=components), *parts]


def _parameter(entry: Mapping[str, Any], parameter_id: int) -> SearchParameter:
    components = tuple(Component(**part) for part in entry["components"])
    rest = {**entry, "id": parameter_id, "targets": tuple(entry["targets"]), "components": components}
    return SearchParameter(**rest)
