"""The sample data in the package: transaction Bundles of a fictitious laboratory, and ORU messages of its analyzers."""

import os
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from fhir_lab.documents import parse
from fhir_lab.outcomes import Gone, NotFound
from fhir_lab.security.access import Caller
from fhir_lab.services import Services
from fhir_lab.storage import journal, repository
from fhir_lab.storage.transaction import apply, entries_of
from fhir_lab.storage.unit import Unit

LABORATORY = ("Organization", "lindenhof-laboratory")
PATIENT = "amara-okoye"


def load(services: Services, caller: Caller) -> int:
    """Store the sample Bundles unless that was done before; returns the number of resources stored."""
    if _is_loaded(services, caller):
        return 0
    entries = [entry for file in _files("data", ".json") for entry in entries_of(parse(file.read_bytes()))]
    services.database.transact(lambda connection: apply(Unit(connection, caller, services), entries))
    return len(entries)


def _is_loaded(services: Services, caller: Caller) -> bool:
    with services.database.read() as connection:
        try:
            repository.read(Unit(connection, caller, services), *LABORATORY)
        except NotFound:
            return False
        except Gone:
            return True
    return True


def drop_messages(services: Services) -> list[str]:
    """Put the sample ORU messages that were never journaled into the inbox; returns their file names."""
    inbox = services.settings.inbox_folder
    with services.database.read() as connection:
        new = [
            file
            for file in _files("messages", ".hl7")
            if not journal.entries(connection, journal.Filter(file=file.name), limit=1)
        ]
    for file in new:
        _drop(file.read_bytes(), inbox / file.name)
    return [file.name for file in new]


def _drop(data: bytes, target: Path) -> None:
    """Write beside, then rename: the watcher sees the whole file or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, target)


def _files(folder: str, ending: str) -> list[Traversable]:
    found = resources.files("fhir_lab.sandbox").joinpath(folder).iterdir()
    return sorted((file for file in found if file.name.endswith(ending)), key=lambda file: file.name)
