"""What SQLite's planner should expect of the index tables; see `fhir_lab.storage.tables.estimates`."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CODINGS = {
    "patient": "1000000 100 50 5 5 1 1",
    "match": "1000000 500000 2000 2000 1 1",
    "pk": "1000000 2 1",
}
ESTIMATES: dict[str, str] = {
    "ix_idx_token_match": "2000000 20000 20 20 1",
    "ix_idx_token_pk": "2000000 8 2",
    "ix_idx_string_match": "1000000 20000 20 1",
    "ix_idx_string_pk": "1000000 8 2",
    "ix_idx_date_match": "500000 20000 5 1",
    "ix_idx_date_high": "500000 20000 5 1",
    "ix_idx_date_pk": "500000 3 1",
    "ix_idx_number_match": "100000 20000 20 1",
    "ix_idx_number_pk": "100000 3 2",
    "ix_idx_quantity_match": "1000000 200000 50 1",
    "ix_idx_quantity_canonical": "1000000 200000 20000 50 1",
    "ix_idx_quantity_pk": "1000000 3 2",
    "ix_idx_reference_match": "1000000 20000 20 1",
    "ix_idx_reference_target": "1000000 100",
    "ix_idx_reference_url": "1000000 20000 10000 1",
    "ix_idx_reference_pk": "1000000 4 2",
    "ix_idx_uri_match": "100000 2000 5 1",
    "ix_idx_uri_pk": "100000 3 2",
    **{
        f"ix_{table}_coding_{name}": estimate
        for table in ("service_request", "observation", "diagnostic_report")
        for name, estimate in CODINGS.items()
    },
    "ix_resource_type_last_updated": "1000000 100000 5 1",
    "sqlite_autoindex_resource_1": "1000000 100000 1",
}


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("ANALYZE sqlite_schema")
    tables = connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'")
    rows = [(table, index, ESTIMATES[index]) for index, table in tables if index in ESTIMATES]
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DELETE FROM sqlite_stat1")
