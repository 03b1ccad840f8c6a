"""The search index: narrow rows keyed by a parameter id, which implies the resource type, and the resource's pk.

`grp` numbers the repeated element a value came from (0: not repeated), so that composites match within one element.
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, SmallInteger, String, Table, Text

from fhir_lab.storage.tables.base import Micros, correlated, metadata


def _keys() -> list[Column[int]]:
    return [
        Column("param", Integer, nullable=False),
        Column("pk", BigInteger, nullable=False),
        Column("grp", SmallInteger, nullable=False),
    ]


# `system` is '' for a value without one; `code` is '' for a Coding that has only a system.
idx_token = Table(
    "idx_token",
    metadata,
    *_keys(),
    Column("system", Text, nullable=False),
    Column("code", Text, nullable=False),
    Index("ix_idx_token_match", "param", "code", "system", "pk"),
    Index("ix_idx_token_pk", "pk", "param"),
)

correlated(idx_token, "param", "code", "system")

# `norm`: lower case, accents removed, white space folded. `exact`: as written.
idx_string = Table(
    "idx_string",
    metadata,
    *_keys(),
    Column("norm", Text, nullable=False),
    Column("exact", Text, nullable=False),
    Index("ix_idx_string_match", "param", "norm", "pk", postgresql_ops={"norm": "text_pattern_ops"}),
    Index("ix_idx_string_pk", "pk", "param"),
)

# Half-open [low, high) in microseconds UTC.
idx_date = Table(
    "idx_date",
    metadata,
    *_keys(),
    Column("low", Micros, nullable=False),
    Column("high", Micros, nullable=False),
    Index("ix_idx_date_match", "param", "low", "pk"),
    Index("ix_idx_date_high", "param", "high", "pk"),
    Index("ix_idx_date_pk", "pk", "param"),
)

# [low, high) is the range the written precision implies.
idx_number = Table(
    "idx_number",
    metadata,
    *_keys(),
    Column("value", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Index("ix_idx_number_match", "param", "value", "pk"),
    Index("ix_idx_number_pk", "pk", "param"),
)

# The comparator of a stored quantity makes its range open: `<5` is [-infinity, 5).
idx_quantity = Table(
    "idx_quantity",
    metadata,
    *_keys(),
    Column("value", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("system", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("canonical_low", Double),
    Column("canonical_value", Double),
    Column("canonical_high", Double),
    Column("canonical_unit", Text),
    Index("ix_idx_quantity_match", "param", "value", "pk"),
    Index("ix_idx_quantity_canonical", "param", "canonical_unit", "canonical_value", "pk"),
    Index("ix_idx_quantity_pk", "pk", "param"),
)

# A local target has `target_pk`; any other (absolute URL, canonical, urn) has `url`; an identifier has its two parts.
idx_reference = Table(
    "idx_reference",
    metadata,
    *_keys(),
    Column("target_pk", BigInteger),
    Column("target_type", String(40), nullable=False),
    Column("url", Text, nullable=False),
    Column("identifier_system", Text, nullable=False),
    Column("identifier_value", Text, nullable=False),
    Index("ix_idx_reference_match", "param", "target_pk", "pk"),
    Index("ix_idx_reference_target", "target_pk"),
    Index("ix_idx_reference_url", "param", "url", "pk"),
    Index("ix_idx_reference_pk", "pk", "param"),
)

# A point of the unit sphere; see `search.kinds.position`.
idx_position = Table(
    "idx_position",
    metadata,
    *_keys(),
    Column("x", Double, nullable=False),
    Column("y", Double, nullable=False),
    Column("z", Double, nullable=False),
    Index("ix_idx_position_match", "param", "z", "pk"),
    Index("ix_idx_position_pk", "pk", "param"),
)

idx_uri = Table(
    "idx_uri",
    metadata,
    *_keys(),
    Column("value", Text, nullable=False),
    Index("ix_idx_uri_match", "param", "value", "pk", postgresql_ops={"value": "text_pattern_ops"}),
    Index("ix_idx_uri_pk", "pk", "param"),
)
