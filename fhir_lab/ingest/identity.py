"""What is stored under the numbers that a message names? The mapper asks before a result may replace another.

A late preliminary never replaces a final, and only the stored state tells which one came.
"""

from collections.abc import Collection, Mapping, Sequence

from fhir_lab.documents import Resource, parse
from fhir_lab.storage.conditions import resolve
from fhir_lab.storage.references import rows_of
from fhir_lab.storage.repository import fetch
from fhir_lab.storage.unit import Unit
from mappers.hl7v2.identity import Key
from mappers.hl7v2.oru import Lookup


def lookup(unit: Unit) -> Lookup:
    """A function from keys to the current resources that have them, in the transaction that will write.

    Keys that nothing has are locked until it ends, so that two messages cannot both create what they name.
    """

    def current(keys: Collection[Key]) -> Mapping[Key, Sequence[Resource]]:
        conditions = {key: (key.type, key.criteria) for key in keys}
        ids = resolve(unit, conditions.values())
        found = {key: [(key.type, one) for one in ids[condition]] for key, condition in conditions.items()}
        pks = {
            target: pk for target, (pk, _) in rows_of(unit, {one for some in found.values() for one in some}).items()
        }
        documents = {version.pk: parse(version.content or "{}") for version in fetch(unit, list(pks.values()))}
        return {key: [documents[pks[target]] for target in targets] for key, targets in found.items()}

    return current
