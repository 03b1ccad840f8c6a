"""`migrate`, `load` and `adopt`: commands that change the database as a whole."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import caller, collect_less_often, console, fail, need_schema, services

if TYPE_CHECKING:
    from fhir_lab.storage.adopt import Refused, Step


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (migrate, load, adopt):
        app.command()(command)


def migrate() -> None:
    """Create or upgrade the database schema."""
    from fhir_lab.storage import schema

    with services() as found:
        done = schema.upgrade(found.database)
        where = found.database.url.render_as_string(hide_password=True)
        print(f"{where}: {'migrated to' if done else 'already at'} {schema.head()}")


def load(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders: .json or .ndjson, also as .gz or .bz2.", exists=True)
    ],
    relaxed: Annotated[
        bool, typer.Option("--relaxed", help="Accept references to resources that come later, or never.")
    ] = False,
) -> None:
    """Load transaction Bundles (.json) and resources line by line (.ndjson).

    A Bundle is stored as a whole or not at all; NDJSON in steps of 500 lines. The files of a folder are taken in the
    order of their names. A file that is refused is named with the reason, the others are loaded, the exit code is 1.
    """
    from fhir_lab.commands.loading import Loader, files_of
    from fhir_lab.storage.server import gather_statistics

    files = files_of(paths)
    if not files:
        fail("No .json or .ndjson file there.")
    with services(referential_integrity=False) if relaxed else services() as found:
        need_schema(found)
        collect_less_often()
        loader = Loader(found, caller("load"))
        started = time.monotonic()
        refused = loader.load(files, console(stderr=True))
        seconds = time.monotonic() - started
        gather_statistics(found.database)
    print(
        f"Loaded {loader.resources:,} resources from {len(files) - refused} of {len(files)} files "
        f"in {seconds:.1f} s ({loader.resources / max(seconds, 0.001):,.0f} resources/s)."
    )
    if refused:
        raise typer.Exit(1)


def adopt(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables to look at; by default every lab table.")] = None,
) -> None:
    """Turn rows that the laboratory's own SQL inserted into FHIR documents, with index and change rows.

    A row that cannot be a valid document stays as it is and is named with the reason; the exit code is 1 then.
    """
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
