"""What SQLite's planner should expect of the index tables, which it cannot guess and nobody measures for it.

PostgreSQL gathers statistics by itself; SQLite has none until somebody runs ANALYZE, and until then takes `param = ?`
for as selective as `pk = ?`: a composite search took 120 ms that takes 12 with these. They are the shape of a
laboratory's data: rows in the index, then rows per distinct value of its first column, of its first two, and so on.
https://www.sqlite.org/fileformat2.html#stat1tab
"""

from sqlalchemy import Connection, MetaData, event

from fhir_lab.storage.tables.base import metadata

_CODINGS = {
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
        for name, estimate in _CODINGS.items()
    },
    "ix_resource_type_last_updated": "1000000 100000 5 1",
    "sqlite_autoindex_resource_1": "1000000 100000 1",
}


def _estimate(_: MetaData, connection: Connection, **__: object) -> None:
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("ANALYZE sqlite_schema")  # makes sqlite_stat1
    tables = connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'")
    rows = [(table, index, ESTIMATES[index]) for index, table in tables if index in ESTIMATES]
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)


event.listen(metadata, "after_create", _estimate)
