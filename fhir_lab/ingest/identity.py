"""Which resource does a business key mean now? The mapper asks before a result may replace another.

A late preliminary never replaces a final, and only the stored state tells which one came.
"""

from collections.abc import Callable
from urllib.parse import quote

from fhir_lab.documents import Resource, parse
from fhir_lab.storage import repository
from fhir_lab.storage.conditions import resolve
from fhir_lab.storage.unit import Unit

Lookup = Callable[[str, str, str], Resource | None]


def lookup(unit: Unit) -> Lookup:
    """A function from (resource type, identifier system, identifier value) to the current resource, if there is one.

    It reads in the transaction that will write, so nothing changes in between.
    """

    def current(resource_type: str, system: str, value: str) -> Resource | None:
        condition = (resource_type, f"identifier={quote(f'{system}|{value}', safe='')}")
        ids = resolve(unit, [condition])[condition]
        if not ids:
            return None
        found: Resource = parse(repository.read(unit, resource_type, ids[0]).content or "{}")
        return found

    return current
