"""How `fhir-lab load` reads files and stores them: a transaction per Bundle, a progress bar, errors named per file."""

import bz2
import gzip
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fhir_lab.bulk.lines import entry_of
from fhir_lab.documents import parse
from fhir_lab.outcomes import BadRequest, FhirError, Unavailable
from fhir_lab.security.access import Caller
from fhir_lab.services import Services
from fhir_lab.storage.transaction import Entry, apply, entries_of
from fhir_lab.storage.unit import Unit

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import Connection

LINES_AT_ONCE = 500
ISSUES_SHOWN = 5
_COMPRESSED = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}
_KINDS = {".json", ".ndjson"}


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files to load, in order: named ones as given, those of a folder (and its folders) by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(file for file in sorted(path.rglob("*")) if file.is_file() and kind_of(file) in _KINDS)
        else:
            found.append(path)
    return found


def kind_of(file: Path) -> str:
    """`.json`, `.ndjson` or whatever the name ends in, compression aside."""
    inner = file.with_suffix("") if file.suffix in _COMPRESSED else file
    return inner.suffix


class Loader:
    """Stores files for one caller and counts the resources."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services = services
        self._caller = caller
        self.resources = 0

    def load(self, files: Sequence[Path], console: "Console") -> int:
        """Load the files, printing progress and what is refused; returns how many files were refused.

        Raises `Unavailable` when the database stops answering.
        """
        refused = 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[rate]}"), console=console, transient=True) as progress:
            task = progress.add_task("load", total=len(files), rate="")
            for file in files:
                progress.update(task, description=file.name[:40])
                try:
                    for entries in batches(file, self._services.settings.max_depth):
                        self._store(entries)
                        elapsed = progress.tasks[0].elapsed or 0.001
                        progress.update(task, rate=f"{self.resources / elapsed:,.0f} resources/s")
                except Unavailable:
                    raise
                except FhirError as error:
                    refused += 1
                    console.print(describe(file, error), markup=False, soft_wrap=True)
                progress.advance(task)
        return refused

    def _store(self, entries: list[Entry]) -> None:
        def work(connection: "Connection") -> None:
            apply(Unit(connection, self._caller, self._services), entries)

        self._services.database.transact(work)
        self.resources += len(entries)


def describe(file: Path, error: FhirError) -> str:
    """Why a file was refused, one line per issue."""
    lines = [
        f"{file}: {', '.join(issue.expression)}{': ' if issue.expression else ''}{issue.details}"
        for issue in error.issues[:ISSUES_SHOWN]
    ]
    if len(error.issues) > ISSUES_SHOWN:
        lines.append(f"{file}: and {len(error.issues) - ISSUES_SHOWN} more")
    return "\n".join(lines)


def batches(file: Path, max_depth: int) -> Iterator[list[Entry]]:
    """The entries of a file, one list per transaction. Raises `BadRequest` for what cannot be read."""
    try:
        with _opened(file) as stream:
            if kind_of(file) == ".ndjson":
                yield from _of_lines(stream, max_depth)
            else:
                yield _of_document(parse(stream.read(), max_depth))
    except (OSError, EOFError) as error:
        raise BadRequest.of(f"The file cannot be read: {error}.") from None


def _opened(file: Path) -> IO[bytes]:
    opener = _COMPRESSED.get(file.suffix)
    return cast("IO[bytes]", opener(file)) if opener else file.open("rb")


def _of_lines(stream: IO[bytes], max_depth: int) -> Iterator[list[Entry]]:
    lines = ((number, line) for number, line in enumerate(stream, 1) if line.strip())
    while chunk := list(islice(lines, LINES_AT_ONCE)):
        yield [entry_of(_parsed(line, number, max_depth), f"line {number}") for number, line in chunk]


def _parsed(line: bytes, number: int, max_depth: int) -> object:
    try:
        return parse(line, max_depth)
    except BadRequest as error:
        raise BadRequest.of(error.issues[0].details, f"line {number}") from None


def _of_document(document: object) -> list[Entry]:
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        return [entry_of(document, "")]
    kind = document.get("type")
    if kind == "transaction":
        return entries_of(document)
    if kind in ("collection", "searchset", "batch"):
        resources = [entry.get("resource") for entry in document.get("entry", [])]
        return [entry_of(found, f"Bundle.entry[{index}]") for index, found in enumerate(resources)]
    raise BadRequest.of(f"A Bundle of type '{kind}' cannot be loaded; a transaction can.", "Bundle.type")
