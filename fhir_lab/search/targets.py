"""The local resources that search values name, as primary keys: to a planner constants tell more than a join."""

from collections.abc import Iterable

from fhir_lab.storage.unit import Unit

# Resource types, and the id that one of them may have.
Name = tuple[tuple[str, ...], str]


def named(unit: Unit, names: Iterable[Name]) -> list[tuple[str, str, int]]:
    """(type, id, pk) of every resource with one of the names, deleted ones and placeholders among them."""
    ids: dict[tuple[str, ...], list[str]] = {}
    for types, resource_id in names:
        ids.setdefault(types, []).append(resource_id)
    mark = "%s" if unit.connection.dialect.name == "postgresql" else "?"

    def marks(count: int) -> str:
        return ", ".join([mark] * count)

    tests = [f"type IN ({marks(len(types))}) AND id IN ({marks(len(found))})" for types, found in ids.items()]
    values = [value for types, found in ids.items() for value in (*types, *found)]
    # Nearly every search asks this; to the driver as text, it costs a third of a compiled statement.
    raw = unit.connection.connection.driver_connection
    assert raw is not None
    rows: list[tuple[str, str, int]] = raw.execute(
        f"SELECT type, id, pk FROM resource WHERE {' OR '.join(tests)}", values
    ).fetchall()
    return rows
