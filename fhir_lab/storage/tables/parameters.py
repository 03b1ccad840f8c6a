"""Custom search parameters, and how far a rebuild of the index has come."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from fhir_lab.storage.tables.base import Key, metadata

# One row per type and code that a posted SearchParameter defines, and one per part of a composite.
search_parameter = Table(
    "search_parameter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # what index rows carry; never given out twice
    Column("resource_pk", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("state", String(8), nullable=False),  # waiting | answered | leaving | gone
    Index("ix_search_parameter_resource_pk", "resource_pk"),
)

# One row. Whoever changes `search_parameter` draws a new stamp, so that other processes notice.
search_parameter_stamp = Table(
    "search_parameter_stamp",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
    Column("last_id", Integer, nullable=False),
)

# A rebuild that is going on, or was stopped; it is over when its row is gone.
reindex_run = Table(
    "reindex_run",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("settings", Text, nullable=False),  # what the rows depend on beside the documents
    Column("types", Text, nullable=False),
    Column("parameters", Text, nullable=False),  # those that are answered when it is over
    Column("narrow", Boolean, nullable=False),  # only the rows of the parameter of the scope are made anew
    Column("after_pk", BigInteger, nullable=False),
    Column("last_pk", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
)
