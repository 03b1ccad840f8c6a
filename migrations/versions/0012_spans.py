"""Which dates overlap a window, for PostgreSQL: `date=ge..&date=lt..` without reading everything."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SPANS = {
    "service_request": ("authored_low", "authored_high"),
    "specimen": ("collected_low", "collected_high"),
    "observation": ("effective_low", "effective_high"),
    "diagnostic_report": ("effective_low", "effective_high"),
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, (low, high) in SPANS.items():
            span = f"int8range(LEAST({low}, {high}), GREATEST({low}, {high}), '[]')"
            op.execute(f"CREATE INDEX ix_{table}_span ON {table} USING gist ({span}) WHERE {low} IS NOT NULL")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in SPANS:
            op.execute(f"DROP INDEX ix_{table}_span")
