"""Runs `fhir-lab` as its users do: in this process for speed, or as a process of its own."""

import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fhir_lab.cli import main

T = TypeVar("T")


@dataclass(frozen=True)
class Done:
    """How a command ended, what it printed, and the processor time it took, which other processes don't change."""

    code: int
    out: str
    err: str
    seconds: float = 0.0


def call(*arguments: str) -> Done:
    """Run a command in this process, in its working folder and with its environment."""
    out, err = _stream(), _stream()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Done(code, _read(out), _read(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: ours, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_LAB_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(settings)


def program(name: str) -> str:
    """A program of the environment the tests run in."""
    return str(Path(sys.executable).with_name(name))


def run(*command: str, folder: Path, settings: Mapping[str, str] | None = None, seconds: float = 60) -> Done:
    """Run a program of the environment to its end in `folder`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=folder,
        env=environment(settings or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(done.returncode, done.stdout, done.stderr, taken)


@contextmanager
def running(*command: str, folder: Path, settings: Mapping[str, str], name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process as long as the block lasts; what it prints goes to `NAME.log` in `folder`."""
    with (folder / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            [program(command[0]), *command[1:]],
            cwd=folder,
            env=environment(settings),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
    """End a process as an operator would, its children too if it does not follow; returns its exit code."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def until(found: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """The first true answer of `found`; fails saying what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")
