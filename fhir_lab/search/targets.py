"""The local resources that search values name, as primary keys: to a planner constants tell more than a join."""

from collections.abc import Sequence

from fhir_lab.storage.unit import Unit

# Resource types, and the id that one of them may have.
Name = tuple[Sequence[str], str]


def named(unit: Unit, names: Sequence[Name]) -> list[tuple[str, str, int]]:
    """(type, id, pk) of every resource with one of the names, deleted ones and placeholders among them."""
    mark = "%s" if unit.connection.dialect.name == "postgresql" else "?"
    each = [f"(type IN ({', '.join([mark] * len(types))}) AND id = {mark})" for types, _ in names]
    values = tuple(value for types, resource_id in names for value in (*types, resource_id))
    # Nearly every search asks this; to the driver as text, it costs a third of a compiled statement.
    raw = unit.connection.connection.driver_connection
    assert raw is not None
    rows: list[tuple[str, str, int]] = raw.execute(
        f"SELECT type, id, pk FROM resource WHERE {' OR '.join(each)}", values
    ).fetchall()
    return rows
