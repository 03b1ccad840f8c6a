"""What the commands share: the settings, the services, where to print, and how to stop with a plain sentence."""

import gc
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fhir_lab.security.access import Caller
    from fhir_lab.services import Services
    from fhir_lab.settings import Settings


def settings() -> "Settings":
    """The settings in force; a wrong one ends the command and is named."""
    from pydantic import ValidationError

    from fhir_lab.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        for wrong in error.errors():
            name = "FHIR_LAB_" + "_".join(str(part) for part in wrong["loc"]).upper()
            print(f"{name}: {wrong['msg']} (found {wrong['input']!r})", file=sys.stderr)
        raise typer.Exit(2) from None


def listen(host: str, port: int) -> None:
    """Let this and other commands of the installation know where it is reached, unless the settings say it."""
    from fhir_lab.settings import ADDRESS_FILE

    found = settings()
    if found.url_is_chosen:
        return
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    found.var.mkdir(parents=True, exist_ok=True)
    (found.var / ADDRESS_FILE).write_text(f"http://{name}:{port}\n")


@contextmanager
def services(**changes: object) -> Iterator["Services"]:
    """The services of this installation, closed at the end; `changes` replace settings."""
    from fhir_lab.services import Services

    found = Services(settings().model_copy(update=changes))
    try:
        yield found
    finally:
        found.close()


def caller(command: str) -> "Caller":
    """The laboratory server itself, audited under the name of the command."""
    from fhir_lab.security.access import system

    return system(uuid.uuid4().hex, f"fhir-lab {command}")


def collect_less_often() -> None:
    """Let Python look for cyclic garbage after 50,000 new objects instead of 700.

    Parsing documents makes many objects and no cycles: loading took 15 % less processor time with it.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def need_schema(found: "Services") -> None:
    """Stop with what to do when the database has not been migrated."""
    from fhir_lab.storage import schema

    if not schema.is_current(found.database):
        fail("The database has no schema, or an old one. Run: fhir-lab migrate")


def console(*, stderr: bool = False) -> "Console":
    """Where to print tables and progress; plain text when the output is not a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def in_columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as plain text, one line per row however narrow the terminal: it can be read, cut and searched."""
    cells = [[str("" if cell is None else cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def fail(reason: str, code: int = 1) -> NoReturn:
    """End the command with a sentence on standard error."""
    print(reason, file=sys.stderr)
    raise typer.Exit(code)
