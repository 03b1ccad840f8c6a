"""The message journal, subscriptions and their notifications, users, and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# SQLite keeps a table in key order only for a column declared INTEGER.
key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("control_id", sa.Text(), nullable=True),
        sa.Column("message_type", sa.Text(), nullable=True),
        sa.Column("charset", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("obx_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("obx_stored", sa.Integer(), server_default="0", nullable=False),
        sa.Column("obx_quarantined", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reasons", sa.Text(), server_default="[]", nullable=False),
        sa.Column("warnings", sa.Text(), server_default="[]", nullable=False),
        sa.Column("unmapped", sa.Text(), server_default="[]", nullable=False),
        sa.Column("resources", sa.Text(), server_default="[]", nullable=False),
        sa.Column("patient_identifier", sa.Text(), nullable=True),
        sa.Column("order_number", sa.Text(), nullable=True),
        sa.Column("duplicate_of", sa.String(length=36), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
    )
    op.create_index("ix_message_content", "message", ["content_hash"])
    op.create_index("ix_message_control_id", "message", ["control_id"], postgresql_using="hash")
    op.create_index("ix_message_due", "message", ["due"])
    op.create_index("ix_message_file", "message", ["file_hash", "ordinal"])
    op.create_index("ix_message_order_number", "message", ["order_number"], postgresql_using="hash")
    op.create_index("ix_message_patient_identifier", "message", ["patient_identifier"], postgresql_using="hash")
    op.create_index("ix_message_state", "message", ["state", "id"])
    op.create_index("uq_message_claim", "message", ["claim", "ordinal"], unique=True)
    op.create_table(
        "subscription_state",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("activated", sa.BigInteger(), nullable=True),
        sa.Column("criteria", sa.Text(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["pk"], ["resource.pk"], name="fk_subscription_state_pk"),
        sa.PrimaryKeyConstraint("pk", name="pk_subscription_state"),
    )
    op.create_index("ix_subscription_state_due", "subscription_state", ["due"])
    op.create_index("ix_subscription_state_status", "subscription_state", ["status"])
    op.create_table(
        "notification",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("subscription_pk", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("focus", sa.String(length=110), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("interaction", sa.String(length=8), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["subscription_pk"], ["subscription_state.pk"], name="fk_notification_subscription_pk"),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
    )
    op.create_index(
        "ix_notification_waiting",
        "notification",
        ["subscription_pk", "number"],
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index("uq_notification_number", "notification", ["subscription_pk", "number"], unique=True)
    op.create_index("uq_notification_seq", "notification", ["subscription_pk", "seq"], unique=True)
    op.create_table(
        "app_user",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=True),
        sa.Column("fhir_user", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_app_user"),
        sa.UniqueConstraint("name", name="uq_app_user_name"),
    )
    op.create_table(
        "audit_event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=1), nullable=False),
        sa.Column("interaction", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=2), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("resource_pk", key, nullable=True),
        sa.Column("type", sa.String(length=40), nullable=True),
        sa.Column("resource_id", sa.String(length=64), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("patient_pk", key, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_agent", "audit_event", ["agent", "at"])
    op.create_index("ix_audit_event_at", "audit_event", ["at"])
    op.create_index("ix_audit_event_patient", "audit_event", ["patient_pk", "at"])
    op.create_index("ix_audit_event_resource", "audit_event", ["resource_pk", "at"])


def downgrade() -> None:
    op.drop_table("audit_event")
    op.drop_table("app_user")
    op.drop_table("notification")
    op.drop_table("subscription_state")
    op.drop_table("message")
