"""Reading a search with the custom parameters that are in force now: other processes add and remove them.

Only where a search may need one is the database asked whether they changed, so that others pay nothing.
"""

from collections.abc import Callable, Sequence

from fhir_lab.outcomes import BadRequest
from fhir_lab.search.tree import Query
from fhir_lab.storage.unit import Unit


def current(unit: Unit, read: Callable[[], Sequence[Query]]) -> Sequence[Query]:
    """What `read` makes of a search, made again when the parameters changed. Raises what `read` raises."""
    parameters = unit.services.parameters
    if parameters.registry.has_custom:
        parameters.refresh(unit.connection)
    try:
        found = read()
    except BadRequest:
        if not parameters.refresh(unit.connection):
            raise
        return read()
    unsure = any(query.issues or query.includes for query in found)
    return read() if unsure and parameters.refresh(unit.connection) else found
