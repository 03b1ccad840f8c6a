"""The work of an import: fetch each file, then store its lines in batches through the one door for writes.

A batch is stored together with how far the import is. Where a batch is refused its lines are stored one by one, and
each that is refused becomes an OperationOutcome that names its line. References may lead to lines that come later;
what nothing came for is told at the end.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from fhir_lab.bulk import fetch
from fhir_lab.bulk.lines import entry_of
from fhir_lab.bulk.output import Output
from fhir_lab.documents import dumps, parse
from fhir_lab.interactions.subset import is_subset
from fhir_lab.outcomes import BadRequest, FhirError, Issue, Unavailable, operation_outcome
from fhir_lab.security import rights
from fhir_lab.services import Services
from fhir_lab.storage import job_files, job_lists, jobs
from fhir_lab.storage.job_files import File
from fhir_lab.storage.jobs import Job
from fhir_lab.storage.references import references
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit

SECOND = 1_000_000
LINES_AT_ONCE = 200
MOST_MISSING = 10_000
Numbered = tuple[int, bytes]  # the number of a line, from 1, and its text


@dataclass(slots=True)
class Place:
    """How far an import is: files fetched, then file, part and line; `stored` and `refused` count per file."""

    fetched: int = 0
    file: int = 0
    part: int = 0
    line: int = 0  # lines of the file that are done
    in_part: int = 0
    stored: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def as_json(self) -> str:
        """For the position of the job."""
        return dumps({name: getattr(self, name) for name in self.__slots__}).decode()


class Import:
    """One worker's turn at one import."""

    def __init__(self, services: Services, held: Job) -> None:
        self._services = services
        self._held = held
        self._inputs: list[dict[str, Any]] = held.parameters["input"]
        self._caller = rights.load(held.caller, held.id)
        self._place = Place(
            **(held.position or {"stored": [0] * len(self._inputs), "refused": [0] * len(self._inputs)})
        )
        self._relaxed = _relaxed(services)
        self._lines: list[bytes] | None = None

    def step(self) -> bool:
        """Fetch the next file, or store the next lines; False once nothing is left. Raises `JobLostError`."""
        place = self._place
        if place.fetched < len(self._inputs):
            self._fetch(place.fetched)
        elif place.file < len(self._inputs):
            self._store_next()
        else:
            self._services.database.transact(self._tell)
            return False
        return True

    def _fetch(self, index: int) -> None:
        url = self._inputs[index].get("url")
        if url is not None:
            # A file that was fetched in part, by a worker that died, is fetched again.
            self._services.database.transact(lambda connection: self._drop(connection, index))
            file = self._file(index)
            with fetch.opened(url, self._services.settings) as pieces:
                for lines in pieces:
                    file = self._services.database.transact(partial(self._keep, file=file, lines=lines))
        self._place.fetched = index + 1
        self._services.database.transact(self._hold)

    def _drop(self, connection: Connection, index: int) -> None:
        self._hold(connection)
        job_files.drop(connection, self._held.id, index + 1)

    def _keep(self, connection: Connection, file: File, lines: list[bytes]) -> File:
        self._hold(connection)
        return job_files.append(connection, self._held.id, file, lines)

    def _file(self, index: int) -> File:
        given = self._inputs[index]
        return File(index + 1, "input", given.get("type") or "", given.get("url"))

    def _store_next(self) -> None:
        place = self._place
        with self._services.database.read() as connection:
            found = {file.number: file for file in job_files.files(connection, self._held.id)}
            file = found.get(place.file + 1)
            if self._lines is None and file is not None and place.part < file.parts:
                self._lines = job_files.part(connection, self._held.id, file, place.part).split(b"\n")[:-1]
        if self._lines is None:
            place.file, place.part, place.line, place.in_part = place.file + 1, 0, 0, 0
            self._services.database.transact(self._hold)
            return
        batch = self._batch(self._lines[place.in_part :])
        if batch:
            self._store(batch)
        else:
            place.part, place.in_part, self._lines = place.part + 1, 0, None
            self._services.database.transact(self._hold)

    def _batch(self, lines: list[bytes]) -> list[Numbered]:
        return [(self._place.line + number, line) for number, line in enumerate(lines[:LINES_AT_ONCE], 1)]

    def _store(self, batch: list[Numbered]) -> None:
        try:
            entries = list(self._entries(batch))
            if len({(entry.type, entry.id or entry.label) for entry in entries}) < len(entries):
                raise BadRequest.of("A resource comes twice.")
            self._services.database.transact(lambda connection: self._apply(connection, entries, len(batch)))
            self._after(len(entries), 0, len(batch))
        except Unavailable:
            raise
        except FhirError as refused:
            if len(batch) > 1:
                for numbered in batch:
                    self._store([numbered])
                return
            issues = refused.placed(f"line {batch[0][0]}").issues
            self._services.database.transact(lambda connection: self._refuse(connection, issues))
            self._after(0, 1, 1)
        self._services.queue.match()

    def _after(self, stored: int, refused: int, done: int) -> None:
        """Remember what was committed."""
        place = self._place
        place.stored[place.file] += stored
        place.refused[place.file] += refused
        place.line, place.in_part = place.line + done, place.in_part + done

    def _entries(self, batch: list[Numbered]) -> Iterator[Entry]:
        wanted = self._inputs[self._place.file].get("type")
        for number, line in batch:
            if not line.strip():
                continue
            label = f"line {number}"
            try:
                entry = entry_of(parse(line, self._services.settings.max_depth), label)
            except FhirError as error:
                raise error.placed(label) from None
            if wanted and entry.type != wanted:
                raise BadRequest.of(f"The line holds {entry.type[:64]}; the input is said to hold {wanted}.", label)
            if entry.resource is not None and is_subset(entry.resource):
                raise BadRequest.of("The resource is tagged SUBSETTED; storing a part would lose the rest.", label)
            yield entry

    def _apply(self, connection: Connection, entries: list[Entry], done: int) -> None:
        self._hold(connection, stored=len(entries), done=done)
        locator = self._services.locator
        targets = (locator.local(each) for entry in entries for each in references(entry.resource))
        job_lists.add_references(connection, self._held.id, {target for target in targets if target})
        if entries:
            apply(Unit(connection, self._caller, self._relaxed), entries)

    def _refuse(self, connection: Connection, issues: list[Issue]) -> None:
        self._hold(connection, refused=1, done=1)
        self._write(connection, "error", [operation_outcome(issues)], self._place.file)

    def _write(self, connection: Connection, kind: str, outcomes: list[dict[str, Any]], index: int) -> None:
        output = Output(connection, self._held.id, self._services.settings.export_file_lines)
        lines = [dumps(outcome) for outcome in outcomes]
        output.write(kind, "OperationOutcome", lines, self._inputs[index].get("url"))

    def _tell(self, connection: Connection) -> None:
        """What became of each file, and what is still missing."""
        self._hold(connection)
        place = self._place
        for index, _ in enumerate(self._inputs):
            text = f"{place.stored[index]} resources are stored, {place.refused[index]} lines were refused."
            told = operation_outcome([Issue("informational", text, severity="information")])
            self._write(connection, "output", [told], index)
        missing = job_lists.missing(connection, self._held.id, MOST_MISSING)
        outcomes = [operation_outcome([_missing(*target)]) for target in missing]
        if outcomes:
            output = Output(connection, self._held.id, self._services.settings.export_file_lines)
            output.write("error", "OperationOutcome", [dumps(outcome) for outcome in outcomes])

    def _hold(self, connection: Connection, *, stored: int = 0, refused: int = 0, done: int = 0) -> None:
        """Renew the lease and store the place as it is after what this transaction does."""
        place = Place(**{name: copy(getattr(self._place, name)) for name in Place.__slots__})
        if done:
            place.stored[place.file] += stored
            place.refused[place.file] += refused
            place.line, place.in_part = place.line + done, place.in_part + done
        due = self._services.clock.now() + self._services.settings.job_lease_seconds * SECOND
        progress = f"{sum(place.stored):,} resources stored, {sum(place.refused):,} lines refused"
        jobs.hold(connection, self._held, due, position=place.as_json(), progress=progress)


def _relaxed(services: Services) -> Services:
    """The same services, but a reference may lead to what is still to come."""
    for shared in ("database", "registry", "locator", "validator", "write_hooks", "queue"):
        getattr(services, shared)
    found = copy(services)
    found.settings = services.settings.model_copy(update={"referential_integrity": False})
    return found


def _missing(resource_type: str, resource_id: str) -> Issue:
    text = f"The import refers to {resource_type}/{resource_id}, which does not exist."
    return Issue("not-found", text, severity="warning")
