"""Custom search parameters, and how far a rebuild of the index has come."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# SQLite keeps a table in key order only for a column declared INTEGER.
key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "search_parameter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("resource_pk", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_parameter"),
    )
    op.create_index("ix_search_parameter_resource_pk", "search_parameter", ["resource_pk"])
    op.create_table(
        "search_parameter_stamp",
        sa.Column("id", key, autoincrement=False, nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_parameter_stamp"),
    )
    op.create_table(
        "reindex_run",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("narrow", sa.Boolean(), nullable=False),
        sa.Column("after_pk", sa.BigInteger(), nullable=False),
        sa.Column("last_pk", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_reindex_run"),
    )


def downgrade() -> None:
    for table in ("reindex_run", "search_parameter_stamp", "search_parameter"):
        op.drop_table(table)
