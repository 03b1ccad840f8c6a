"""`phonetic`: names that sound alike, by their Metaphone. https://hl7.org/fhir/R4/patient.html#search

R4 leaves the algorithm to the server. Each part of a name is compared as a whole, and word by word.
"""

import jellyfish

from fhir_lab.search.expressions import Node
from fhir_lab.search.kinds import string
from fhir_lab.search.kinds.string import StringRow, StringValue
from fhir_lab.search.values import Place


def extract(node: Node, place: Place) -> list[StringRow]:
    """Rows of `idx_string`: the sound in place of the norm."""
    found: dict[str, str] = {}
    for norm, exact in string.extract(node, place):
        for text in (norm, *norm.split()):
            found.setdefault(sound(text), exact)
    return [(heard, exact) for heard, exact in found.items() if heard]


def sound(norm: str) -> str:
    """How a folded text sounds; one that English has no sounds for stays as it is."""
    return str(jellyfish.metaphone(norm)) or norm


def read(text: str) -> StringValue:
    """A search value. Raises `ValueError` when nothing is left of it to compare."""
    plain = string.read(text)
    return StringValue(sound(plain.norm), plain.exact, "is")
