"""Who did what to which resource, written in the transaction that did it."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from fhir_lab.storage.tables.base import Key, Micros, metadata

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", Micros, nullable=False),
    Column("action", String(1), nullable=False),  # C | R | U | D | E, http://hl7.org/fhir/audit-event-action
    Column("interaction", String(20), nullable=False),
    Column("outcome", String(2), nullable=False),  # 0 | 4 | 8 | 12, http://hl7.org/fhir/audit-event-outcome
    Column("agent", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("resource_pk", Key),
    Column("type", String(40)),
    Column("resource_id", String(64)),
    Column("version", Integer),
    Column("patient_pk", Key),
    Index("ix_audit_event_at", "at"),
    Index("ix_audit_event_resource", "resource_pk", "at"),
    Index("ix_audit_event_patient", "patient_pk", "at"),
    Index("ix_audit_event_agent", "agent", "at"),
)
