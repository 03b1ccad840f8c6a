"""`doctor`: check an installation, line by line, and say what to do about what is wrong."""

import platform
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from fhir_lab.commands.common import console, services

if TYPE_CHECKING:
    from fhir_lab.services import Services

OLDEST = {"sqlite": (3, 35), "postgresql": (13,)}
LARGEST_CLOCK_DIFFERENCE = 2_000_000  # microseconds
LONGEST_WAIT = 5 * 60 * 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing: `remedy` is empty when it is in order, else what to do."""

    subject: str
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor() -> None:
    """Check the installation; exit code 1 when something is wrong."""
    with services() as found:
        findings = list(examine(found))
    out = console()
    for finding in findings:
        mark = "[red]wrong[/red]" if finding.remedy else "[green]ok[/green]   "
        out.print(mark, end=" ")
        out.print(f"{finding.subject:11} {finding.found}", markup=False, soft_wrap=True)
        if finding.remedy:
            out.print(f"{'':17} -> {finding.remedy}", markup=False, soft_wrap=True)
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


def examine(found: "Services") -> Iterator[Finding]:
    """Every check, in the order in which they depend on each other."""
    yield versions()
    yield public_url(found)
    reachable = database(found)
    yield reachable
    if not reachable.remedy:
        yield clock(found)
        migrated = schema(found)
        yield migrated
        if not migrated.remedy:
            yield backlog(found)
    yield keys(found)
    yield folders(found)
    yield from broker(found)
    yield from locks(found)


def versions() -> Finding:
    """The programs underneath."""
    from importlib.metadata import version

    return Finding("versions", f"fhir-lab {version('fhir-lab')}, Python {platform.python_version()}")


def public_url(found: "Services") -> Finding:
    """How clients reach the server."""
    url = found.settings.public_url
    local = url.startswith("https://") or any(host in url for host in ("//127.0.0.1", "//localhost", "//[::1]"))
    remedy = "Tokens and results travel in the clear: put a TLS proxy in front and set FHIR_LAB_PUBLIC_URL to https."
    return Finding("public url", url, "" if local else remedy)


def database(found: "Services") -> Finding:
    """The database answers, and is new enough."""
    from fhir_lab.outcomes import Unavailable
    from fhir_lab.storage import server

    where = found.database.url.render_as_string(hide_password=True)
    try:
        version = server.version(found.database)
    except Unavailable as error:
        cause = str(getattr(error.__cause__, "orig", error)).strip().splitlines()[0]
        return Finding("database", f"{where}: {cause}", "Start it, or correct FHIR_LAB_DATABASE_URL.")
    oldest = OLDEST[found.database.dialect]
    old = tuple(int(part) for part in re.findall(r"\d+", version)) < oldest
    remedy = f"{'.'.join(map(str, oldest))} or newer is needed." if old else ""
    return Finding("database", f"{where}, version {version}", remedy)


def clock(found: "Services") -> Finding:
    """This machine and the database's agree on the time."""
    from fhir_lab.clock import instant
    from fhir_lab.storage import server

    now, theirs = found.clock.now(), server.clock(found.database)
    if theirs is None:
        return Finding("clock", instant(now))
    apart = abs(theirs - now)
    remedy = "Let both machines keep the time with NTP." if apart > LARGEST_CLOCK_DIFFERENCE else ""
    return Finding("clock", f"{instant(now)}, {apart / 1e6:.1f} s from the database's", remedy)


def schema(found: "Services") -> Finding:
    """The schema is the one this release needs."""
    from fhir_lab.storage import schema as versions_of_schema

    at, needed = versions_of_schema.current(found.database), versions_of_schema.head()
    if at == needed:
        return Finding("schema", at)
    return Finding("schema", f"{at or 'none'}, needed is {needed}", "Run: fhir-lab migrate")


def backlog(found: "Services") -> Finding:
    """Messages do not wait longer than a sweep would let them."""
    from fhir_lab.storage import journal

    with found.database.read() as connection:
        waiting = journal.entries(connection, journal.Filter(state="received"), limit=1000)
        failed = journal.entries(connection, journal.Filter(state="failed"), limit=1000)
    old = [entry for entry in waiting if _micros(entry["received"]) < found.clock.now() - LONGEST_WAIT]
    text = f"{len(waiting)} messages wait, {len(failed)} failed"
    if old:
        return Finding("journal", text, "Messages wait for more than 5 minutes: is fhir-lab worker running?")
    remedy = "See: fhir-lab messages list --state failed; then fhir-lab messages replay ID" if failed else ""
    return Finding("journal", text, remedy)


def _micros(instant: str) -> int:
    from datetime import datetime

    from fhir_lab.clock import to_micros

    return to_micros(datetime.fromisoformat(instant))


def keys(found: "Services") -> Finding:
    """The signing keys can be read, by their owner only."""
    folder = found.settings.key_folder
    try:
        count = len(found.keys.public_jwks()["keys"])
    except (OSError, ValueError) as error:
        return Finding("keys", f"{folder}: {error}", "Let this user write the folder, or correct FHIR_LAB_KEYS.")
    readable = [path.name for path in folder.glob("*.json") if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)]
    remedy = f"Others may read {', '.join(readable)}. Run: chmod 600 {folder}/*.json" if readable else ""
    return Finding("keys", f"{count} in {folder}", remedy)


def folders(found: "Services") -> Finding:
    """The watcher can take files from the inbox and put them away."""
    from fhir_lab.ingest.folders import FolderError, Folders

    inbox = found.settings.inbox_folder
    try:
        Folders(found).prepare()
    except FolderError as error:
        return Finding("inbox", str(inbox), str(error))
    return Finding("inbox", f"{inbox}, with work, processed and error beside it")


def broker(found: "Services") -> Iterator[Finding]:
    """The broker answers, and so does a worker."""
    if found.settings.embedded:
        yield Finding("broker", "none: the worker runs inside fhir-lab serve --all-in-one")
        return
    from fhir_lab.queue import celery_app

    app = celery_app(found.settings)
    with app.connection_for_write() as connection:
        where = connection.as_uri()
        problem = _problem(lambda: connection.ensure_connection(max_retries=1, timeout=3))
    if problem:
        yield Finding("broker", f"{where}: {problem}", "Start it, or correct FHIR_LAB_BROKER_URL.")
        return
    yield Finding("broker", where)
    answers = app.control.ping(timeout=2.0)
    names = ", ".join(name for answer in answers for name in answer)
    yield Finding("workers", names or "none answers", "" if names else "Run: fhir-lab worker")


def locks(found: "Services") -> Iterator[Finding]:
    """Redis answers, where it is used."""
    if not found.settings.redis_url:
        return
    import redis

    with redis.Redis.from_url(found.settings.redis_url, socket_connect_timeout=3) as client:
        problem = _problem(client.ping)
    host = found.settings.redis_url.rpartition("@")[2].removeprefix("redis://")
    yield Finding("redis", f"{host} {problem}".strip(), "Start it, or correct FHIR_LAB_REDIS_URL." if problem else "")


def _problem(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except Exception as error:
        return str(error).splitlines()[0] or type(error).__name__
    return ""
