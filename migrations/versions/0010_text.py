"""Full text search: the words of each resource. Existing resources get theirs from `fhir-lab reindex`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE idx_text USING fts5(narrative, content, tokenize = 'ascii')")
        return
    op.create_table(
        "idx_text",
        sa.Column("rowid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("narrative", postgresql.TSVECTOR()),
        sa.Column("content", postgresql.TSVECTOR()),
        sa.PrimaryKeyConstraint("rowid", name="pk_idx_text"),
    )
    op.create_index("ix_idx_text_content", "idx_text", ["content"], postgresql_using="gin")
    op.create_index(
        "ix_idx_text_narrative",
        "idx_text",
        ["narrative"],
        postgresql_using="gin",
        postgresql_where=sa.text("narrative IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("idx_text")
