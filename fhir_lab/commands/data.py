"""`migrate`, `load`, `adopt`, `reindex`: the commands that change the database as a whole."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import caller, console, fail, need_schema, services

if TYPE_CHECKING:
    from fhir_lab.services import Services
    from fhir_lab.storage.adopt import adopt as adopt_rows
    from fhir_lab.storage.tables import LAB_TABLES
    from fhir_lab.storage.unit import Unit

    types = {table.name: resource_type for resource_type, table in LAB_TABLES.items()}
    if unknown := set(tables or ()) - types.keys():
        fail(f"{', '.join(sorted(unknown))}: no lab table; there are {', '.join(types)}.")
    with services() as found:
        need_schema(found)
        who = caller("adopt")

        def step(name: str, after: int) -> "Step":
            return found.database.transact(lambda c: adopt_rows(Unit(c, who, found), types[name], after))

        counts, refused = _adopt_all(step, [name for name in types if name in (tables or types)])
    for name, count in counts.items():
        print(f"{name}: {count:,} rows adopted")
    for row in refused:
        for issue in row.issues:
            print(f"{row.table} {row.pk} not adopted: {issue.details}", file=sys.stderr)
    if refused:
        raise typer.Exit(1)


def _adopt_all(step: "Callable[[str, int], Step]", tables: list[str]) -> "tuple[dict[str, int], list[Refused]]":
    """Go through the tables until nothing more can be adopted: a row may wait for one further down."""
    counts = dict.fromkeys(tables, 0)
    while True:
        refused, adopted = [], 0
        for name in tables:
            last: int | None = 0
            while last is not None:
                done = step(name, last)
                counts[name] += done.adopted
                adopted += done.adopted
                refused += done.refused
                last = done.last
        if not adopted or not refused:
            return counts, refused


def reindex() -> None:
    """Rebuild the search index and the lab tables of every resource from its document."""
    from rich.progress import Progress

    from fhir_lab.storage.reindex import count
    from fhir_lab.storage.reindex import reindex as rebuild
    from fhir_lab.storage.unit import Unit

    with services() as found:
        need_schema(found)
        who = caller("reindex")
        with found.database.read() as connection:
            total = count(Unit(connection, who, found))

        def next_pks(after: int) -> list[int]:
            return found.database.transact(lambda connection: rebuild(Unit(connection, who, found), after))

        rebuilt, pks = 0, next_pks(0)
        with Progress(console=console(stderr=True), transient=True) as progress:
            task = progress.add_task("reindex", total=total)
            while pks:
                rebuilt += len(pks)
                progress.update(task, completed=rebuilt)
                pks = next_pks(pks[-1])
    print(f"Reindexed {rebuilt:,} resources.")
