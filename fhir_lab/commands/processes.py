"""`serve`, `worker`, `beat`, `watch`: the processes of an installation."""

import signal
import socket
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fhir_lab.commands.common import collect_less_often, fail, listen, need_schema, services, settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from fhir_lab.services import Services

SCHEDULER = ["--scheduler", "fhir_lab.commands.heartbeats:BeatingScheduler"]

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (serve, worker, beat, watch):
        app.command()(command)


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(help="Processes that share the port.", min=1)] = 1,
    all_in_one: Annotated[
        bool, typer.Option("--all-in-one", help="Also run worker, beat and watcher in this process.")
    ] = False,
    migrate: Annotated[bool, typer.Option("--migrate", help="Create or upgrade the schema first.")] = False,
) -> None:
    """Run the API."""
    from fhir_lab import logs
    from fhir_lab.storage import schema

    if all_in_one and workers > 1:
        fail("--all-in-one is one process; run fhir-lab worker and fhir-lab watch beside several --workers.", 2)
    with services() as found:
        if migrate:
            schema.upgrade(found.database)
        need_schema(found)
        logs.configure(found.settings.log_level, "api")
    need_port(host, port)
    listen(host, port)
    if not all_in_one:
        run_api(host, port, workers)
        return
    with services() as found:
        run_all_in_one(found, host, port)


def worker(
    concurrency: Annotated[int | None, typer.Option(help="Child processes; by default one per core.", min=1)] = None,
    beat: Annotated[
        bool, typer.Option("--beat/--no-beat", help="Also send what is due; --no-beat where fhir-lab beat runs.")
    ] = True,
) -> None:
    """Run a worker: it turns journaled messages into resources and delivers notifications."""
    arguments = ["worker", "--loglevel", settings().log_level]
    if concurrency is not None:
        arguments += ["--concurrency", str(concurrency)]
    _run_celery("worker", arguments + (["--beat", *SCHEDULER] if beat else []))


def beat() -> None:
    """Run the clock that sends workers what is due; one is enough, two do no harm."""
    _run_celery("beat", ["beat", "--loglevel", settings().log_level, "--pidfile", "", *SCHEDULER])


def watch() -> None:
    """Watch the inbox folder and journal every file that is dropped there."""
    from fhir_lab import logs
    from fhir_lab.commands.heartbeats import watch_with_heartbeat
    from fhir_lab.ingest.folders import FolderError

    with services() as found:
        need_schema(found)
        logs.configure(found.settings.log_level, "watch")
        try:
            watch_with_heartbeat(found)
        except FolderError as error:
            fail(str(error))


def need_port(host: str, port: int) -> None:
    """Stop with a plain sentence when the address cannot be listened on."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        fail(f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port.")


def unwind_on_signals() -> None:
    """Let SIGTERM and SIGINT end the process by way of its open blocks, with exit code 0.

    Uvicorn finishes its requests on a signal and then raises it again, which would end the process at once.
    """

    def leave(*_: object) -> NoReturn:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def api() -> "FastAPI":
    """The application of one API process; uvicorn calls it in each of its worker processes."""
    from fhir_lab import logs
    from fhir_lab.app import create_app

    found = settings()
    logs.configure(found.log_level, "api")
    app = create_app(found)
    collect_less_often()
    return app


def run_api(host: str, port: int, workers: int) -> None:
    """Serve until a signal ends it."""
    import uvicorn

    unwind_on_signals()
    uvicorn.run(
        "fhir_lab.commands.processes:api",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `http.forwarded` asks who is connected, and believes only those in the settings
    )


def run_all_in_one(found: "Services", host: str, port: int) -> None:
    """Serve with worker, beat and watcher as threads of this process, until a signal ends it."""
    import uvicorn

    from fhir_lab.app import create_app
    from fhir_lab.worker import Embedded

    unwind_on_signals()
    with Embedded(found):
        app = create_app(services=found)
        collect_less_often()
        uvicorn.run(
            app, host=host, port=port, log_config=None, access_log=False, server_header=False, proxy_headers=False
        )


def _run_celery(process: str, arguments: list[str]) -> None:
    from celery.signals import setup_logging

    from fhir_lab import logs
    from fhir_lab.worker import app

    found = settings()
    if found.embedded:
        fail("FHIR_LAB_BROKER_URL names no broker: the worker runs inside fhir-lab serve --all-in-one.", 2)
    with services() as checked:
        need_schema(checked)

    def configure(**_: object) -> None:
        logs.configure(found.log_level, process)
        collect_less_often()

    configure()
    setup_logging.connect(configure)
    app.start(["--quiet", *arguments])
