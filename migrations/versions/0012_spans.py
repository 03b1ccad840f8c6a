"""Which dates overlap a window, for PostgreSQL: `date=ge..&date=lt..` without reading everything."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SPANS = {
    "service_request": "authored_high",
    "specimen": "collected_high",
    "observation": "effective_high",
    "diagnostic_report": "effective_high",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, high in SPANS.items():
            end = f"COALESCE({high}, sort_key)"
            span = f"int8range(LEAST(sort_key, {end}), GREATEST(sort_key, {end}), '[]')"
            op.execute(f"CREATE INDEX ix_{table}_span ON {table} USING gist ({span})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in SPANS:
            op.execute(f"DROP INDEX ix_{table}_span")
