"""Beat and watcher that touch a file each time round, for `fhir-lab alive`."""

import signal
import threading

from celery.beat import Scheduler

from fhir_lab.commands.alive import Process, heartbeat
from fhir_lab.ingest.watch import Watcher
from fhir_lab.services import Services
from fhir_lab.settings import Settings


class BeatingScheduler(Scheduler):
    """Celery's scheduler without its file, which nothing here needs to remember, and with a heartbeat."""

    def tick(self, *arguments: object, **named: object) -> float:
        """Send what is due; returns the seconds until the next round."""
        pause: float = super().tick(*arguments, **named)
        beat(Settings(), Process.beat)
        return pause


class BeatingWatcher(Watcher):
    """The watcher, with a heartbeat: silent when it cannot do its work."""

    def poll(self) -> int:
        """Look once at every file; returns how many were journaled."""
        taken = super().poll()
        beat(self._services.settings, Process.watch)
        return taken


def beat(settings: Settings, process: Process) -> None:
    """Leave the sign of life that `alive` looks for."""
    file = heartbeat(settings, process)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def watch_with_heartbeat(services: Services) -> None:
    """Watch the inbox until SIGTERM or SIGINT. Raises `FolderError` when a folder cannot be used."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    BeatingWatcher(services).run(stop)
