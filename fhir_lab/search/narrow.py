"""A code without a system, when it leads: its rows are in the order of the results only within one system.

The index ends in `(code, system, sort key, pk)`. Nearly every code has one system in a database, which two probes of
the index tell; with it a page of a common code is read in order instead of sorting every row that has the code.
"""

from collections.abc import Sequence

from sqlalchemy import select

from fhir_lab.search.aliases import fresh
from fhir_lab.search.plan import leader
from fhir_lab.search.sets import NOTHING, Rows, Set
from fhir_lab.storage.unit import Unit


def narrowed(unit: Unit, sets: Sequence[Set]) -> list[Set]:
    """The sets, the leading one with the system of its code added if it asks for one code of one system only."""
    leading, patients = leader(sets)
    if patients is not None or not isinstance(leading, Rows) or leading.of_system is None:
        return list(sets)
    row = fresh(leading.table)
    systems = select(row.c.system).where(leading.test(row)).limit(1)
    first = systems.order_by(row.c.system).scalar_subquery()
    last = systems.order_by(row.c.system.desc()).scalar_subquery()
    lowest, highest = unit.connection.execute(select(first, last)).one()
    if lowest is None:
        return [NOTHING]
    if lowest != highest:
        return list(sets)
    return [leading.of_system(lowest) if found is leading else found for found in sets]
