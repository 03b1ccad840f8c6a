"""Which transaction wrote each change, so that a page can leave out what was written after the first one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("change", sa.Column("tx", sa.BigInteger()))
    op.create_index("ix_change_type_seq", "change", ["type", "seq"])
    op.create_index("ix_change_tx", "change", ["tx"])


def downgrade() -> None:
    op.drop_index("ix_change_tx", "change")
    op.drop_index("ix_change_type_seq", "change")
    op.drop_column("change", "tx")
