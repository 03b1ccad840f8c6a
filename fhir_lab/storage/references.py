"""References inside documents: found, resolved to primary keys, and kept whole.

https://hl7.org/fhir/R4/references.html https://hl7.org/fhir/R4/http.html#trules
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import bindparam, select, tuple_

from fhir_lab.documents import Resource
from fhir_lab.storage.tables import patient as patient_table
from fhir_lab.storage.tables import resource as resource_table
from fhir_lab.storage.unit import Unit

Target = tuple[str, str]  # resource type, id

_REFERENCE_KEYS = frozenset(
    ("id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display")
)
_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
CHUNK = 400
# Built once: building it takes longer than running it.
_ROWS = (
    select(resource_table.c.pk, resource_table.c.type, resource_table.c.id, resource_table.c.deleted)
    .where(tuple_(resource_table.c.type, resource_table.c.id).in_(bindparam("wanted", expanding=True)))
    .order_by(resource_table.c.pk)
    .with_for_update(read=True, key_share=True)
)
_SURVIVORS = (
    select(patient_table.c.pk, resource_table.c.id)
    .join(resource_table, resource_table.c.pk == patient_table.c.replaced_by_pk)
    .where(patient_table.c.pk.in_(bindparam("pks", expanding=True)))
)


class Locator:
    """Tells local references from others: relative ones, and absolute ones below this server's base URL."""

    def __init__(self, base: str, types: Iterable[str]) -> None:
        self._base = base + "/"
        self._types = frozenset(types)

    def local(self, reference: str) -> Target | None:
        """(type, id) of a reference to a resource of this server, versioned or not; None for any other."""
        if reference.startswith(self._base):
            reference = reference[len(self._base) :]
        found = _LOCAL.fullmatch(reference)
        return (found[1], found[2]) if found is not None and found[1] in self._types else None


def references(value: Any) -> Iterator[str]:
    """Every `Reference.reference` in a document, contained resources and extensions included."""
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and value.keys() <= _REFERENCE_KEYS:
            yield reference
        for child in value.values():
            if isinstance(child, dict | list):
                yield from references(child)
    elif isinstance(value, list):
        for child in value:
            if isinstance(child, dict | list):
                yield from references(child)


def path_of(document: Resource, reference: str) -> str:
    """The FHIRPath of the first place that holds this reference, for an error message."""
    return _path(document, reference, document["resourceType"]) or document["resourceType"]


def _path(value: Any, reference: str, path: str) -> str | None:
    if isinstance(value, dict):
        if value.get("reference") == reference:
            return f"{path}.reference"
        children: Iterable[tuple[str, Any]] = ((f"{path}.{name}", child) for name, child in value.items())
    elif isinstance(value, list):
        children = ((f"{path}[{index}]", child) for index, child in enumerate(value))
    else:
        return None
    return next((found for name, child in children if (found := _path(child, reference, name))), None)


def rows_of(unit: Unit, targets: Iterable[Target]) -> dict[Target, tuple[int, bool]]:
    """(pk, is live) of each target that has a row at all, placeholders and deleted resources included.

    Locks them against deletion until the transaction ends.
    """
    wanted = sorted(set(targets))
    found: dict[Target, tuple[int, bool]] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = unit.connection.execute(_ROWS, {"wanted": wanted[start : start + CHUNK]})
        for pk, resource_type, resource_id, deleted in rows:
            found[(resource_type, resource_id)] = (pk, not deleted)
    return found


def survivors_of(unit: Unit, pks: list[int]) -> dict[int, str]:
    """Of these Patients, those that were merged: pk -> id of the Patient that goes on.

    A statement of its own, after `rows_of` has locked them: only so does it see a merge that was waited for.
    """
    found: dict[int, str] = {}
    for start in range(0, len(pks), CHUNK):
        found.update(tuple(row) for row in unit.connection.execute(_SURVIVORS, {"pks": pks[start : start + CHUNK]}))
    return found
