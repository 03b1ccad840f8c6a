"""Text compared by code point on both databases, so that prefixes use an index and every page has one order.

PostgreSQL's usual operators follow the database's collation; its pattern operators and the collation "C" do not.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, and_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

LAST_CHARACTER = "\U0010ffff"


class _NotBefore(FunctionElement[bool]):
    type = Boolean()
    name = "not_before"
    inherit_cache = True


class _Before(FunctionElement[bool]):
    type = Boolean()
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
