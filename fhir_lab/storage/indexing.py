"""The rows that a document becomes: its lab row, its codings and its search index rows.

Both the writer and `reindex` use it, so what a write stores and what a rebuild stores cannot differ.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from fhir_lab.documents import Resource
from fhir_lab.search.columns import coding_parameters, held_by_column, skipped
from fhir_lab.search.extract import extract
from fhir_lab.search.registry import Registry
from fhir_lab.search.words import BREAK, marker, words_of
from fhir_lab.services import Services
from fhir_lab.storage.tables import (
    CODING_TABLES,
    LAB_TABLES,
    idx_date,
    idx_number,
    idx_position,
    idx_quantity,
    idx_reference,
    idx_string,
    idx_text,
    idx_token,
    idx_uri,
)
from mappers import MAPPERS

# The tables whose rows say by `param` which search parameter they are of.
INDEX_TABLES: tuple[Table, ...] = (
    idx_token,
    idx_string,
    idx_date,
    idx_number,
    idx_position,
    idx_quantity,
    idx_reference,
    idx_uri,
)
Rows = dict[Table, list[tuple[Any, ...]]]
LAB_COLUMNS = {name: tuple(c.name for c in table.columns if c.name != "pk") for name, table in LAB_TABLES.items()}


@dataclass(frozen=True, slots=True)
class Indexed:
    """All that one document becomes. `lab` holds the lab columns in table order without pk, None for other types."""

    lab: tuple[Any, ...] | None
    rows: Rows
    patient_pk: int | None


def derive(
    services: Services, registry: Registry, resource: Resource, pk: int, pk_of: Callable[[str, str], int | None]
) -> Indexed:
    """The rows of a document. `pk_of(type, id)` gives the pk of a local target."""
    settings = services.settings
    resource_type = resource["resourceType"]
    found = extract(registry, resource, zone=settings.zone, base=settings.fhir_base, skip=skipped(registry))
    lab = _lab_row(services, resource, pk_of)
    rows: Rows = {
        idx_token: [(param, pk, *rest) for param, *rest in found.token],
        idx_string: [(param, pk, *rest) for param, *rest in found.string],
        idx_date: [(param, pk, *rest) for param, *rest in found.date],
        idx_number: [(param, pk, *rest) for param, *rest in found.number],
        idx_quantity: [(param, pk, *rest) for param, *rest in found.quantity],
        idx_reference: list(_references(found.reference, pk, pk_of, held_by_column(registry))),
        idx_uri: [(param, pk, *rest) for param, *rest in found.uri],
        idx_position: [(param, pk, *rest) for param, *rest in found.position],
    }
    rows[idx_text] = [_words_row(resource, pk, _WRITTEN[services.database.dialect])]
    patient_pk = pk if resource_type == "Patient" else lab.get("patient_pk") if lab else None
    if resource_type in CODING_TABLES and lab is not None:
        codings = coding_parameters(registry, resource_type)
        repeated = (patient_pk, lab["sort_key"])
        rows[CODING_TABLES[resource_type]] = [(*row, *repeated) for row in rows[idx_token] if row[0] in codings]
        rows[idx_token] = [row for row in rows[idx_token] if row[0] not in codings]
    columns = tuple(lab[name] for name in LAB_COLUMNS[resource_type]) if lab is not None else None
    return Indexed(columns, rows, patient_pk)


def _words_row(resource: Resource, pk: int, written: Callable[[Sequence[str]], str]) -> tuple[Any, ...]:
    words, before = words_of(resource), (marker(resource["resourceType"]), BREAK)
    narrative = written((*before, *words.narrative)) if words.narrative else None
    return (pk, narrative, written((*before, *words.content)))


def _tsvector(words: Sequence[str]) -> str:
    """A tsvector as PostgreSQL reads it: each word with its place. A break leaves a place empty."""
    return " ".join([f"{word}:{place}" for place, word in enumerate(words, 1) if word != BREAK])


def _fts5(words: Sequence[str]) -> str:
    """A text for FTS5, to which everything but ASCII is part of a word: a break is a word that nobody can search."""
    return " ".join(words).replace(BREAK, "\ue000")


_WRITTEN = {"postgresql": _tsvector, "sqlite": _fts5}


def differing(old: Rows, new: Rows) -> Iterable[Table]:
    """The tables whose rows are not the same before and after, in whatever order they come."""
    if not old:
        return [table for table, rows in new.items() if rows]
    return [table for table in {**old, **new} if Counter(old.get(table, ())) != Counter(new.get(table, ()))]


def _lab_row(
    services: Services, resource: Resource, pk_of: Callable[[str, str], int | None]
) -> Mapping[str, Any] | None:
    mapper = MAPPERS.get(resource["resourceType"])
    if mapper is None:
        return None

    def resolve(reference: str) -> int | None:
        target = services.locator.local(reference)
        return pk_of(*target) if target is not None else None

    return mapper.to_row(resource, resolve, services.settings.zone)


def _references(
    found: Iterable[tuple[Any, ...]],
    pk: int,
    pk_of: Callable[[str, str], int | None],
    held: Mapping[int, str],
) -> Iterable[tuple[Any, ...]]:
    for param, group, target_type, target_id, url, identifier_system, identifier_value in found:
        target_pk = pk_of(target_type, target_id) if target_id else None
        if target_pk is not None and held.get(param) == target_type and not (identifier_system or identifier_value):
            continue  # the lab column says it already
        yield (
            param,
            pk,
            group,
            target_pk,
            target_type or "",
            url or "",
            identifier_system or "",
            identifier_value or "",
        )
