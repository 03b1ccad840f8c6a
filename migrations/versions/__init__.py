"""One file per version of the schema, in plain Alembic operations that run on SQLite and on PostgreSQL."""
