"""The work of an export: types, one after the other, then what they refer to, then what was deleted.

A step reads one stretch of the snapshot, and stores its lines and the position after it in one transaction. Memory
holds one stretch. https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

import re
import time
from dataclasses import dataclass, field

from sqlalchemy import Connection

from fhir_lab.bulk.asked import Asked
from fhir_lab.bulk.members import members
from fhir_lab.bulk.output import Output
from fhir_lab.bulk.selections import Selections
from fhir_lab.clock import instant
from fhir_lab.documents import dumps, parse
from fhir_lab.interactions.subset import Cut, cut_of, reduced
from fhir_lab.search import snapshot
from fhir_lab.search.associated import present, provenances
from fhir_lab.search.compartment import judge
from fhir_lab.security import rights
from fhir_lab.services import Services
from fhir_lab.storage import job_lists, jobs, settled
from fhir_lab.storage.jobs import Job
from fhir_lab.storage.numbers import new_id
from fhir_lab.storage.repository import Version
from fhir_lab.storage.settled import Snapshot
from fhir_lab.storage.unit import Unit

SECOND = 1_000_000
LINES_AT_ONCE = 500
# A step that finds nothing goes on to the next pass, but not for longer than this.
STEP_SECONDS = 1.0
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pass:
    """One stretch of way: `what` is types, references or deleted."""

    what: str
    types: tuple[str, ...] = ()


@dataclass(slots=True)
class Found:
    """What a step adds: lines by (kind, type), resources to be added later, and those added now."""

    lines: dict[Key, list[bytes]] = field(default_factory=dict)
    wanted: set[Key] = field(default_factory=set)
    added: list[Key] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines or self.wanted or self.added)


class Export:
    """One worker's turn at one export."""

    def __init__(self, services: Services, held: Job) -> None:
        self._services = services
        self._held = held
        self._asked = Asked.from_json(held.parameters)
        self._caller = rights.load(held.caller, held.id)
        self._mark = held.mark
        position = held.position or {}
        self._at: tuple[int, int] | None = (position["pass"], position["after"]) if position else None
        self._groups: list[str] = position.get("groups", [])
        self._lines: int = position.get("lines", 0)
        self._patients: frozenset[str] | None = None
        self._passes: list[Pass] = []
        base = re.escape(services.settings.fhir_base + "/")
        shared = "|".join(self._asked.shared)
        self._refers = (
            re.compile(rf'"reference":"(?:{base})?({shared})/([A-Za-z0-9\-.]{{1,64}})[/"]') if shared else None
        )

    def step(self) -> bool:
        """Do the next stretch; False once nothing is left. Raises `JobLostError`."""
        if self._mark is None:
            self._mark = self._services.database.transact(self._take_mark)
        if self._at is None:
            self._services.database.transact(self._begin)
            self._at = (0, 0)
            return True
        self._look_up()
        until = time.monotonic() + STEP_SECONDS
        found = Found()
        number, after = self._at
        while number < len(self._passes) and not found and time.monotonic() < until:
            found, upto = self._read(self._passes[number], after)
            number, after = (number, upto) if upto is not None else (number + 1, 0)
        lines = self._lines + sum(len(lines) for (kind, _), lines in found.lines.items() if kind == "output")
        self._services.database.transact(lambda connection: self._store(connection, found, (number, after), lines))
        self._at, self._lines = (number, after), lines
        return number < len(self._passes)

    def _take_mark(self, connection: Connection) -> Snapshot:
        mark = settled.take(connection, self._services.clock)
        jobs.set_mark(connection, self._held, mark)
        return mark

    def _begin(self, connection: Connection) -> None:
        """Find out whom it is about, and tell what was left out."""
        assert self._mark is not None
        asked = self._asked
        unit = Unit(connection, self._caller, self._services)
        groups = [asked.group] if asked.group else []
        patients, self._groups = members(unit, self._mark, groups, [] if groups else list(asked.patients))
        if groups and asked.patients:
            patients = {pk: patient for pk, patient in patients.items() if patient in asked.patients}
        job_lists.add_patients(connection, self._held.id, patients)
        reported = [dumps(outcome) for outcome in asked.reported]
        self._write(connection, {("error", "OperationOutcome"): reported} if reported else {})
        self._hold(connection, (0, 0))

    def _look_up(self) -> None:
        """What each turn needs to know, once."""
        if self._patients is not None:
            return
        with self._services.database.read() as connection:
            self._patients = job_lists.patients(connection, self._held.id)
            chosen = self._selections(Unit(connection, self._caller, self._services))
            limited = [name for name in self._asked.types if chosen.limited(name)]
        whole = tuple(name for name in self._asked.types if name not in limited)
        self._passes = [Pass("types", whole)] if whole else []
        self._passes += [Pass("types", (name,)) for name in limited]
        self._passes.append(Pass("references"))
        if self._asked.since is not None:
            self._passes += [Pass("deleted", (name,)) for name in self._asked.types]

    def _selections(self, unit: Unit) -> Selections:
        assert self._patients is not None
        return Selections(unit, self._asked, self._held.id, self._patients, self._groups)

    def _read(self, this: Pass, after: int) -> tuple[Found, int | None]:
        """What a pass finds next, and how far it got; None when it is through."""
        assert self._mark is not None
        with self._services.database.read() as connection:
            unit = Unit(connection, self._caller, self._services)
            if this.what == "references":
                return self._references(unit)
            if after == 0 and not present(unit, this.types):
                return Found(), None
            if this.what == "deleted":
                wanted = self._selections(unit).of(this.types)
                keys, upto = snapshot.deleted(unit, self._mark, wanted, after, LINES_AT_ONCE)
                return Found({("deleted", "Bundle"): [self._deletion(keys)]} if keys else {}), upto
            wanted = self._selections(unit).of(this.types)
            part = snapshot.stretch(unit, self._mark, wanted, after, LINES_AT_ONCE)
            return self._found(unit, part.versions), part.upto

    def _references(self, unit: Unit) -> tuple[Found, int | None]:
        """What was referred to and is not there yet; it may refer to more, until nothing new turns up."""
        assert self._mark is not None
        keys = job_lists.references(unit.connection, self._held.id, LINES_AT_ONCE)
        if not keys:
            return Found(), None
        chosen = self._selections(unit)
        versions = snapshot.versions_of(unit, self._mark, keys)
        found = self._found(unit, [version for version in versions if self._is_meant(chosen, version)])
        found.added = keys
        return found, 0

    def _is_meant(self, chosen: Selections, version: Version) -> bool:
        asked = self._asked
        if asked.since is not None and version.last_updated <= asked.since:
            return False
        if asked.until is not None and version.last_updated > asked.until:
            return False
        document = parse(version.content or "")
        if version.type == "Device" and judge(self._services, "Device", None)(document):
            return False  # a patient's own, which is exported with the patient or not at all
        return chosen.takes(document)

    def _found(self, unit: Unit, versions: list[Version]) -> Found:
        found = Found()
        cuts: dict[str, Cut | None] = {}
        for version in versions:
            content = version.content or ""
            if version.type not in cuts:
                cuts[version.type] = self._cut(version.type)
            cut = cuts[version.type]
            line = reduced(content, cut) if cut else content.encode()
            found.lines.setdefault(("output", version.type), []).append(line)
            if self._refers is not None:
                found.wanted.update(self._refers.findall(content))
        told = [version.pk for version in versions if version.type != "Provenance"]
        if self._asked.provenance and told:
            latest = self._asked.provenance == "latest"
            found.wanted.update(("Provenance", each) for each in provenances(unit, told, latest=latest))
        return found

    def _cut(self, resource_type: str) -> Cut | None:
        names = self._asked.elements.get(resource_type)
        return cut_of([("_elements", names)], resource_type) if names else None

    def _deletion(self, keys: list[Key]) -> bytes:
        """A transaction Bundle that deletes these resources."""
        assert self._mark is not None
        entries = [{"request": {"method": "DELETE", "url": f"{kind}/{found}"}} for kind, found in keys]
        meta = {"lastUpdated": instant(self._mark.at)}
        return dumps({"resourceType": "Bundle", "id": new_id(), "meta": meta, "type": "transaction", "entry": entries})

    def _store(self, connection: Connection, found: Found, at: tuple[int, int], lines: int) -> None:
        self._hold(connection, at, lines)
        self._write(connection, found.lines)
        job_lists.add_references(connection, self._held.id, found.wanted)
        job_lists.added(connection, self._held.id, found.added)

    def _hold(self, connection: Connection, at: tuple[int, int], lines: int = 0) -> None:
        due = self._services.clock.now() + self._services.settings.job_lease_seconds * SECOND
        position = {"pass": at[0], "after": at[1], "groups": self._groups, "lines": lines}
        text = f"{lines:,} resources exported"
        jobs.hold(connection, self._held, due, position=dumps(position).decode(), progress=text)

    def _write(self, connection: Connection, lines: dict[Key, list[bytes]]) -> None:
        if lines:
            output = Output(connection, self._held.id, self._services.settings.export_file_lines)
            for (kind, resource_type), each in lines.items():
                output.write(kind, resource_type, each)
