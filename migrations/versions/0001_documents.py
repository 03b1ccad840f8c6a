"""Documents: current versions, history, the change feed and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite keeps a table in key order only for a column declared INTEGER.
key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("resource_pk_seq")))
        op.execute(sa.schema.CreateSequence(sa.Sequence("change_seq")))
    op.create_table(
        "sequence",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sequence"),
    )
    op.create_table(
        "resource",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("interaction", sa.String(length=8), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name="pk_resource"),
        sa.UniqueConstraint("type", "id", name="uq_resource_type_id"),
    )
    op.create_index("ix_resource_type_last_updated", "resource", ["type", "last_updated", "pk"])
    op.create_table(
        "resource_history",
        sa.Column("resource_pk", key, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_updated", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("superseded_seq", sa.BigInteger(), nullable=False),
        sa.Column("interaction", sa.String(length=8), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["resource_pk"], ["resource.pk"], name="fk_resource_history_resource_pk"),
        sa.PrimaryKeyConstraint("resource_pk", "version", name="pk_resource_history"),
    )
    op.create_table(
        "change",
        sa.Column("seq", key, autoincrement=False, nullable=False),
        sa.Column("resource_pk", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("interaction", sa.String(length=8), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_change"),
    )
    op.create_index("ix_change_at", "change", ["at", "seq"])
    op.create_index("ix_change_resource_pk_version", "change", ["resource_pk", "version"])
    op.create_index("ix_change_type_at", "change", ["type", "at", "seq"])
    op.create_table(
        "outbox",
        sa.Column("seq", key, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["change.seq"], name="fk_outbox_seq"),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
    )


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("change")
    op.drop_table("resource_history")
    op.drop_table("resource")
    op.drop_table("sequence")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence("change_seq")))
        op.execute(sa.schema.DropSequence(sa.Sequence("resource_pk_seq")))
