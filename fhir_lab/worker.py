"""The Celery application: its tasks, its schedule, and the same worker inside one process for the embedded mode.

A task gets ids and nothing else, opens its own transactions, and may be run twice or not at all: what there is to do is
in the database. Run it with `fhir-lab worker`, or `celery -A fhir_lab.worker worker`.
"""

import logging
import threading
from collections.abc import Callable
from functools import cache, partial
from types import TracebackType
from typing import Any, Self

from celery import Celery
from celery.exceptions import WorkerShutdown
from celery.worker import WorkController

from fhir_lab.bulk import run as bulk
from fhir_lab.ingest import flow
from fhir_lab.ingest.watch import Watcher
from fhir_lab.outcomes import Unavailable
from fhir_lab.queue import DELIVER, JOB, MATCH, PROCESS, SWEEP, in_memory
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import jobs, journal, notifications, outbox
from fhir_lab.subscriptions import status
from fhir_lab.subscriptions.deliver import deliver
from fhir_lab.subscriptions.notify import match_changes

log = logging.getLogger(__name__)

SECOND = 1_000_000
# A sweep sends so many; what is left is sent by the next.
SWEPT = 500
END = "fhir_lab.end"


def process_message(services: Services, message_id: str) -> None:
    """Turn one journaled message into resources."""
    if flow.process(services, message_id) is not None:
        services.queue.match()


def match(services: Services) -> None:
    """Turn changes into notifications, and have delivered what came of them."""
    more = match_changes(services)
    _deliver_due(services)
    if more:
        services.queue.match()


def deliver_to(services: Services, subscription_pk: int) -> None:
    """Deliver what waits for one subscription."""
    if deliver(services, subscription_pk):
        services.queue.deliver(subscription_pk)


def run_job(services: Services, job_id: str) -> None:
    """Have a turn at one bulk job."""
    if bulk.run(services, job_id):
        services.queue.job(job_id)


def sweep(services: Services) -> None:
    """Send every message, job, change and notification that is due, because it got lost or its worker died."""
    now, lease = services.clock.now(), services.settings.message_lease_seconds * SECOND
    ids = services.database.transact(lambda connection: journal.due(connection, now=now, lease=lease, limit=SWEPT))
    services.queue.process(ids)
    _sweep_jobs(services)
    status.retire(services)
    with services.database.read() as connection:
        changes = outbox.pending(connection)
    if changes:
        services.queue.match()
    _deliver_due(services)


def _sweep_jobs(services: Services) -> None:
    """Send the jobs that are due, and forget those that have expired."""
    now, lease = services.clock.now(), services.settings.job_lease_seconds * SECOND
    transact = services.database.transact
    for job_id in transact(lambda connection: jobs.due(connection, now=now, lease=lease, limit=SWEPT)):
        services.queue.job(job_id)
    with services.database.read() as connection:
        expired = jobs.expired(connection, now)
    for job_id in expired:
        transact(partial(jobs.remove, job_id=job_id))


def _deliver_due(services: Services) -> None:
    with services.database.read() as connection:
        due = notifications.due(connection, services.clock.now())
    for subscription_pk in due:
        services.queue.deliver(subscription_pk)


TASKS: dict[str, Callable[..., None]] = {
    PROCESS: process_message,
    MATCH: match,
    DELIVER: deliver_to,
    JOB: run_job,
    SWEEP: sweep,
}


def create_worker(services: Services, stopping: threading.Event | None = None) -> Celery:
    """The Celery application of these services, with every task. Connections open when the first task runs.

    Once `stopping` is set its tasks do nothing, so that a worker with a long queue ends soon.
    """
    app = services.queue.app
    for name, work in TASKS.items():
        app.task(name=name, shared=False)(_guarded(name, partial(work, services), stopping or threading.Event()))
    app.finalize()
    for logger in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(logger).setLevel(logging.WARNING)  # a line per task says nothing that the journal does not
    return app


def _guarded(name: str, work: Callable[..., None], stopping: threading.Event) -> Callable[..., None]:
    """A task that tells an error in a log line of ours, without what the error quotes; the sweeper repeats the rest."""

    def task(*arguments: Any) -> None:
        if stopping.is_set():
            return
        try:
            work(*arguments)
        except Unavailable:
            log.warning("the database does not answer", extra={"task": name})
        except Exception:
            log.exception("task broke off", extra={"task": name})

    return task


class Embedded:
    """Worker, watcher and sweeper as threads of this process, for the embedded mode; a context manager to be used once.

    There are three workers, so that neither a slow receiver of notifications nor a long export holds up messages.
    """

    def __init__(self, services: Services, watch: bool = True) -> None:
        if not services.settings.embedded:
            # Its own workers are to do the work, whatever broker other processes use.
            services.queue = in_memory(services.settings)
        self._services = services
        self._stopping = threading.Event()
        self._watcher = Watcher(services) if watch else None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start everything and return once the workers listen. Raises `FolderError` when the inbox cannot be used."""
        services = self._services
        if self._watcher is not None:
            self._watcher.folders.prepare()
        app = create_worker(services, self._stopping)
        app.task(name=END, shared=False)(_end)
        if services.settings.embedded:
            now = services.clock.now()
            services.database.transact(lambda connection: journal.resume(connection, now))
            services.database.transact(lambda connection: jobs.resume(connection, now))
        for queue in app.conf.task_queues:
            # One after the other: two that declare their queues at once lose one on the in-memory transport.
            listening = threading.Event()
            self._run("worker", _work, app, queue, listening)
            listening.wait(10)
        services.queue.open()
        self._run("sweeper", self._sweep)
        if self._watcher is not None:
            self._run("watcher", self._watcher.run, self._stopping)

    def stop(self) -> None:
        """Stop after the tasks at hand; what is left waits in the database."""
        self._stopping.set()
        self._services.queue.close()
        app = self._services.queue.app
        for queue in app.conf.task_queues:
            app.send_task(END, queue=queue)
        for thread in self._threads:
            thread.join(30)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _run(self, name: str, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name=f"fhir-lab-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _sweep(self) -> None:
        while not self._stopping.is_set():
            self._services.queue.sweep()
            self._stopping.wait(self._services.settings.sweep_seconds)


def _work(app: Celery, queue: str, listening: threading.Event) -> None:
    # Publishing from within a task looks for the current application of its thread.
    app.set_current()
    WorkController(
        app=app,
        hostname=f"{queue}@embedded",
        pool="solo",
        concurrency=1,
        queues=[queue],
        loglevel="WARNING",
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
        ready_callback=lambda _: listening.set(),
    ).start()


def _end() -> None:
    """Ends the worker that runs it."""
    raise WorkerShutdown(0)


@cache
def _app() -> Celery:
    return create_worker(Services(Settings()))


def __getattr__(name: str) -> Celery:
    """`app`, made from the environment when somebody asks for it."""
    if name == "app":
        return _app()
    raise AttributeError(name)
