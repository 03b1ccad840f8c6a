"""The search index: one narrow table for each kind of value."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idx_token",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
    )
    op.create_index("ix_idx_token_match", "idx_token", ["param", "code", "system", "pk"])
    op.create_index("ix_idx_token_pk", "idx_token", ["pk", "param"])
    op.create_table(
        "idx_string",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("norm", sa.Text(), nullable=False),
        sa.Column("exact", sa.Text(), nullable=False),
    )
    op.create_index(
        "ix_idx_string_match", "idx_string", ["param", "norm", "pk"], postgresql_ops={"norm": "text_pattern_ops"}
    )
    op.create_index("ix_idx_string_pk", "idx_string", ["pk", "param"])
    op.create_table(
        "idx_date",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_idx_date_match", "idx_date", ["param", "low", "pk"])
    op.create_index("ix_idx_date_high", "idx_date", ["param", "high", "pk"])
    op.create_index("ix_idx_date_pk", "idx_date", ["pk", "param"])
    op.create_table(
        "idx_number",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
    )
    op.create_index("ix_idx_number_match", "idx_number", ["param", "value", "pk"])
    op.create_index("ix_idx_number_pk", "idx_number", ["pk", "param"])
    op.create_table(
        "idx_quantity",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("canonical_low", sa.Double(), nullable=True),
        sa.Column("canonical_value", sa.Double(), nullable=True),
        sa.Column("canonical_high", sa.Double(), nullable=True),
        sa.Column("canonical_unit", sa.Text(), nullable=True),
    )
    op.create_index("ix_idx_quantity_canonical", "idx_quantity", ["param", "canonical_unit", "canonical_value", "pk"])
    op.create_index("ix_idx_quantity_match", "idx_quantity", ["param", "value", "pk"])
    op.create_index("ix_idx_quantity_pk", "idx_quantity", ["pk", "param"])
    op.create_table(
        "idx_reference",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("target_pk", sa.BigInteger(), nullable=True),
        sa.Column("target_type", sa.String(length=40), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("identifier_system", sa.Text(), nullable=False),
        sa.Column("identifier_value", sa.Text(), nullable=False),
    )
    op.create_index("ix_idx_reference_match", "idx_reference", ["param", "target_pk", "pk"])
    op.create_index("ix_idx_reference_pk", "idx_reference", ["pk", "param"])
    op.create_index("ix_idx_reference_target", "idx_reference", ["target_pk"])
    op.create_index("ix_idx_reference_url", "idx_reference", ["param", "url", "pk"])
    op.create_table(
        "idx_uri",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_index(
        "ix_idx_uri_match", "idx_uri", ["param", "value", "pk"], postgresql_ops={"value": "text_pattern_ops"}
    )
    op.create_index("ix_idx_uri_pk", "idx_uri", ["pk", "param"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE STATISTICS st_idx_token (mcv, dependencies) ON param, code, system FROM idx_token")


def downgrade() -> None:
    op.drop_table("idx_uri")
    op.drop_table("idx_reference")
    op.drop_table("idx_quantity")
    op.drop_table("idx_number")
    op.drop_table("idx_date")
    op.drop_table("idx_string")
    op.drop_table("idx_token")
