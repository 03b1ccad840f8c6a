"""Telling workers that there is something to do: Celery carries ids, the database keeps the work.

What cannot be sent is no loss: messages, changes and notifications are in the database, and the sweeper finds them.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

from celery import Celery

from fhir_lab.settings import Settings

log = logging.getLogger(__name__)

PROCESS = "fhir_lab.process_message"
MATCH = "fhir_lab.match_changes"
DELIVER = "fhir_lab.deliver"
JOB = "fhir_lab.run_job"
SWEEP = "fhir_lab.sweep"

# Changes come in bursts; one task looks at all that came within this time.
MATCH_PAUSE = 0.05
# After a failure the broker is left alone for so long, so that a dead one does not slow those who ask.
SILENCE = 5.0


def celery_app(settings: Settings) -> Celery:
    """A Celery application on the broker of these settings, without tasks."""
    broker = "memory://localhost/" if settings.embedded else settings.broker_url
    app = Celery("fhir_lab", broker=broker, set_as_current=False)
    # The in-memory broker is shared by everything in a process; queues of one's own keep two installations apart.
    suffix = f".{uuid.uuid4().hex}" if settings.embedded else ""
    messages, notifications, jobs = (f"fhir-lab.{name}{suffix}" for name in ("messages", "notifications", "jobs"))
    app.conf.update(
        task_queues={messages: {}, notifications: {}, jobs: {}},
        task_default_queue=messages,
        task_routes={name: {"queue": notifications} for name in (MATCH, DELIVER, SWEEP)} | {JOB: {"queue": jobs}},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=not settings.embedded,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=3,
        broker_transport_options=_transport(settings.broker_url),
        # A sweep that nobody ran in time says no more than the next.
        beat_schedule={
            "sweep": {
                "task": SWEEP,
                "schedule": settings.sweep_seconds,
                "options": {"expires": 2 * settings.sweep_seconds},
            }
        },
    )
    return app


def _transport(broker_url: str) -> dict[str, Any]:
    if broker_url.startswith("memory"):
        return {"polling_interval": 0.01}
    # Whoever tells of a message must not wait for a broker that is away; the sweeper tells again.
    options: dict[str, Any] = {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1}
    if broker_url.startswith("redis"):
        options |= {"socket_connect_timeout": 3, "socket_timeout": 30}
    return options


class Queue:
    """The one who sends tasks. Nothing here raises: a broker that does not answer is logged.

    `listening` is False while nobody can get what is sent: on the in-memory broker before its worker has started.
    """

    def __init__(self, app: Celery, listening: bool) -> None:
        self.app = app
        self.listening = listening
        self._silent_until = 0.0
        self._changed = threading.Event()
        self._closed = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def process(self, message_ids: Iterable[str]) -> bool:
        """Let workers process these journaled messages; False when they could not all be sent."""
        return all(self._send(PROCESS, message_id) for message_id in message_ids)

    def deliver(self, subscription_pk: int) -> None:
        """Let a worker deliver what waits for this subscription."""
        self._send(DELIVER, subscription_pk, expires=60)

    def job(self, job_id: str) -> None:
        """Let a worker have a turn at this bulk job; what cannot be sent is found by the sweeper."""
        self._send(JOB, job_id)

    def sweep(self) -> None:
        """Let a worker look for what is due."""
        self._send(SWEEP, expires=60)

    def match(self) -> None:
        """Let a worker match the changes just committed. Returns at once: a thread sends, for many calls together."""
        if not self.listening:
            return
        self._changed.set()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._match_loop, name="fhir-lab-match", daemon=True)
                self._thread.start()

    def open(self) -> None:
        """Begin to send: the worker of the in-memory broker has started."""
        self.listening, self._closed = True, False

    def close(self) -> None:
        """Send nothing more."""
        self.listening, self._closed = False, True
        self._changed.set()

    def _match_loop(self) -> None:
        while True:
            self._changed.wait()
            if self._closed:
                return
            self._changed.clear()
            self._send(MATCH, expires=60)
            time.sleep(MATCH_PAUSE)

    def _send(self, task: str, *arguments: Any, expires: float | None = None) -> bool:
        if not self.listening or time.monotonic() < self._silent_until:
            return False
        try:
            self.app.send_task(task, arguments, expires=expires)
        except Exception:
            log.warning("broker does not answer", exc_info=True, extra={"task": task})
            self._silent_until = time.monotonic() + SILENCE
            return False
        return True


def in_memory(settings: Settings) -> Queue:
    """A queue inside this process, which sends once it is opened."""
    return Queue(celery_app(settings.model_copy(update={"broker_url": "memory://"})), listening=False)
