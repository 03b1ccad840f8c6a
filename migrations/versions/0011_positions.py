"""Where a Location is, for `near`. Existing resources get their rows from `fhir-lab reindex`."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idx_position",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.Column("z", sa.Double(), nullable=False),
    )
    op.create_index("ix_idx_position_match", "idx_position", ["param", "z", "pk"])
    op.create_index("ix_idx_position_pk", "idx_position", ["pk", "param"])


def downgrade() -> None:
    op.drop_table("idx_position")
