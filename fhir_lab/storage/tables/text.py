"""Full text: the words of each resource, in its narrative and in all of its texts, cut by `search.words`.

On PostgreSQL a table with two `tsvector`s, on SQLite an FTS5 table, whose key must be called `rowid`.
https://www.postgresql.org/docs/15/datatype-textsearch.html https://www.sqlite.org/fts5.html
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from fhir_lab.storage.tables.base import metadata

_WORDS = Text().with_variant(TSVECTOR(), "postgresql")

idx_text = Table(
    "idx_text",
    metadata,
    Column("rowid", BigInteger, primary_key=True, autoincrement=False, key="pk"),
    Column("narrative", _WORDS),  # empty for a resource without narrative
    Column("content", _WORDS),
    Index("ix_idx_text_content", "content", postgresql_using="gin").ddl_if(dialect="postgresql"),
    Index(
        "ix_idx_text_narrative", "narrative", postgresql_using="gin", postgresql_where=text("narrative IS NOT NULL")
    ).ddl_if(dialect="postgresql"),
)
# The words are cut and folded already: ASCII is what they are told apart by, anything else is part of a word.
VIRTUAL = "CREATE VIRTUAL TABLE idx_text USING fts5(narrative, content, tokenize = 'ascii')"
# What FTS5 keeps its index in.
SHADOWS = frozenset(f"idx_text_{part}" for part in ("data", "idx", "content", "docsize", "config"))


def is_virtual(connection: Connection, name: str | None) -> bool:
    """True for a table of FTS5, which has no columns to compare."""
    return connection.dialect.name == "sqlite" and name in {idx_text.name, *SHADOWS}


@compiles(CreateTable, "sqlite")
def _create(element: CreateTable, compiler: Any, **options: Any) -> str:
    return VIRTUAL if element.element is idx_text else compiler.visit_create_table(element, **options)
