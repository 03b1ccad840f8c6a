"""`python -m benchmarks.growth`: the same searches on databases of 10 k, 100 k and 1 M Observations, side by side.

Each shape is asked of every size in turn, again and again, so that whatever else the machine does slows all of them
alike. The databases are loaded by `bulk`, are dropped at the end, and with `--keep` are kept and used the next time.
"""

import argparse
import platform
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import orjson
import psycopg
import uvloop

from benchmarks import bulk, samples
from benchmarks.client import Client, Target
from benchmarks.report import CORES
from benchmarks.samples import Samples
from benchmarks.searches import BASE
from benchmarks.servers import Installation, describe
from benchmarks.shapes import SHAPES, Shape
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from tests.support import databases
from tests.support.private_servers import PrivateServers

PER_PATIENT = 24  # Observations
LIMIT = 1.5
SLOW = 0.1  # seconds; a search that takes longer is asked once
REPEATS = 5  # the fastest counts: what is left out is what else the machine did, not how searches differ
START, END = "<!-- growth -->", "<!-- end of growth -->"
SCOPE = "system/*.cruds"


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="Observations")
    parser.add_argument("--rounds", type=int, default=100, help="searches of each shape and size (default: 100)")
    parser.add_argument("--shapes", nargs="+", help="only the shapes whose name holds one of these words")
    parser.add_argument("--database", help="a postgresql+psycopg:// URL where databases may be created")
    parser.add_argument("--keep", action="store_true", help="keep the databases, and use those that were kept")
    parser.add_argument("--write", type=Path, help="replace the results in this Markdown file")
    return parser.parse_args()


@dataclass(slots=True)
class Size:
    """One database being asked: what is in it, its client, and the seconds each shape took."""

    observations: int
    client: Client
    samples: Samples
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def percentile(self, shape: Shape, share: float) -> float:
        """The latency, in milliseconds, that this share of a shape's requests stayed below."""
        times = sorted(self.seconds[shape.name])
        return times[min(len(times) - 1, int(len(times) * share))] * 1000


@contextmanager
def loaded(server: str, observations: int, folder: Path, keep: bool) -> Iterator[Installation]:
    """A database with so many Observations, and what belongs to them."""
    name = f"fhir_lab_growth_{observations}"
    with psycopg.connect(databases.libpq(server), autocommit=True) as connection:
        kept = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if kept and not keep:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        if not (kept and keep):
            connection.execute(f'CREATE DATABASE "{name}"')
    installed = Installation(databases.sibling(server, name), folder)
    try:
        installed.command("migrate")
        if not (kept and keep):
            _load(installed, observations)
        yield installed
    finally:
        if not keep:
            with psycopg.connect(databases.libpq(server), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _load(installed: Installation, observations: int) -> None:
    started = time.perf_counter()
    services = Services(Settings(_env_file=None, database_url=installed.database))
    bulk.directory(services)
    services.close()
    with bulk.bare(installed.database):
        bulk.load(installed.database, 0, observations // PER_PATIENT, CORES)
    print(f"loaded {observations:,} Observations in {time.perf_counter() - started:.0f} s", flush=True)


async def _drawn(target: Target) -> Samples:
    found = await samples.collect(target)
    client = Client(target)
    answer = await client.ask("GET", f"{BASE}DiagnosticReport?_sort=-_lastUpdated&_count=1")
    found.resources["newest"] = [entry["resource"] for entry in orjson.loads(answer.body)["entry"]]
    client.close()
    return found


async def _measure(sizes: Sequence[Size], shapes: Sequence[Shape], rounds: int) -> None:
    """Ask every shape of every size, in turn. The first searches, which warm things up, don't count."""
    for shape in shapes:
        generators = [random.Random(f"{shape.name}/{size.observations}") for size in sizes]
        for number in range(-2, rounds):
            paths = [BASE + shape.draw(rng, size.samples) for size, rng in zip(sizes, generators, strict=True)]
            fastest = [inf] * len(sizes)
            for _ in range(REPEATS):
                for place, (size, path) in enumerate(zip(sizes, paths, strict=True)):
                    fastest[place] = min(fastest[place], await _timed(size.client, path))
                if max(fastest) > SLOW:
                    break
            for size, seconds in zip(sizes, fastest, strict=True):
                if number >= 0:
                    size.seconds.setdefault(shape.name, []).append(seconds)
        print(row(sizes, shape), flush=True)


async def _timed(client: Client, path: str) -> float:
    started = time.perf_counter()
    answer = await client.ask("GET", path)
    ended = time.perf_counter()
    if answer.status != 200 or b'"match"' not in answer.body:
        raise SystemExit(f"{path}: {answer.status} {answer.body[:300]!r}")
    return ended - started


async def _plan(size: Size, shape: Shape) -> str:
    """How the database finds the matches, in its own words."""
    path = shape.draw(random.Random(1), size.samples)
    if "$" in path.partition("?")[0]:
        return "(an operation: it is several searches)"
    answer = await size.client.ask("GET", f"{BASE}{path}&__explain=true")
    for entry in orjson.loads(answer.body)["entry"]:
        if entry["search"]["mode"] == "outcome":
            said: str = entry["resource"]["issue"][-1]["diagnostics"]
            return said
    return ""


def head(sizes: Sequence[Size]) -> str:
    """The first lines of the table."""
    cells = ["shape", *(f"{size.observations:,}: p50 / p95 ms" for size in sizes), "p95, largest to smallest", ""]
    return f"| {' | '.join(cells)} |\n|{' --- |' * len(cells)}"


def row(sizes: Sequence[Size], shape: Shape) -> str:
    """A shape as a line of the table."""
    times = [f"{size.percentile(shape, 0.5):.1f} / {size.percentile(shape, 0.95):.1f}" for size in sizes]
    ratio = sizes[-1].percentile(shape, 0.95) / sizes[0].percentile(shape, 0.95)
    verdict = ("meets 1.5" if ratio <= LIMIT else "MISSES 1.5") if shape.selective else "grows with what it looks at"
    return f"| {' | '.join([shape.name, *times, f'{ratio:.2f}', verdict])} |"


async def _asked(targets: dict[int, Target], shapes: Sequence[Shape], rounds: int) -> tuple[list[str], list[str]]:
    """The table, and the plan of each shape at the largest size."""
    sizes = [Size(number, Client(target), await _drawn(target)) for number, target in targets.items()]
    print(head(sizes), flush=True)
    await _measure(sizes, shapes, rounds)
    plans = [await _plan(sizes[-1], shape) for shape in shapes]
    for size in sizes:
        size.client.close()
    return [head(sizes), *(row(sizes, shape) for shape in shapes)], plans


def main() -> None:
    """Load, measure, print, and write the file if one is named."""
    options = arguments()
    words = options.shapes
    shapes = [shape for shape in SHAPES if not words or any(word in shape.name for word in words)]
    with ExitStack() as stack:
        servers = PrivateServers()
        stack.callback(servers.stop)
        server = options.database or databases.find_postgresql(servers).url
        if server is None:
            raise SystemExit("No PostgreSQL was found; name one with --database.")
        targets = {}
        for observations in sorted(options.sizes):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fhir-lab-growth-")))
            installed = stack.enter_context(loaded(server, observations, folder, options.keep))
            api = stack.enter_context(installed.api("--workers", "1"))
            targets[observations] = Target(api.port, installed.command("token", "--scope", SCOPE, "--ttl", "86400"))
        table, plans = uvloop.run(_asked(targets, shapes, options.rounds))
        machine = f"{platform.system()} {platform.machine()}, {CORES} cores, Python {platform.python_version()}"
        how = f"one API process for each size; {options.rounds} searches of each, the fastest of {REPEATS} times"
        said = f"{machine}; {describe(server)}; {how}"
    if options.write:
        _write(options.write, table, said, shapes, plans)


def _write(path: Path, table: list[str], said: str, shapes: Sequence[Shape], plans: Sequence[str]) -> None:
    before, _, rest = path.read_text().partition(START)
    after = rest.partition(END)[2]
    told = "\n\n".join(f"**{shape.name}**\n\n```\n{plan}\n```" for shape, plan in zip(shapes, plans, strict=True))
    lines = "\n".join(table)
    path.write_text(
        f"{before}{START}\n\n{lines}\n\n{said}\n\n### The plans at the largest size\n\n{told}\n\n{END}{after}"
    )


if __name__ == "__main__":
    main()
