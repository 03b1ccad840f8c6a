"""What is stored under the numbers that a message names? The mapper asks before a result may replace another.

A late preliminary never replaces a final, and only the stored state tells which one came.
"""

from collections.abc import Collection, Mapping, Sequence

from fhir_lab.documents import Resource, parse
from fhir_lab.storage.identifiers import identified
from fhir_lab.storage.unit import Unit
from mappers.hl7v2.identity import Key
from mappers.hl7v2.oru import Lookup


def lookup(unit: Unit) -> Lookup:
    """A function from keys to the current resources that have them, in the transaction that will write.

    What it does not find stays away until the transaction ends, so that two messages cannot both create it.
    """

    def current(keys: Collection[Key]) -> Mapping[Key, Sequence[Resource]]:
        found = identified(unit, {key: (key.type, key.criteria) for key in keys})
        parsed = {text: parse(text) for texts in found.values() for text in texts}
        return {key: [parsed[text] for text in found[key]] for key in keys}

    return current
