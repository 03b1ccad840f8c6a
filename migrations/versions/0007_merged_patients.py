"""The patient that a patient was merged into."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("patient") as patient:
        patient.add_column(sa.Column("replaced_by_pk", sa.BigInteger(), nullable=True))
        patient.create_foreign_key(
            "fk_patient_replaced_by_pk", "patient", ["replaced_by_pk"], ["pk"], deferrable=True, initially="DEFERRED"
        )
    op.create_index("ix_patient_replaced_by_pk", "patient", ["replaced_by_pk"])


def downgrade() -> None:
    op.drop_index("ix_patient_replaced_by_pk", "patient")
    with op.batch_alter_table("patient") as patient:
        patient.drop_constraint("fk_patient_replaced_by_pk", type_="foreignkey")
        patient.drop_column("replaced_by_pk")
