"""Every table that a write touches, written together: document, history, lab row, index, change feed, outbox, audit.

All of it goes out in one batch on the caller's connection, so that it is committed, or undone, as one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, select

from fhir_lab.documents import Resource, dumps, parse, stamped
from fhir_lab.outcomes import Conflict, Forbidden, Issue
from fhir_lab.security.access import Permission
from fhir_lab.storage.audit import audit_row
from fhir_lab.storage.bulk import Batch
from fhir_lab.storage.indexing import LAB_COLUMNS, Indexed, Rows, derive, differing
from fhir_lab.storage.numbers import allocate
from fhir_lab.storage.planning import Plan
from fhir_lab.storage.references import Target, rows_of
from fhir_lab.storage.referrers import referrers_of
from fhir_lab.storage.repository import check_access
from fhir_lab.storage.tables import (
    CODING_TABLES,
    LAB_TABLES,
    audit_event,
    change,
    outbox,
    resource,
    resource_history,
)
from fhir_lab.storage.tables.base import NO_DATE
from fhir_lab.storage.unit import Unit

DOCUMENT_COLUMNS = ("version", "last_updated", "seq", "interaction", "deleted", "content")


def store(unit: Unit, plans: Sequence[Plan], known: Mapping[Target, int]) -> None:
    """Write what the plans say and fill in their version, content and status.

    `known` holds the pks of targets that other resources than these are; those not in it are looked up.

    Raises `Conflict` naming the referrers of a resource that may not be deleted, and `Forbidden` for a resource that
    would leave the caller's compartment.
    """
    changed = [item for item in plans if not item.settled and not _unchanged(unit, item)]
    if changed:
        _Store(unit, changed, {**known, **{item.key: item.pk for item in plans if item.pk}}).run()
        unit.matched.clear()
    _settle(plans)


def _unchanged(unit: Unit, item: Plan) -> bool:
    """A PUT of what is stored already makes no new version."""
    if item.resource is None or item.current is None or item.current.content is None or item.entry.pk is not None:
        return False
    current, text = item.current, item.current.content
    same = dumps(stamped(item.resource, item.id, current.version, current.last_updated))
    stored = text.encode()
    if same != stored and dumps(parse(same), sort_keys=True) != dumps(parse(stored), sort_keys=True):
        return False
    item.settled, item.status, item.content = True, 200, text
    item.version, item.last_updated = current.version, current.last_updated
    return True


def _settle(plans: Sequence[Plan]) -> None:
    """An entry that matched what another entry of the same transaction created answers with that."""
    by_key = {item.key: item for item in plans if not item.settled}
    for item in plans:
        maker = by_key.get(item.key)
        if item.settled and item.version == 0 and maker is not None:
            item.version, item.last_updated, item.content, item.pk = (
                maker.version,
                maker.last_updated,
                maker.content,
                maker.pk,
            )


class _Store:
    """One batch: the plans that change something, and the statements that do it."""

    def __init__(self, unit: Unit, plans: Sequence[Plan], pks: dict[Target, int]) -> None:
        self._unit = unit
        self._plans = plans
        self._batch = Batch(unit.connection)
        self._pks = pks
        self._indexed: dict[int, Indexed] = {}
        self._previous: dict[int, Rows] = {}
        self._earlier: dict[Target, int | None] = {}

    def run(self) -> None:
        """Write everything."""
        self._number()
        for item in self._plans:
            self._derive(item)
        self._documents()
        self._lab_rows()
        self._index_rows()
        self._feed()
        self._batch.flush()
        self._check_deleted()
        self._check_compartment()

    def _number(self) -> None:
        """Give every plan its pk, change number, version and text; reserve a pk for targets that are still to come."""
        missing = self._resolve_targets()
        fresh = [item for item in self._plans if item.current is None and item.entry.pk is None]
        numbers = allocate(self._unit.connection, len(fresh) + len(missing), len(self._plans))
        pks, self._seqs, self._tx = numbers.pks, numbers.changes, numbers.tx
        self._now = self._unit.services.clock.now()
        self._registry = self._unit.services.parameters.agreed(self._unit.connection, numbers.stamp)
        for item, pk in zip(fresh, pks, strict=False):
            item.pk = pk
        for item in self._plans:
            item.pk = item.entry.pk or item.pk
            self._pks[item.key] = item.pk
            self._stamp(item)
        self._reserve(dict(zip(missing, pks[len(fresh) :], strict=True)))

    def _resolve_targets(self) -> list[Target]:
        here = {item.key for item in self._plans}
        wanted = {target for item in self._plans for target in item.targets.values()} - here - self._pks.keys()
        self._pks.update({key: pk for key, (pk, _) in rows_of(self._unit, wanted).items()})
        return sorted(wanted - self._pks.keys())

    def _stamp(self, item: Plan) -> None:
        before = item.current
        item.version = (before.version if before else 0) + 1
        # Two versions never share a time with their order reversed, whatever the clock does.
        item.last_updated = max(self._now, before.last_updated if before else 0)
        if item.resource is None:
            item.status, item.content = 204, None
            return
        item.status = 200 if item.live else 201
        item.resource = stamped(item.resource, item.id, item.version, item.last_updated)
        item.content = dumps(item.resource).decode()

    def _reserve(self, placeholders: dict[Target, int]) -> None:
        """Rows for targets that are loaded later, so that their pk is known now. Read as not found until then."""
        self._pks.update(placeholders)
        self._batch.insert(
            resource, ((pk, *key, 0, self._now, 0, "create", True, None) for key, pk in placeholders.items())
        )
        for (resource_type, _), pk in placeholders.items():
            table = LAB_TABLES.get(resource_type)
            if table is not None:
                self._batch.insert(table, [(pk, *_blank(resource_type))])

    def _derive(self, item: Plan) -> None:
        if item.resource is not None:
            self._indexed[item.pk] = self._rows_of(item.resource, item.pk)
        if item.live and item.current is not None and item.current.content is not None:
            before = parse(item.current.content)
            self._previous[item.pk] = self._rows_of(before, item.pk, known=False).rows

    def _rows_of(self, document: Resource, pk: int, *, known: bool = True) -> Indexed:
        if known:
            return derive(self._unit.services, self._registry, document, pk, lambda *target: self._pks.get(target))
        return derive(self._unit.services, self._registry, document, pk, lambda *target: self._known(target))

    def _known(self, target: Target) -> int | None:
        """What an earlier version referred to has a row still; only those not met yet need a look."""
        if target in self._pks:
            return self._pks[target]
        if target not in self._earlier:
            found = self._unit.connection.execute(
                select(resource.c.pk).where(resource.c.type == target[0], resource.c.id == target[1])
            ).scalar()
            self._earlier[target] = found
        return self._earlier[target]

    def _documents(self) -> None:
        new, updated, earlier = [], [], []
        for item, seq in zip(self._plans, self._seqs, strict=True):
            values = (item.version, item.last_updated, seq, _interaction(item), item.resource is None, item.content)
            before = item.current
            if before is None:
                new.append((item.pk, item.type, item.id, *values))
                continue
            updated.append((*values, item.pk))
            if before.version > 0:
                earlier.append(
                    (item.pk, before.version, before.last_updated, before.seq, seq, before.interaction, before.content)
                )
        self._batch.insert(resource, new)
        self._batch.insert(resource_history, earlier)
        self._batch.update(resource, DOCUMENT_COLUMNS, updated)

    def _lab_rows(self) -> None:
        for resource_type, table in LAB_TABLES.items():
            items = [item for item in self._plans if item.type == resource_type]
            if not items:
                continue
            exists = self._with_lab_row(table, items)
            kept = [item for item in items if item.resource is not None]
            rows = {item.pk: self._indexed[item.pk].lab or () for item in kept}
            self._batch.insert(table, ((pk, *row) for pk, row in rows.items() if pk not in exists))
            columns = LAB_COLUMNS[resource_type]
            self._batch.update(table, columns, ((*row, pk) for pk, row in rows.items() if pk in exists))
        for resource_type, table in reversed(LAB_TABLES.items()):
            gone = [item.pk for item in self._plans if item.type == resource_type and item.resource is None]
            if resource_type in CODING_TABLES:
                self._batch.delete(CODING_TABLES[resource_type], gone)
            if self._unit.services.settings.referential_integrity:
                self._batch.delete(table, gone)
            elif gone:  # others may still refer to the row: it stays, without content
                self._batch.update(table, LAB_COLUMNS[resource_type], ((*_blank(resource_type), pk) for pk in gone))

    def _with_lab_row(self, table: Table, items: Sequence[Plan]) -> set[int]:
        """The pks of those that have a row in the lab table already."""
        sure = {item.pk for item in items if item.entry.pk is not None or item.live or _reserved(item)}
        # A deleted resource kept its row if others could refer to it, which a setting of that time decided.
        deleted = [item.pk for item in items if item.current is not None and item.pk not in sure]
        if deleted:
            sure.update(self._unit.connection.scalars(select(table.c.pk).where(table.c.pk.in_(deleted))))
        return sure

    def _index_rows(self) -> None:
        inserts: Rows = {}
        for item in self._plans:
            before = self._previous.get(item.pk, {})
            after = self._indexed[item.pk].rows if item.pk in self._indexed else {}
            for table in differing(before, after):
                if before.get(table):
                    self._batch.delete(table, [item.pk])
                inserts.setdefault(table, []).extend(after.get(table, ()))
        for table, rows in inserts.items():
            self._batch.insert(table, rows)

    def _feed(self) -> None:
        unit, request_id = self._unit, self._unit.caller.request_id
        changes, audits = [], []
        for item, seq in zip(self._plans, self._seqs, strict=True):
            interaction = _interaction(item)
            changes.append(
                (
                    seq,
                    item.pk,
                    item.type,
                    item.id,
                    item.version,
                    interaction,
                    item.last_updated,
                    request_id,
                    unit.message_id,
                    self._tx,
                )
            )
            patient_pk = self._indexed[item.pk].patient_pk if item.pk in self._indexed else None
            audits.append(audit_row(unit, item, interaction, self._now, patient_pk))
        self._batch.insert(change, changes)
        self._batch.insert(outbox, ((seq,) for seq in self._seqs))
        self._batch.insert(audit_event, audits)

    def _check_deleted(self) -> None:
        gone = [item for item in self._plans if item.resource is None]
        if not gone or not self._unit.services.settings.referential_integrity:
            return
        names = {item.pk: item for item in gone}
        issues = []
        for pk, referrers in referrers_of(self._unit, list(names)).items():
            item = names[pk]
            issues.append(
                Issue(
                    "conflict",
                    f"{item.type}/{item.id} cannot be deleted: {', '.join(referrers)} refer to it.",
                    (item.entry.label,) if item.entry.label else (),
                )
            )
        if issues:
            raise Conflict(issues)

    def _check_compartment(self) -> None:
        for item in self._plans:
            permission: Permission = "c" if item.entry.method == "POST" else "u"
            if item.resource is not None and not self._unit.caller.access(item.type, permission).unrestricted:
                try:
                    check_access(self._unit, item.type, permission, item.pk)
                except Forbidden:
                    raise Forbidden.of(
                        f"Your scopes do not reach a {item.type} like this one; it must stay within them.",
                        *filter(None, [item.entry.label]),
                    ) from None


def _reserved(item: Plan) -> bool:
    return item.current is not None and item.current.version == 0


def _blank(resource_type: str) -> list[Any]:
    """The lab row of a resource without content."""
    return [NO_DATE if name == "sort_key" else None for name in LAB_COLUMNS[resource_type]]


def _interaction(item: Plan) -> str:
    if item.resource is None:
        return "delete"
    if item.entry.interaction is not None:
        return item.entry.interaction
    return {"POST": "create", "PATCH": "patch"}.get(item.entry.method, "update")
