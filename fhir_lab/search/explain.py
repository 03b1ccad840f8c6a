"""`__explain=true`: how the matches are found, in words first and then in those of the database, beside the results."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Executable, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from fhir_lab.outcomes import Issue
from fhir_lab.search.columns import ANSWERED, DateColumn
from fhir_lab.search.plan import flattened, leader
from fhir_lab.search.sets import NOTHING, ONE_ROW, Rows, Set, Without
from fhir_lab.search.tree import And, Chain, Criterion, Has, Missing, Not, Or, Query, SortKey
from fhir_lab.storage.tables import CODING_TABLES, LAB_TABLES

COMMANDS = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}
# The sets of one type of a search, those of its criteria first, in their order.
Asked = tuple[Query, Sequence[Set]]


class _Explained(Executable, ClauseElement):
    """A statement of which the plan is asked."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Explained)
def _explained(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return COMMANDS[compiler.dialect.name] + compiler.process(element.statement, **options)


def explain(connection: Connection, asked: Sequence[Asked], statement: Select[Any]) -> Issue:
    """The plan of a statement; nothing is run."""
    rows = connection.execute(_Explained(statement))
    plan = "\n".join(str(row[-1]) for row in rows)
    words = " ".join(sentence for query, sets in asked for sentence in _told(query, sets))
    return Issue("informational", f"How the matches are found. {words}", severity="information", diagnostics=plan)


def _told(query: Query, sets: Sequence[Set]) -> Iterator[str]:
    leading, patients = leader(flattened(sets))
    names = [_name(criterion) for criterion in query.criteria]
    if NOTHING in flattened(sets):
        yield f"{query.type}: what one of the parameters names is not stored, so nothing is looked for."
        return
    leads = next((found for found in sets if any(part is leading for part in flattened([found]))), None)
    if leads is None:
        yield f"{query.type}: all resources of the type are gone through."
    for position, found in enumerate(sets):
        name = names[position] if position < len(names) else "what your scopes reach"
        if found is leads:
            yield f"{query.type}: {name} leads, as {_source(leading)}."
        elif found is patients:
            yield f"{name} is tested on the same rows, which repeat the patient."
        else:
            yield f"{name} {_followed(found)}."
    yield from _order(query, leading)


def _source(found: Set) -> str:
    if isinstance(found, Rows):
        by = "" if found.alive else f", by what their {found.key} points to"
        return f"the rows of {found.table.name} that satisfy it{by}"
    return f"a list put together from {_tables(found)}"


def _followed(found: Set) -> str:
    if isinstance(found, Rows) and found.alive and found.table in ONE_ROW:
        return f"is tested on the resource's one row of {found.table.name}"
    if isinstance(found, Without):
        return f"is asked of each row that is left: it must have no row in {_tables(found.excluded)}"
    return f"is asked of each row that is left, in {_tables(found)}"


def _tables(found: Set) -> str:
    return ", ".join(sorted(set(_names(found)))) or "nothing"


def _names(found: Set) -> Iterator[str]:
    if isinstance(found, Rows):
        yield found.table.name
    elif isinstance(found, Without):
        yield from _names(found.excluded)
    else:
        for part in found.sets:
            yield from _names(part)


def _name(criterion: Criterion) -> str:
    if isinstance(criterion, Not):
        return f"not ({_name(criterion.criterion)})"
    if isinstance(criterion, And | Or):
        word = " and " if isinstance(criterion, And) else " or "
        return f"({word.join(dict.fromkeys(map(_name, criterion.criteria)))})"
    if isinstance(criterion, Has):
        return f"'_has:{criterion.source}:{criterion.parameter.code}'"
    if isinstance(criterion, Chain):
        return f"'{criterion.parameter.code}:{'|'.join(name for name, _ in criterion.targets)}.'"
    modifier = "missing" if isinstance(criterion, Missing) else criterion.modifier
    return f"'{criterion.parameter.code}{':' if modifier else ''}{modifier}'"


def _order(query: Query, leading: Set) -> Iterator[str]:
    if not query.sort:
        yield "In the order in which they were stored."
        return
    first = query.sort[0]
    column = ANSWERED.get((query.type, first.parameter.code))
    in_order = isinstance(column, DateColumn) and column.sort is not None and isinstance(leading, Rows)
    if in_order and isinstance(leading, Rows) and leading.table in (*CODING_TABLES.values(), *LAB_TABLES.values()):
        yield f"The leading rows have '{first.parameter.code}' in them, so that an index may give them in order."
        return
    yield f"Sorted by {', '.join(map(_sorted_by, query.sort))}."


def _sorted_by(key: SortKey) -> str:
    code = key.parameter.code
    if code in ("_id", "_lastUpdated") or (key.parameter.type, code) in ANSWERED:
        return f"'{code}', a column of the resource's row"
    return f"'{code}', looked up for each match"
