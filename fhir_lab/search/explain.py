"""`__explain=true`: how the database finds the matches, in its own words, as an issue beside the results."""

from typing import Any

from sqlalchemy import Connection, Select

from fhir_lab.outcomes import Issue

COMMANDS = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}


def explain(connection: Connection, statement: Select[Any]) -> Issue:
    """The plan of a statement; nothing is run."""
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    values: Any = compiled.params
    if compiled.positional and compiled.positiontup is not None:
        values = tuple(compiled.params[name] for name in compiled.positiontup)
    rows = connection.exec_driver_sql(COMMANDS[dialect.name] + str(compiled), values)
    plan = "\n".join(str(row[-1]) for row in rows)
    return Issue("informational", "How the database finds the matches.", severity="information", diagnostics=plan)
