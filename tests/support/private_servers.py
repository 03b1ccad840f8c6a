"""PostgreSQL and Redis started for one test run from the installed binaries, and stopped with it."""

import getpass
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

START_SECONDS = 30.0


class CannotStartError(Exception):
    """The server is not installed, or does not come up; the message says which."""


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrivateServers:
    """The servers of one test run and their folder; `stop` ends them and removes it."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._stops: list[Callable[[], None]] = []

    def start_postgresql(self) -> str:
        """A new PostgreSQL cluster; returns the URL of its `postgres` database. Raises `CannotStartError`."""
        initdb = _postgresql_program("initdb")
        postgres = _postgresql_program("postgres")
        user = _unprivileged_user()
        folder = self._make_folder() / "postgresql"
        folder.mkdir()
        if user:
            shutil.chown(folder, user)
        data = str(folder / "data")
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run([initdb, "-D", data, *options], user)
        port = free_port()
        settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", "fsync=off"]
        settings += ["synchronous_commit=off", "full_page_writes=off", "max_connections=300"]
        arguments = [argument for setting in settings for argument in ("-c", setting)]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self._start([postgres, "-D", data, *arguments], folder / "log", user, lambda: psycopg.connect(url).close())
        return url.replace("postgresql:", "postgresql+psycopg:")

    def start_redis(self) -> str:
        """A new Redis; returns its URL. Raises `CannotStartError`."""
        program = shutil.which("redis-server")
        if program is None:
            raise CannotStartError("redis-server is not installed")
        folder = self._make_folder() / "redis"
        folder.mkdir()
        port = free_port()
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        url = f"redis://127.0.0.1:{port}/0"
        self._start([program, *arguments], folder / "log", None, lambda: _ping(url))
        return url

    def stop(self) -> None:
        """Stop what was started and remove its files."""
        while self._stops:
            self._stops.pop()()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _make_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="fhir-lab-test-"))
            self._folder.chmod(0o755)
        return self._folder

    def _start(self, command: list[str], log: Path, user: str | None, connect: Callable[[], None]) -> None:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=log.parent, user=user, group=_group(user)
            )
        self._stops.append(lambda: _end(process))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                connect()
            except (psycopg.OperationalError, redis.RedisError):
                time.sleep(0.05)
            else:
                return
        raise CannotStartError(
            f"{Path(command[0]).name} does not come up: {log.read_text(errors='replace')[-400:].strip()}"
        )


def _ping(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.ping()


def _end(process: subprocess.Popen[bytes]) -> None:
    # SIGINT: PostgreSQL's fast shutdown, and Redis leaves without saving.
    process.send_signal(2)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _postgresql_program(name: str) -> str:
    """The program on the PATH, or the newest one where Debian and Homebrew put it."""
    found = shutil.which(name)
    places = ["/usr/lib/postgresql/*/bin", "/usr/local/opt/postgresql*/bin", "/opt/homebrew/opt/postgresql*/bin"]
    installed = [path for place in places for path in glob.glob(f"{place}/{name}")]
    if found is None and not installed:
        raise CannotStartError(f"{name} is not installed")
    return found or max(installed, key=_version_of)


def _version_of(path: str) -> tuple[int, ...]:
    return tuple(int(part) for part in Path(path).parts[-3].split("@")[-1].split(".") if part.isdigit())


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root; then the user to run it as. None: run it as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise CannotStartError("PostgreSQL does not run as root and neither of the users postgres and nobody exists")


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _run(command: list[str], user: str | None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", user=user, group=_group(user), check=False)
    if done.returncode:
        who = user or getpass.getuser()
        raise CannotStartError(f"{Path(command[0]).name} failed as {who}: {done.stderr.strip()[-400:]}")
