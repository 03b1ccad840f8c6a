"""`alive`: does a process of this machine do its work? For the health checks of containers.

The API is asked, a worker is pinged; beat and watcher touch a file each time round, which must not be old.
"""

import socket
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import fail, settings

if TYPE_CHECKING:
    from fhir_lab.settings import Settings

LONGEST_SILENCE = 60.0


class Process(StrEnum):
    """The processes of an installation."""

    api = "api"
    worker = "worker"
    beat = "beat"
    watch = "watch"


def register(app: typer.Typer) -> None:
    """Add the command, unlisted: people use `doctor`."""
    app.command(hidden=True)(alive)


def alive(
    process: Process, port: Annotated[int, typer.Option(help="The port the API of this machine listens on.")] = 8000
) -> None:
    """Exit code 0 when the process works, 1 and the reason when it does not."""
    checks = {Process.api: lambda: _ask(port), Process.worker: _ping}
    problem = checks.get(process, lambda: _listen(process))()
    if problem:
        fail(f"{process}: {problem}")


def heartbeat(found: "Settings", process: Process) -> Path:
    """The file this process touches each time round; several machines may share the folder."""
    return found.var / f"{process}.{socket.gethostname()}.alive"


def _ask(port: int) -> str:
    import httpx

    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=4.0)
    except httpx.HTTPError as error:
        return str(error)
    return "" if answer.is_success else answer.text


def _ping() -> str:
    from fhir_lab.queue import celery_app

    node = f"celery@{socket.gethostname()}"
    return "" if celery_app(settings()).control.ping(destination=[node], timeout=4.0) else f"{node} does not answer"


def _listen(process: Process) -> str:
    file = heartbeat(settings(), process)
    try:
        silence = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return f"there is no {file}"
    return f"silent for {silence:.0f} s" if silence > LONGEST_SILENCE else ""
