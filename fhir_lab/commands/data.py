"""`migrate`, `load`, `adopt`, `reindex`: the commands that change the database as a whole."""

import time
from pathlib import Path
from typing import Annotated

import typer

from fhir_lab.commands.common import caller, console, fail, need_schema, services


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (migrate, load, adopt, reindex):
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

    files = files_of(paths)
    if not files:
        fail("No .json or .ndjson file there.")
    with services(referential_integrity=False) if relaxed else services() as found:
        need_schema(found)
        loader = Loader(found, caller("load"))
        started = time.monotonic()
        refused = loader.load(files, console(stderr=True))
        seconds = time.monotonic() - started
    print(
        f"Loaded {loader.resources:,} resources from {len(files) - refused} of {len(files)} files "
        f"in {seconds:.1f} s ({loader.resources / max(seconds, 0.001):,.0f} resources/s)."
    )
    if refused:
        raise typer.Exit(1)


def adopt(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables to look at; by default every lab table.")] = None,
) -> None:
    """Turn rows that the laboratory's own SQL inserted into FHIR documents, with index and change rows."""
    from fhir_lab.storage.adopt import adopt as adopt_rows

    with services() as found:
        need_schema(found)
        adopted = adopt_rows(found, caller("adopt"), tables)
    for name, count in adopted.items():
        print(f"{name}: {count:,} rows adopted")


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
