"""`demo`: one process with everything in it, sample data loaded, and what to try printed.

The schema, the data, the users and the messages are put in once, so a second start takes about a second.
"""

import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import caller, fail, listen, services, settings
from fhir_lab.commands.processes import Host, Port, need_port, unwind_on_signals

if TYPE_CHECKING:
    from fhir_lab.security.access import Caller
    from fhir_lab.services import Services

TOKEN_SECONDS = 24 * 3600
WAIT_SECONDS = 60.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    port: Port = 8000,
    host: Host = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Stop as soon as everything is printed.")] = False,
) -> None:
    """Try it: SQLite, sample data, API, worker and folder watcher in one process. Stop with Ctrl-C."""
    from fhir_lab import logs
    from fhir_lab.sandbox import people, samples
    from fhir_lab.storage import schema

    configured = settings()
    if configured.database_url:
        fail("The demo uses SQLite under var/: unset FHIR_LAB_DATABASE_URL, so that no sample data gets into yours.", 2)
    need_port(host, port)
    listen(host, port)
    with services(
        broker_url="memory://",
        password_grant=True,
        outbound_allow=(*configured.outbound_allow, "127.0.0.1"),
    ) as found:
        var = found.settings.var.resolve()
        var.mkdir(parents=True, exist_ok=True)
        with (var / "demo.log").open("a") as log:
            logs.configure(configured.log_level, "demo", log)
            if schema.upgrade(found.database):
                print(f"Schema created in {found.settings.database}")
            who = caller("demo")
            if loaded := samples.load(found, who):
                print(f"{loaded} sample resources loaded")
            passwords = people.ensure(found, who, var / "demo-users.json")
            _serve(found, host, port, lambda: _greet(found, who, passwords), once)


def _serve(found: "Services", host: str, port: int, when_up: Callable[[], None], once: bool) -> None:
    """Run API, worker and watcher until a signal; `when_up` is called when the API answers."""
    import uvicorn

    from fhir_lab.app import create_app
    from fhir_lab.worker import Embedded

    config = uvicorn.Config(
        create_app(services=found), host=host, port=port, log_config=None, access_log=False, proxy_headers=False
    )
    server = uvicorn.Server(config)

    failures: list[BaseException] = []

    def greet() -> None:
        try:
            while not (server.started or server.should_exit):
                time.sleep(0.01)
            if server.started:
                when_up()
        except BaseException as error:
            failures.append(error)
        server.should_exit = server.should_exit or once or bool(failures)

    greeter = threading.Thread(target=greet, name="greeter", daemon=True)
    unwind_on_signals()
    try:
        with Embedded(found):
            greeter.start()
            server.run()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        server.should_exit = True
        greeter.join(5)
    if failures:
        raise failures[0]
    print("Stopped.", flush=True)


def _greet(found: "Services", who: "Caller", passwords: dict[str, str]) -> None:
    from fhir_lab.sandbox import people, samples
    from fhir_lab.security.tokens import issue

    dropped = samples.drop_messages(found)
    if dropped:
        print(f"{len(dropped)} sample messages put into the inbox ...", flush=True)
        _wait_for(found, dropped)
    token = issue(found, subject="demo", scopes="system/*.cruds", ttl=TOKEN_SECONDS)
    header = found.settings.var.resolve() / "demo-token"
    people.write_private(header, f"Authorization: Bearer {token}\n")
    print("\n".join(welcome(found, token, header, passwords)), flush=True)


def _wait_for(found: "Services", files: list[str]) -> None:
    """Print what became of each sample message, as they end."""
    from fhir_lab.storage import journal

    waiting, deadline = list(files), time.monotonic() + WAIT_SECONDS
    while waiting and time.monotonic() < deadline:
        time.sleep(0.05)
        with found.database.read() as connection:
            entries = {entry["file"]: entry for entry in journal.entries(connection, limit=200)}
        for file in [file for file in waiting if entries.get(file, {"state": "received"})["state"] != "received"]:
            waiting.remove(file)
            print(_became(entries[file]), flush=True)
    for file in waiting:
        print(f"  {file}: still waiting; see fhir-lab messages", file=sys.stderr)


def _became(entry: dict[str, object]) -> str:
    counts = f"{entry['obx_in']} OBX = {entry['obx_stored']} stored + {entry['obx_quarantined']} quarantined"
    return f"  {entry['file']:32} {entry['state']:11} {counts}"


def welcome(found: "Services", token: str, header: Path, passwords: dict[str, str]) -> list[str]:
    """What there is to try, as lines that can be pasted."""
    from fhir_lab.sandbox.people import PEOPLE
    from fhir_lab.sandbox.samples import PATIENT

    base, url = found.settings.fhir_base, found.settings.public_url
    curl = f"curl -H @{shlex.quote(str(header))}"
    inbox = found.settings.inbox_folder.resolve()
    lines = [
        "",
        "FHIR Lab is running. Stop it with Ctrl-C.",
        "",
        f"  FHIR base      {base}",
        f"  Try it out     {url}/docs",
        f"  Capabilities   {base}/metadata",
        f"  Inbox          {inbox}  (drop an HL7v2 ORU file here)",
        f"  Log            {header.parent / 'demo.log'}",
        "",
        "Users",
    ]
    lines += [f"  {person.name:12} {passwords[person.name]:18} {person.role}" for person in PEOPLE]
    lines += [
        "",
        f"Token (everything is allowed, {TOKEN_SECONDS // 3600} hours)",
        f"  {token}",
        "",
        "A patient; the newest results of this patient; a report with its results",
        f"  {curl} '{base}/Patient/{PATIENT}'",
        f"  {curl} '{base}/Observation?patient={PATIENT}&_sort=-date&_count=5'",
        f"  {curl} '{base}/DiagnosticReport?patient={PATIENT}&_sort=-date&_count=1&_include=DiagnosticReport:result'",
        "",
        "In another terminal, from this folder: what became of the messages",
        "  .venv/bin/fhir-lab messages",
    ]
    return lines
