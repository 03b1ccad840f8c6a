"""`__explain=true`: how the database finds the matches, in its own words, as an issue beside the results."""

from typing import Any

from sqlalchemy import ClauseElement, Connection, Executable, Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from fhir_lab.outcomes import Issue

COMMANDS = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}


class _Explained(Executable, ClauseElement):
    """A statement of which the plan is asked."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Explained)
def _explained(element: _Explained, compiler: SQLCompiler, **options: Any) -> str:
    return COMMANDS[compiler.dialect.name] + compiler.process(element.statement, **options)


def explain(connection: Connection, statement: Select[Any]) -> Issue:
    """The plan of a statement; nothing is run."""
    rows = connection.execute(_Explained(statement))
    plan = "\n".join(str(row[-1]) for row in rows)
    return Issue("informational", "How the database finds the matches.", severity="information", diagnostics=plan)
