"""Subscription state and the numbered notifications that wait, are delivered, or gave up."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, text

from fhir_lab.storage.tables.base import Key, Micros, metadata

subscription_state = Table(
    "subscription_state",
    metadata,
    Column("pk", Key, ForeignKey("resource.pk"), primary_key=True, autoincrement=False),
    Column("status", String(10), nullable=False),  # requested | active | error | off
    Column("since", Micros, nullable=False),  # when this status began
    Column("activated", Micros),  # when it began to be told of changes; empty: none are recorded for it
    Column("criteria", Text, nullable=False),  # Type?query
    Column("ends", Micros),  # Subscription.end
    Column("caller", Text, nullable=False),  # JSON: whose rights its notifications have
    Column("events", BigInteger, nullable=False, server_default="0"),  # numbered so far, delivered or not
    Column("due", Micros),  # the next delivery, or the end of the running one's lease; empty: nothing waits
    Column("worker", Text),  # who delivers now
    Column("error", Text),
    Index("ix_subscription_state_status", "status"),
    Index("ix_subscription_state_due", "due"),
)

_WAITING = text("state = 'waiting'")

notification = Table(
    "notification",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("subscription_pk", BigInteger, ForeignKey("subscription_state.pk"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),  # the change it tells of
    Column("focus", String(110), nullable=False),  # Type/id
    Column("version", Integer, nullable=False),
    Column("interaction", String(8), nullable=False),
    Column("created", Micros, nullable=False),
    Column("state", String(10), nullable=False),  # waiting | delivered | dead
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("ended", Micros),  # when it was delivered or given up
    Column("error", Text),
    Index("uq_notification_number", "subscription_pk", "number", unique=True),
    Index("uq_notification_seq", "subscription_pk", "seq", unique=True),
    Index("ix_notification_waiting", "subscription_pk", "number", postgresql_where=_WAITING, sqlite_where=_WAITING),
)
