"""Documents: the current version of each resource, earlier versions, the change feed and the outbox."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from fhir_lab.storage.tables.base import Key, Micros, metadata

# PostgreSQL numbers resources and changes from sequences; SQLite, which has none, from this table.
resource_pk = Sequence("resource_pk_seq", metadata=metadata)
change_seq = Sequence("change_seq", metadata=metadata)

sequence = Table(
    "sequence",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# A row with version 0 and no content reserves the pk of a resource that others refer to before it is loaded.
resource = Table(
    "resource",
    metadata,
    Column("pk", Key, primary_key=True, autoincrement=False),
    Column("type", String(40), nullable=False),
    Column("id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_updated", Micros, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("interaction", String(8), nullable=False),  # create | update | patch | delete
    Column("deleted", Boolean, nullable=False),
    Column("content", Text),
    UniqueConstraint("type", "id"),
    Index("ix_resource_type_last_updated", "type", "last_updated", "pk"),
)

resource_history = Table(
    "resource_history",
    metadata,
    Column("resource_pk", Key, ForeignKey("resource.pk"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("last_updated", Micros, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("superseded_seq", BigInteger, nullable=False),
    Column("interaction", String(8), nullable=False),
    Column("content", Text),
)

change = Table(
    "change",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=False),
    Column("resource_pk", BigInteger, nullable=False),
    Column("type", String(40), nullable=False),
    Column("id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("interaction", String(8), nullable=False),
    Column("at", Micros, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("message_id", String(36)),
    Column("tx", BigInteger),  # the transaction, by PostgreSQL's number; empty on SQLite, see `marks`
    Index("ix_change_resource_pk_version", "resource_pk", "version"),
    Index("ix_change_type_seq", "type", "seq"),
    Index("ix_change_tx", "tx"),
    Index("ix_change_type_at", "type", "at", "seq"),
    Index("ix_change_at", "at", "seq"),
)

# A change that subscriptions have not been matched against yet; the row goes once they have.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", Key, ForeignKey("change.seq"), primary_key=True, autoincrement=False),
)
