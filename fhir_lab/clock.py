"""The one source of time: tests and the sandbox can set it, everything else asks it.

Instants are integers, microseconds since 1970 in UTC, cut to milliseconds so that the text in `meta.lastUpdated`
and the number in the database say the same.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Tells the time; `set` freezes it, `advance` moves it, `reset` lets it run again."""

    def __init__(self) -> None:
        self._frozen: int | None = None

    def now(self) -> int:
        """Microseconds since 1970 UTC, in whole milliseconds."""
        if self._frozen is not None:
            return self._frozen
        return time.time_ns() // 1_000_000 * 1000

    def set(self, moment: datetime) -> None:
        """Freeze the clock at an aware datetime."""
        self._frozen = to_micros(moment) // 1000 * 1000

    def advance(self, by: timedelta) -> None:
        """Freeze the clock `by` later than it reads now."""
        self._frozen = self.now() + by // timedelta(microseconds=1) // 1000 * 1000

    def reset(self) -> None:
        """Let the clock run again."""
        self._frozen = None


def to_micros(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970 UTC."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Microseconds since 1970 UTC as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=micros)


def instant(micros: int) -> str:
    """Microseconds since 1970 UTC as a FHIR instant with milliseconds, `2026-11-20T08:30:00.123Z`."""
    return f"{_seconds(micros // 1_000_000)}.{micros // 1000 % 1000:03d}Z"


@lru_cache(maxsize=256)
def _seconds(seconds: int) -> str:
    return from_micros(seconds * 1_000_000).strftime("%Y-%m-%dT%H:%M:%S")
