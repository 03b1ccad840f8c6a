"""What all tables share: one metadata with a naming convention, and the column types both databases know."""

from sqlalchemy import BigInteger, Connection, Integer, MetaData, Table, event

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite keeps a table in key order only for a column declared INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")
# Microseconds since 1970 in UTC.
Micros = BigInteger

# The sort key of a row that has no date: before every date, so last when the newest come first.
NO_DATE = -(2**62)


def spanned(table: Table, high: str) -> None:
    """Let PostgreSQL find the rows whose range from `sort_key` to `high` overlaps another: see `search.windows`.

    SQLite has no such index. It holds every row, for only then does the planner use what ANALYZE learns of the spans. A
    range that ends before it begins, which only the laboratory's own SQL could write, is the range between the two.
    """
    end = f"COALESCE({high}, sort_key)"
    span = f"int8range(LEAST(sort_key, {end}), GREATEST(sort_key, {end}), '[]')"
    statement = f"CREATE INDEX ix_{table.name}_span ON {table.name} USING gist ({span})"

    def create(_: Table, connection: Connection, **__: object) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(statement)

    event.listen(table, "after_create", create)


def correlated(table: Table, *columns: str) -> None:
    """Let PostgreSQL's planner know that these columns depend on each other, as a code does on its parameter.

    Without it the planner multiplies their frequencies and takes a common code for a rare one.
    """
    statement = f"CREATE STATISTICS st_{table.name} (mcv, dependencies) ON {', '.join(columns)} FROM {table.name}"

    def create(_: Table, connection: Connection, **__: object) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(statement)

    event.listen(table, "after_create", create)
