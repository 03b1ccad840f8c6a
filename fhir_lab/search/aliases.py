"""Aliases of tables, made once and used again: making one of a wide table costs as much as running the statement.

Each use within one statement needs an alias of its own; `restart` begins the count anew before a statement is built.
"""

from functools import cache
from threading import local

from sqlalchemy import FromClause, Table

MOST = 1000  # far more than one statement uses of one table


class _Used(local):
    """How many aliases of each table the statement that this thread builds has used."""

    def __init__(self) -> None:
        self.of: dict[Table, int] = {}


_used = _Used()


def restart() -> None:
    """Begin another statement: its aliases may be those of earlier ones."""
    _used.of.clear()


def fresh(table: Table) -> FromClause:
    """An alias of the table that the statement being built has not used yet."""
    number = _used.of.get(table, 0)
    _used.of[table] = (number + 1) % MOST
    return _alias(table, number)


@cache
def _alias(table: Table, _number: int) -> FromClause:
    return table.alias()
