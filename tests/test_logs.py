"""The log: one JSON object per line, nothing of what a client sent."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from fhir_lab import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the configured log goes; pytest's own handlers come back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    logs.configure("INFO", "test", text)
    yield text
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_what_the_caller_added(stream: io.StringIO) -> None:
    logging.getLogger("fhir_lab.access").info("request %s", "done", extra={"status": 200, "request_id": "r1"})
    (line,) = lines(stream)
    time = line.pop("time")
    assert isinstance(time, str)
    assert time.endswith("Z")
    assert line == {
        "level": "info",
        "process": "test",
        "logger": "fhir_lab.access",
        "message": "request done",
        "status": 200,
        "request_id": "r1",
    }


def test_an_exception_is_told_without_the_values_it_quotes(stream: io.StringIO) -> None:
    try:
        try:
            int("Amara Okoye")
        except ValueError as cause:
            raise RuntimeError("Amara Okoye") from cause
    except RuntimeError:
        logging.getLogger("fhir_lab").exception("broke off")
    assert "Amara" not in stream.getvalue()
    (line,) = lines(stream)
    error = line["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["cause"]["type"]) == ("builtins.RuntimeError", "builtins.ValueError")
    assert error["at"][-1].endswith("test_an_exception_is_told_without_the_values_it_quotes")


def test_what_the_operating_system_says_is_kept(stream: io.StringIO) -> None:
    try:
        raise ConnectionRefusedError(111, "Connection refused")
    except ConnectionRefusedError:
        logging.getLogger("fhir_lab").exception("broke off")
    (line,) = lines(stream)
    assert isinstance(line["error"], dict)
    assert line["error"]["text"] == "[Errno 111] Connection refused"


def test_what_the_server_says_is_logged_whatever_an_earlier_server_of_the_process_set() -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    root, text = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure("INFO", "test", text)
    logging.getLogger("uvicorn.error").info("started")
    root.handlers[:] = handlers
    root.setLevel(level)
    assert [line["message"] for line in lines(text)] == ["started"]


def test_the_servers_own_access_log_stays_silent(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /fhir/R4/Patient?name=okoye")
    logging.getLogger("uvicorn.error").info("started")
    assert [line["message"] for line in lines(stream)] == ["started"]
