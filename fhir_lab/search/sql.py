"""Text compared by code point on both databases, so that prefixes use an index and every page has one order.

PostgreSQL's usual operators follow the database's collation; its pattern operators and the collation "C" do not.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Integer, Text, TypeDecorator, and_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

LAST_CHARACTER = "\U0010ffff"
SHORT = 50


class _Test(FunctionElement[Any]):
    """A condition. Were it a Boolean, SQLAlchemy would write `= 1` after it on SQLite, and no index could be used."""

    type = Integer()
    inherit_cache = True


class _NotBefore(_Test):
    name = "not_before"
    inherit_cache = True


class _Before(_Test):
    name = "before"
    inherit_cache = True


class ByCodePoint(FunctionElement[str]):
    """A text expression to sort and compare by code point."""

    type = Text()
    name = "by_code_point"
    inherit_cache = True


def starts_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """True for text that begins with `prefix`; an index on the column is used."""
    return and_(_NotBefore(column, prefix), _Before(column, prefix + LAST_CHARACTER))


class _Values(TypeDecorator[Sequence[Any]]):
    """A list of texts or integers as one bound value: an array in PostgreSQL, JSON in SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, of_texts: bool) -> None:
        super().__init__()
        self.of_texts = of_texts

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(Text if self.of_texts else BigInteger))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        return list(value or ()) if dialect.name == "postgresql" else json.dumps(value)


class _Among(_Test):
    name = "among"
    inherit_cache = True


def among(column: ColumnElement[Any], values: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
    """True for a row whose column has one of the values; a long list is one bound value, so any length will do.

    An index on the column is used either way.
    """
    if len(values) <= SHORT:
        return column.in_(values) if len(values) != 1 else column == values[0]
    return _Among(column, bindparam(None, list(values), _Values(isinstance(values[0], str))))


class _HasWords(_Test):
    name = "has_words"
    inherit_cache = True


def has_words(column: ColumnElement[Any], tsquery: ColumnElement[str], fts5: ColumnElement[str]) -> ColumnElement[bool]:
    """True for words that satisfy a query, which is given in the language of each database."""
    return _HasWords(column, tsquery, fts5)


@compiles(_HasWords, "postgresql")
def _has_words_postgresql(element: _HasWords, compiler: SQLCompiler, **options: Any) -> str:
    column, tsquery, _ = element.clauses
    return f"{compiler.process(column, **options)} @@ CAST({compiler.process(tsquery, **options)} AS tsquery)"


@compiles(_HasWords, "sqlite")
def _has_words_sqlite(element: _HasWords, compiler: SQLCompiler, **options: Any) -> str:
    column, _, fts5 = element.clauses
    return f"{compiler.process(column, **options)} MATCH {compiler.process(fts5, **options)}"


def _sides(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(_NotBefore)
def _not_before(element: _NotBefore, compiler: SQLCompiler, **options: Any) -> str:
    return " >= ".join(_sides(element, compiler, **options))


@compiles(_NotBefore, "postgresql")
def _not_before_postgresql(element: _NotBefore, compiler: SQLCompiler, **options: Any) -> str:
    return " ~>=~ ".join(_sides(element, compiler, **options))


@compiles(_Before)
def _before(element: _Before, compiler: SQLCompiler, **options: Any) -> str:
    return " < ".join(_sides(element, compiler, **options))


@compiles(_Before, "postgresql")
def _before_postgresql(element: _Before, compiler: SQLCompiler, **options: Any) -> str:
    return " ~<~ ".join(_sides(element, compiler, **options))


@compiles(ByCodePoint)
def _plain(element: ByCodePoint, compiler: SQLCompiler, **options: Any) -> str:
    return _sides(element, compiler, **options)[0]


@compiles(ByCodePoint, "postgresql")
def _collated(element: ByCodePoint, compiler: SQLCompiler, **options: Any) -> str:
    return f'({_sides(element, compiler, **options)[0]} COLLATE "C")'


@compiles(_Among)
def _among(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _sides(element, compiler, **options)
    # Without the hint SQLite multiplies the codes of a list by the rows that a frequent code has, and scans.
    return f"likelihood({column} IN (SELECT value FROM json_each({values})), 0.001)"


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = _sides(element, compiler, **options)
    return f"{column} = ANY ({values})"
