"""`python -m tests.support.stress`: writers and pagers in processes of their own, on SQLite and on PostgreSQL.

Each pager writes down what a walk showed and the mark of its first page. Afterwards the change feed and the history,
which lose nothing, tell what matched at that mark: the walk must have shown exactly that, each version once.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import func, select

from fhir_lab.documents import parse
from fhir_lab.search import parse as reading
from fhir_lab.search.match import matches
from fhir_lab.search.paging import unseal
from fhir_lab.search.run import search
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import marks, schema
from fhir_lab.storage.history import history
from fhir_lab.storage.marks import Mark
from fhir_lab.storage.tables import change, resource, resource_history
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit
from tests.support import databases
from tests.support.finding import UCUM, observation, patient
from tests.support.private_servers import PrivateServers

SECRET = "stress-secret-stress-secret-stress"
NAMES = 120
QUERIES = ("", "status=final", "code=a", "code:not=b", "date=ge2020-01-03", "value-quantity=gt3", "patient=p1")
SORTS = ("", "-date", "date,_id", "status,-date", "-value-quantity", "_lastUpdated", "-_lastUpdated", "patient,code")
Line = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Walk:
    """What a client saw: the lines of all pages, the totals they told, and the mark of the first page."""

    query: str
    mark: Mark
    lines: list[Line]
    totals: set[int | None]


@dataclass(slots=True)
class Report:
    """How much was done, and which walks were wrong."""

    writes: int = 0
    walks: int = 0
    pages: int = 0
    wrong: list[str] = field(default_factory=list)


def services_on(url: str) -> Services:
    """Services as every process of the run makes them; page links of one are good in the other."""
    return Services(Settings(_env_file=None, database_url=url, secret_key=SECRET))


def _document(rng: random.Random) -> dict[str, Any]:
    return observation(
        f"o{rng.randrange(NAMES)}",
        of=rng.choice(["p0", "p1", "p2"]),
        code=rng.choice("abc"),
        status=rng.choice(["final", "amended"]),
        effectiveDateTime=f"2020-01-{rng.randrange(1, 8):02}",
        valueQuantity={"value": rng.randrange(8), "system": UCUM, "code": "mmol/L"},
        note=[{"text": str(rng.random())}],
    )


_together: list[Any] = []  # the barrier of this process


def _wait_for(barrier: Any) -> None:
    _together.append(barrier)


def write(url: str, seed: int, seconds: float) -> int:
    """Insert, change, delete and undelete, several at once, for so long; how many transactions that were."""
    services, rng, done = services_on(url), random.Random(seed), 0
    until = _begin(services) + seconds
    slow = services.database.dialect == "postgresql"

    def work(connection: Any) -> None:
        found = {document["id"]: document for document in (_document(rng) for _ in range(rng.choice([1, 1, 1, 4])))}
        gone = {name for name in found if rng.random() < 0.25}
        entries = [Entry("DELETE", "Observation", id=name) for name in sorted(gone)]
        entries += [Entry("PUT", "Observation", id=name, resource=found[name]) for name in sorted(found.keys() - gone)]
        apply(Unit(connection, system("stress"), services), entries)
        if slow and rng.random() < 0.3:  # commits in another order than it took its numbers
            time.sleep(rng.random() / 50)

    while time.time() < until:
        services.database.transact(work)
        done += 1
        time.sleep(rng.random() / 100)
    services.close()
    return done


def _begin(services: Services) -> float:
    """The time at which all processes are ready."""
    services.registry.of("Observation")
    with services.database.read() as connection:
        connection.execute(select(1))
    for barrier in _together:
        barrier.wait(120)
    return time.time()


def page(url: str, seed: int, seconds: float) -> tuple[list[Walk], list[Walk]]:
    """Walk searches and histories for so long."""
    services, rng = services_on(url), random.Random(seed)
    until = _begin(services) + seconds
    searches: list[Walk] = []
    histories: list[Walk] = []
    while time.time() < until:
        if rng.random() < 0.8:
            sort = rng.choice(SORTS)
            query = "&".join(filter(None, [rng.choice(QUERIES), f"_sort={sort}" if sort else "", "_count=7"]))
            walk = _walk(services, query, rng)
            searches += [walk] if walk else []
        else:
            histories.append(_walk_history(services, until))
    services.close()
    return searches, histories


def _walk(services: Services, query: str, rng: random.Random) -> Walk | None:
    """Forward to the end, now and then a page back and forth; None when all is on one page, which has no mark."""
    lines: list[Line] = []
    totals: set[int | None] = set()
    following: str | None = query
    mark = None
    while following:
        time.sleep(rng.random() / 50)
        with services.database.read() as connection:
            unit = Unit(connection, system("stress"), services)
            found = search(unit, "Observation", parse_qsl(following))
            here = [(version.id, version.version) for version in found.matches]
            if found.previous_query and rng.random() < 0.2:
                before = search(unit, "Observation", parse_qsl(found.previous_query))
                assert [(version.id, version.version) for version in before.matches] == lines[-7:]
            lines += here
            totals.add(found.total)
            following = found.next_query
            if following and mark is None:
                asked = reading.parse(services, "Observation", parse_qsl(following))
                position = unseal(unit, asked, len(asked.sort) + 1)
                mark = position.mark if position else None
    return Walk(query, mark, lines, totals) if mark else None


def _walk_history(services: Services, until: float) -> Walk:
    """The newest pages of a type's history, until its end or the end of the run; the mark is in its cursors."""
    lines: list[Line] = []
    cursor, mark, totals = None, Mark(0, 0), set()
    for _ in range(40):
        with services.database.read() as connection:
            unit = Unit(connection, system("stress"), services)
            found = history(unit, "Observation", None, count=25, cursor=cursor)
        lines += [(version.id, version.version) for version in found.versions]
        totals.add(found.total)
        cursor = found.next
        if cursor is None or time.time() > until:
            break
        _, _, seq, *running = map(int, cursor.split("."))
        mark = Mark(seq, 0, tuple(running))
    return Walk("" if cursor is None else "cut", mark, lines, totals)


def run(url: str, seconds: float, writers: int = 2, pagers: int = 2) -> Report:
    """Let them meet, then judge every walk."""
    services = services_on(url)
    schema.upgrade(services.database)
    people = [Entry("PUT", "Patient", id=f"p{n}", resource=patient(f"p{n}")) for n in range(3)]
    services.database.transact(lambda connection: apply(Unit(connection, system("stress"), services), people))
    write(url, 99, 1)
    report, context, count = Report(), get_context("spawn"), writers + pagers
    with ProcessPoolExecutor(count, context, initializer=_wait_for, initargs=(context.Barrier(count),)) as pool:
        writing = [pool.submit(write, url, seed, seconds) for seed in range(writers)]
        paging = [pool.submit(page, url, seed, seconds) for seed in range(pagers)]
        report.writes = sum(each.result() for each in writing)
        walks = [each.result() for each in paging]
    with services.database.read() as connection:
        unit = Unit(connection, system("stress"), services)
        for searches, histories in walks:
            for walk in searches:
                _judge(report, walk, _matched(unit, walk))
            for walk in histories:
                if walk.query != "cut" and walk.mark.seq:
                    _judge(report, walk, _written(unit, walk.mark))
    services.close()
    return report


def _judge(report: Report, walk: Walk, expected: list[Line]) -> None:
    report.walks += 1
    report.pages += len(walk.lines) // 7 + 1
    if Counter(walk.lines) != Counter(expected):
        extra, missing = Counter(walk.lines) - Counter(expected), Counter(expected) - Counter(walk.lines)
        report.wrong.append(f"{walk.query} {walk.mark}: shown besides {dict(extra)}, left out {dict(missing)}")
    if walk.totals != {len(expected)}:
        report.wrong.append(f"{walk.query} {walk.mark}: totals {walk.totals} of {len(expected)}")


def _written(unit: Unit, mark: Mark) -> list[Line]:
    rows = unit.connection.execute(
        select(change.c.id, change.c.version).where(change.c.type == "Observation", marks.by_then(mark))
    )
    return [(name, version) for name, version in rows]


def _matched(unit: Unit, walk: Walk) -> list[Line]:
    """The newest version that could be seen of each resource, where it satisfies the query."""
    latest = (
        select(change.c.resource_pk, func.max(change.c.version).label("version"))
        .where(change.c.type == "Observation", marks.by_then(walk.mark))
        .group_by(change.c.resource_pk)
        .subquery()
    )
    current = select(resource.c.id, resource.c.version, resource.c.content).join(
        latest, (latest.c.resource_pk == resource.c.pk) & (latest.c.version == resource.c.version)
    )
    past = (
        select(resource.c.id, resource_history.c.version, resource_history.c.content)
        .join(resource, resource.c.pk == resource_history.c.resource_pk)
        .join(
            latest,
            (latest.c.resource_pk == resource_history.c.resource_pk) & (latest.c.version == resource_history.c.version),
        )
    )
    rows = unit.connection.execute(current.union_all(past))
    return [
        (name, version)
        for name, version, content in rows
        if content is not None and matches(unit, parse(content), "Observation", walk.query)
    ]


def main() -> None:
    """Both databases in turn; ends with an error when a walk was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.stress")
    parser.add_argument("--seconds", type=float, default=60, help="how long writers and pagers meet (default: 60)")
    seconds = parser.parse_args().seconds
    with ExitStack() as stack:
        servers = PrivateServers()
        stack.callback(servers.stop)
        databases.find_all(servers)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fhir-lab-stress-"))
        urls = [f"sqlite:///{Path(folder) / 'stress.db'}"]
        if "PostgreSQL" not in databases.missing():
            urls.append(stack.enter_context(databases.new_database()))
        for url in urls:
            found = run(url, seconds)
            name = url.partition(":")[0]
            print(
                f"{name}: {found.writes} writes, {found.walks} walks of {found.pages} pages, {len(found.wrong)} wrong"
            )
            print("\n".join(found.wrong[:10]))
            if found.wrong or not found.walks:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
