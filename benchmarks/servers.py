"""The processes of a run: a database of its own, the API, the bare loop. Only what was started here is ended."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tests.support import databases
from tests.support.private_servers import PrivateServers, free_port

START_SECONDS = 30.0
COMMAND = str(Path(sys.executable).with_name("fhir-lab"))
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def new_database(url: str | None) -> Iterator[tuple[str, str]]:
    """An empty database on the PostgreSQL named, found or started: its URL, and what server it is on."""
    with ExitStack() as stack:
        servers = PrivateServers()
        stack.callback(servers.stop)
        if url is None:
            found = databases.find_postgresql(servers)
            if found.url is None:
                raise SystemExit(found.description)
            url = found.url
        name = f"fhir_lab_bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(databases.libpq(url), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        stack.callback(_drop, url, name)
        yield databases.sibling(url, name), describe(url)


def _drop(url: str, name: str) -> None:
    with psycopg.connect(databases.libpq(url), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def describe(url: str) -> str:
    """What PostgreSQL it is, and how durable its commits are."""
    with psycopg.connect(databases.libpq(url)) as connection:
        said = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("server_version", "fsync", "synchronous_commit")
        }
    values = {name: row[0] for name, row in said.items() if row}
    version = values.pop("server_version").split()[0]
    return f"PostgreSQL {version} ({', '.join(f'{name} {value}' for name, value in values.items())})"


class Process:
    """A server process that answers on 127.0.0.1, and its children."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, log: Path, ready: str) -> None:
        self.port = port
        self._log = log
        started = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=os.environ | environment, stdout=output, stderr=output, cwd=Path(__file__).parents[1]
            )
        self._await(f"http://127.0.0.1:{port}{ready}", started)
        self.start_seconds = time.perf_counter() - started

    def _await(self, url: str, started: float) -> None:
        while time.perf_counter() < started + START_SECONDS and self._process.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
        self.stop()
        raise SystemExit(f"{url} does not answer: {self._log.read_text(errors='replace')[-800:]}")

    def stop(self) -> None:
        """End it, gently first."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def pids(self) -> list[int]:
        """The process and its children that serve; with several workers their parent only supervises."""
        table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        parents = [tuple(map(int, line.split())) for line in table.splitlines()]
        return [self._process.pid, *(pid for pid, parent in parents if parent == self._process.pid)]

    def processor_seconds(self) -> float:
        """User and system time of all of them so far; 0 where /proc does not tell."""
        total = 0
        for pid in self.pids():
            stat = Path(f"/proc/{pid}/stat")
            if stat.exists():
                fields = stat.read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def megabytes(self) -> float:
        """Resident memory of the largest of them."""
        table = subprocess.run(["ps", "-A", "-o", "pid=,rss="], capture_output=True, text=True, check=True).stdout
        sizes = {int(pid): int(size) for pid, size in (line.split() for line in table.splitlines())}
        return max(sizes.get(pid, 0) for pid in self.pids()) / 1024


class Installation:
    """One installation on the run's database: its settings, its commands, its processes."""

    def __init__(self, database: str, folder: Path) -> None:
        self.folder = folder
        self.database = database
        self.environment = {
            "FHIR_LAB_DATABASE_URL": database,
            "FHIR_LAB_VAR": str(folder / "var"),
            "FHIR_LAB_LOG_LEVEL": "WARNING",
            "FHIR_LAB_INBOX_POLL_SECONDS": "0.1",
            "FHIR_LAB_INBOX_STABLE_SECONDS": "0",
        }

    def command(self, *arguments: str) -> str:
        """Run a `fhir-lab` command and give what it prints."""
        done = subprocess.run(
            [COMMAND, *arguments], env=os.environ | self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"fhir-lab {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def settle(self) -> None:
        """What autovacuum does within minutes of a load: clean up, and tell the planner what there is."""
        with psycopg.connect(databases.libpq(self.database), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    @contextmanager
    def api(self, *options: str) -> Iterator[Process]:
        """`fhir-lab serve` as an operator starts it."""
        port = free_port()
        command = [COMMAND, "serve", "--host", "127.0.0.1", "--port", str(port), *options]
        process = Process(command, self.environment, port, self.folder / "api.log", "/healthz")
        try:
            yield process
        finally:
            process.stop()

    @contextmanager
    def bare(self, workers: int) -> Iterator[Process]:
        """The bare loop, with as many processes."""
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "benchmarks.bare:app", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", str(workers), "--no-access-log", "--log-level", "warning"]
        environment = {"BENCH_DATABASE": databases.libpq(self.database)}
        process = Process(command, environment, port, self.folder / "bare.log", "/ready")
        try:
            yield process
        finally:
            process.stop()


@contextmanager
def installation(url: str | None) -> Iterator[tuple[Installation, str]]:
    """A migrated installation in a temporary folder, removed at the end."""
    with new_database(url) as (database, description), tempfile.TemporaryDirectory(prefix="fhir-lab-bench-") as folder:
        found = Installation(database, Path(folder))
        found.command("migrate")
        yield found, description
