"""Rebuild lab, coding and index rows from the documents, a batch at a time, while the server goes on serving.

Needed after a change of the laboratory's zone, of the public URL, or of what the index holds.
"""

from sqlalchemy import func, select

from fhir_lab.documents import parse
from fhir_lab.storage.bulk import Batch
from fhir_lab.storage.indexing import LAB_COLUMNS, derive
from fhir_lab.storage.references import Target, references, rows_of
from fhir_lab.storage.tables import LAB_TABLES, resource
from fhir_lab.storage.unit import Unit


def count(unit: Unit) -> int:
    """How many resources there are to rebuild."""
    query = select(func.count()).select_from(resource).where(resource.c.deleted.is_(False))
    return int(unit.connection.execute(query).scalar_one())


def reindex(unit: Unit, after: int = 0, limit: int = 200) -> list[int]:
    """Rebuild the next `limit` resources after the pk `after`; their pks, empty when all are done.

    The documents are locked until the caller commits, so a write meanwhile is not overwritten with older rows.
    """
    query = (
        select(resource.c.pk, resource.c.type, resource.c.content)
        .where(resource.c.pk > after, resource.c.deleted.is_(False))
        .order_by(resource.c.pk)
        .limit(limit)
        .with_for_update(key_share=True)
    )
    rows = unit.connection.execute(query).all()
    documents = {row.pk: parse(row.content) for row in rows}
    pks = _pks_of_targets(unit, list(documents.values()))
    batch = Batch(unit.connection)
    for pk, document in documents.items():
        indexed = derive(unit.services, document, pk, lambda *target: pks.get(target))
        if indexed.lab is not None:
            name = document["resourceType"]
            batch.update(LAB_TABLES[name], LAB_COLUMNS[name], [(*indexed.lab, pk)])
        for table, new in indexed.rows.items():
            batch.delete(table, [pk])
            batch.insert(table, new)
    batch.flush()
    return list(documents)


def _pks_of_targets(unit: Unit, documents: list[dict[str, object]]) -> dict[Target, int]:
    locator = unit.services.locator
    targets = {
        target for document in documents for ref in references(document) if (target := locator.local(ref)) is not None
    }
    return {key: pk for key, (pk, _) in rows_of(unit, targets).items()}
