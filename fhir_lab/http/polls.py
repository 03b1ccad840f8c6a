"""How often a job may be asked for: in bursts, but not for ever without a pause.

Every poll takes a moment off a job's allowance, which grows again with time (a leaky bucket). The count is of this
process alone; it is there to slow a client that never waits, and costs no write.
"""

import math
import threading
import time
from collections.abc import Callable

EVERY = 0.5  # seconds that the allowance takes to grow by one
BURST = 60
KEPT = 10_000


class Polls:
    """The allowances of jobs."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._full: dict[str, float] = {}  # when the allowance will be whole again
        self._lock = threading.Lock()

    def pause(self, job_id: str) -> int:
        """0 when the job may be asked for now, else the seconds to wait."""
        now = self._now()
        with self._lock:
            if len(self._full) >= KEPT:
                self._full = {job: full for job, full in self._full.items() if full > now}
            full = max(now, self._full.get(job_id, now)) + EVERY
            if full - now > BURST * EVERY:
                return math.ceil(full - now - BURST * EVERY)
            self._full[job_id] = full
            return 0
