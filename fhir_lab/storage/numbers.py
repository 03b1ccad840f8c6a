"""Numbers that order the database: primary keys of resources and the sequence of changes. And ids for new resources."""

from typing import NamedTuple

from sqlalchemy import Connection, func, literal_column, select, text
from sqlalchemy.dialects.sqlite import insert
from uuid_utils import uuid7

from fhir_lab.storage.locks import HOLD_WRITING, PARAMETERS, lock_key
from fhir_lab.storage.tables.documents import change_seq, resource_pk, sequence
from fhir_lab.storage.tables.parameters import search_parameter_stamp

# Written out, because building and compiling the same with SQLAlchemy takes three times as long as running it. The
# transaction has its number before the changes have theirs; `marks` relies on it, and OFFSET 0 sees to it.
_ALLOCATE = text(
    f"SELECT ARRAY(SELECT nextval('{resource_pk.name}') FROM generate_series(1, :pks)), "
    f"ARRAY(SELECT nextval('{change_seq.name}') FROM generate_series(1, :changes) WHERE tx IS NOT NULL), tx, "
    f"CASE WHEN pg_try_advisory_xact_lock_shared({PARAMETERS}, {lock_key()}) "
    f"THEN COALESCE((SELECT stamp FROM {search_parameter_stamp.name}), 0) END "
    f"FROM (SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS tx, {HOLD_WRITING} OFFSET 0) AS own"
)
_STAMP = text(f"SELECT stamp FROM {search_parameter_stamp.name}")


class Numbers(NamedTuple):
    """Primary keys and change numbers, each list ascending, and `tx`, PostgreSQL's number of the transaction.

    `stamp` is that of the search parameters, which then stay as they are until the transaction ends; None when somebody
    else is just changing them. It comes along because a statement of its own would cost every write.
    """

    pks: list[int]
    changes: list[int]
    tx: int | None
    stamp: int | None


def new_id() -> str:
    """A time-ordered id (UUIDv7, RFC 9562), so that new rows land at the end of their index."""
    return str(uuid7())


def allocate(connection: Connection, pks: int, changes: int) -> Numbers:
    """Take this many new primary keys and change numbers.

    Whoever has change numbers is waited for by `locks.settle`, so read the clock after this: a snapshot
    (`settled.take`) then holds every change up to its time.
    """
    if connection.dialect.name == "sqlite":
        stamp = connection.execute(_STAMP).scalar() or 0
        return Numbers(_take(connection, "resource_pk", pks), _take(connection, "change", changes), None, stamp)
    taken = connection.execute(_ALLOCATE, {"pks": pks, "changes": changes}).one()
    return Numbers(sorted(taken[0]), sorted(taken[1]), taken[2], taken[3])


def pass_over(connection: Connection, pk: int) -> None:
    """Make sure that primary keys up to this one, which somebody chose, are never given out again."""
    if connection.dialect.name == "sqlite":
        given = insert(sequence).values(name="resource_pk", value=pk)
        higher = func.max(sequence.c.value, given.excluded.value)
        connection.execute(given.on_conflict_do_update(index_elements=["name"], set_={"value": higher}))
    elif connection.execute(select(literal_column("last_value")).select_from(text(resource_pk.name))).scalar_one() < pk:
        connection.execute(select(func.setval(resource_pk.name, pk)))


def _take(connection: Connection, name: str, count: int) -> list[int]:
    if not count:
        return []
    taken = connection.execute(
        insert(sequence)
        .values(name=name, value=count)
        .on_conflict_do_update(index_elements=["name"], set_={"value": sequence.c.value + count})
        .returning(sequence.c.value)
    ).scalar_one()
    return list(range(taken - count + 1, taken + 1))
