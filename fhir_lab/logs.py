"""Structured logs: one JSON object per line, for every process, without patient data.

A line has `time`, `level`, `process`, `logger`, `message`, and whatever the caller passed as `extra` (request id,
status, milliseconds). Of an exception it has the type and where it came from; its text, which may quote what a client
sent, only when it comes from the operating system or from the connection to the database.
"""

import logging
import sys
import traceback
from typing import Any, TextIO

import orjson

from fhir_lab.clock import instant

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_FRAMES = 12


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; `process` names what runs: api, worker, watch."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": instant(int(record.created * 1000) * 1000),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return orjson.dumps(line, default=str).decode()


def describe(error: BaseException) -> dict[str, Any]:
    """An exception without what it quotes: `type`, `at` (innermost frames, `file:line function`), `cause`."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    found: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    # SQLAlchemy's errors quote the statement and its values; the driver's own error says what is wrong.
    own = getattr(error, "orig", None) or error
    if isinstance(own, OSError) or type(own).__name__ == "OperationalError":
        found["text"] = str(own).strip()
    cause = error.__cause__ or error.__context__
    if cause is not None and cause is not own:
        found["cause"] = describe(cause)
    return found


def configure(level: str, process: str, stream: TextIO | None = None) -> None:
    """Send every logger of this process to `stream` (default: standard error) as JSON lines.

    `level` is a name of Python's logging levels. Call it once, at the start of a process.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate, logger.disabled = True, False
        logger.setLevel(logging.NOTSET)
    # uvicorn's own access line quotes the URL, whose query may name a patient; ours does not.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    # A line for each tick of the clock says nothing.
    logging.getLogger("celery.beat").setLevel(logging.WARNING)
    # One line per outgoing request would name the receivers of notifications.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
