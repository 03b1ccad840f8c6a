"""`reindex`: rebuild the search index from the documents, while the server goes on serving."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import caller, collect_less_often, console, fail, need_schema, services
from fhir_lab.outcomes import nearest

if TYPE_CHECKING:
    from fhir_lab.services import Services
    from fhir_lab.storage.reindex import Scope


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reindex)


def reindex(
    resource_type: Annotated[str, typer.Option("--type", help="Only the resources of this type.")] = "",
    parameter: Annotated[
        str, typer.Option("--parameter", help="Only the search parameter with this canonical URL.")
    ] = "",
) -> None:
    """Rebuild the search index and the lab tables of every resource from its document.

    It makes posted SearchParameters usable, and takes the rows of deleted ones away. The server may go on serving; a
    run that was stopped goes on where it was when the same command is given again.
    """
    from fhir_lab.storage.reindex import Scope, purge, waiting
    from fhir_lab.storage.unit import Unit

    with services() as found:
        need_schema(found)
        types = found.registry.types
        if resource_type and resource_type not in types:
            fail(f"'{resource_type}' is not a resource type of FHIR R4.{nearest(resource_type, types)}")
        if resource_type and parameter:
            fail("Give --type or --parameter, not both.")
        collect_less_often()
        done = _run(found, Scope(resource_type, parameter))
        who = caller("reindex")
        while found.database.transact(lambda connection: purge(Unit(connection, who, found))):
            pass
        with found.database.read() as connection:
            left = waiting(connection)
    print(f"Reindexed {done:,} resources.")
    for url in left:
        print(f"Still to be indexed: {url}. Run: fhir-lab reindex --parameter {url}")


def _run(found: "Services", scope: "Scope") -> int:
    """Go through the resources of a scope with a progress bar; how many there were."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fhir_lab.storage.reindex import begin, step
    from fhir_lab.storage.unit import Unit

    who = caller("reindex")
    at = found.database.transact(lambda connection: begin(Unit(connection, who, found), scope))
    if at.resumed:
        print(f"Going on after {at.done:,} of {at.total:,} resources.")
    started, before = time.monotonic(), at.done
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reindex", total=at.total, completed=at.done, rate="")
        while True:
            following = found.database.transact(lambda connection: step(Unit(connection, who, found), scope))
            if following is None:
                return at.done
            at = following
            rate = f"{(at.done - before) / max(time.monotonic() - started, 0.001):,.0f}/s"
            bar.update(task, completed=at.done, total=max(at.total, at.done), rate=rate)
