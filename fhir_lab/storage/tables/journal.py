"""The message journal: raw bytes first, then what became of them. The queue of record of ingest."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from fhir_lab.storage.tables.base import Micros, metadata

message = Table(
    "message",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("file", Text, nullable=False),  # the name it arrived under, for people
    Column("file_hash", String(64), nullable=False),
    Column("ordinal", Integer, nullable=False),  # which message of the file, from 0
    Column("claim", String(36)),  # the watcher's token of the file: journals one claimed file once, whoever finds it
    Column("received", Micros, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("content_hash", String(64)),  # of the normalised message, for "the same message again"
    Column("sender", Text),
    Column("control_id", Text),
    Column("message_type", Text),
    Column("charset", Text),
    Column("state", String(12), nullable=False),  # received | processed | quarantined | failed | duplicate
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due", Micros),  # when the sweeper sends it again, and a lease ends; empty once it has ended
    Column("retries", Integer, nullable=False, server_default="0"),  # attempts that do not count as the message's fault
    Column("worker", Text),  # who has it now
    Column("obx_in", Integer, nullable=False, server_default="0"),
    Column("obx_stored", Integer, nullable=False, server_default="0"),
    Column("obx_quarantined", Integer, nullable=False, server_default="0"),
    Column("reasons", Text, nullable=False, server_default="[]"),  # JSON [{code, segment, field, found, ...}]
    Column("warnings", Text, nullable=False, server_default="[]"),  # JSON [what was odd, but did no harm]
    Column("unmapped", Text, nullable=False, server_default="[]"),  # JSON [segment or field kept but not mapped]
    Column("resources", Text, nullable=False, server_default="[]"),  # JSON [{reference, version}]
    Column("patient_identifier", Text),
    Column("order_number", Text),
    Column("duplicate_of", String(36)),
    Column("ended", Micros),
    Index("ix_message_due", "due"),
    Index("ix_message_state", "state", "id"),
    Index("ix_message_content", "content_hash"),
    Index("ix_message_control_id", "control_id", postgresql_using="hash"),
    Index("ix_message_patient_identifier", "patient_identifier", postgresql_using="hash"),
    Index("ix_message_order_number", "order_number", postgresql_using="hash"),
    Index("ix_message_file", "file_hash", "ordinal"),
    Index("uq_message_claim", "claim", "ordinal", unique=True),
)
