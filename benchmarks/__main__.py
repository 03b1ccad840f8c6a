"""`python -m benchmarks`: measure an installation on PostgreSQL, in about three minutes, and print honest numbers.

Everything runs on this machine and talks to 127.0.0.1 only: load generator, API processes, worker and PostgreSQL share
its cores. The database and every process belong to the run and end with it.
"""

import argparse
import os
import platform
from collections.abc import Coroutine, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import crud, data, imports, oru, reading, samples, searches
from benchmarks.client import Target
from benchmarks.load import Measured, run
from benchmarks.report import CORES, HEAD, kinds, markdown, row
from benchmarks.servers import Installation, Process, installation

SCOPE = "system/*.cruds"
WORKLOADS = ("read", "crud", "search", "lab", "sweep", "oru")
START, END = "<!-- results -->", "<!-- end of results -->"


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8, help="how long each workload runs (default: 8)")
    parser.add_argument(
        "--only", nargs="+", choices=WORKLOADS, default=WORKLOADS, help="which workloads follow the import"
    )
    parser.add_argument("--workers", type=int, default=CORES, help=f"API processes (default: one per core, {CORES})")
    parser.add_argument("--clients", type=int, default=32, help="users at once in the mixes (default: 32)")
    parser.add_argument("--patients", type=int, default=200, help="invented patients to load first (default: 200)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=os.environ.get("FHIR_LAB_BENCH_CORPUS"),
        help="folder of transaction Bundles to load as well (.json, .json.bz2; first by name first)",
    )
    parser.add_argument("--database", help="a postgresql+psycopg:// URL where databases may be created")
    parser.add_argument("--write", type=Path, help="replace the results in this Markdown file")
    return parser.parse_args()


class Run:
    """One run: the installation, what was measured, and the lines to print."""

    def __init__(self, options: argparse.Namespace, installed: Installation) -> None:
        self.options = options
        self.installed = installed
        self.token = installed.command("token", "--scope", SCOPE, "--ttl", "86400")
        self.rows: list[tuple[str, ...]] = []
        self.notes: list[str] = []
        self.samples: samples.Samples | None = None

    def target(self, api: Process) -> Target:
        """The API with the run's token."""
        return Target(api.port, self.token)

    def note(self, line: str) -> None:
        """Print a line, and keep it for the file."""
        self.notes.append(line)
        print(line, flush=True)

    def show(self, measured: Measured, limit: Measured | None = None) -> None:
        """Print a workload as soon as it has ended."""
        self.rows.append(row(measured, limit))
        print(
            " | ".join(f"{name} {cell}" for name, cell in zip(HEAD[1:], self.rows[-1][1:], strict=True) if cell),
            flush=True,
        )
        print("\n".join(kinds(measured)) or "", end="\n" if kinds(measured) else "")
        for reason, times in measured.wrong.most_common(5):
            print(f"    wrong: {times} x {reason}")

    def measure(self, api: Process, work: Coroutine[Any, Any, Measured]) -> Measured:
        """Run one workload and add the processor time that the API took."""
        before = api.processor_seconds()
        measured = uvloop.run(work)
        measured.api_seconds = api.processor_seconds() - before
        return measured

    def mix(
        self, api: Process, name: str, scenario: Any, clients: int | None = None, seconds: float | None = None
    ) -> None:
        """Run a closed-loop mix and show it."""
        print(f"\n{name}", flush=True)
        users, length = clients or self.options.clients, seconds or self.options.seconds
        self.show(self.measure(api, run(name, self.target(api), scenario, users, length)))

    def load(self, api: Process) -> None:
        """Import the corpus, if one is named, and the invented patients."""
        corpora = {"invented": [data.encode(each) for each in data.patients(self.options.patients)]}
        directories = [data.encode(data.directory())]
        if self.options.corpus:
            first, *rest = data.corpus(Path(self.options.corpus))
            directories.append(first)
            corpora["corpus"] = rest
        uvloop.run(imports.load("directories", self.target(api), 1, directories))
        for name, bundles in corpora.items():
            print(f"\nimport, {name} patients", flush=True)
            self.show(self.measure(api, imports.load(f"import, {name}", self.target(api), 8, bundles)))

    def read(self, api: Process) -> None:
        """Read by id, and the bare loop beside it."""
        assert self.samples is not None
        names = [f"{name}/{each['id']}" for name, found in self.samples.resources.items() for each in found]
        with self.installed.bare(self.options.workers) as bare:
            print("\nbare FastAPI + psycopg, read by id", flush=True)
            scenario = reading.read([f"/{each}" for each in names])
            work = run("bare loop", Target(bare.port), scenario, 64, self.options.seconds)
            limit = self.measure(bare, work)
            self.show(limit)
        print("\nread by id", flush=True)
        paths = [f"{searches.BASE}{each}" for each in names]
        work = run("read by id", self.target(api), reading.read(paths), 64, self.options.seconds)
        self.show(self.measure(api, work), limit)

    def search(self, api: Process) -> None:
        """The search mix, after every parameter has proved that it filters."""
        assert self.samples is not None
        for wrong in uvloop.run(searches.pre_flight(self.target(api))):
            self.note(f"pre-flight: does not filter: {wrong}")
        self.mix(api, "search mix", searches.scenario(self.samples), 30)

    def sweep(self, api: Process) -> None:
        """Transactions of two at growing numbers of clients."""
        for clients in (1, 4, 16, 64):
            self.mix(api, f"transactions of two, {clients}", reading.pairs(), clients, self.options.seconds / 3)

    def oru(self) -> None:
        """ORU messages, in process and through the inbox."""
        for observations in (1, 20, 200):
            print(f"\nORU of {observations} OBX", flush=True)
            self.show(oru.in_process(self.installed, observations, self.options.seconds / 2))
        inbox = self.installed.folder / "var" / "inbox"
        inbox.mkdir(parents=True, exist_ok=True)
        with self.installed.api("--all-in-one") as whole:
            for observations in (1, 20, 200):
                print(f"\nORU of {observations} OBX: watcher, journal, Celery task, report", flush=True)
                work = oru.through_inbox(inbox, self.target(whole), observations, 24)
                self.show(self.measure(whole, work))

    def start(self) -> None:
        """How soon the embedded mode answers, on SQLite."""
        embedded = Installation(f"sqlite:///{self.installed.folder / 'embedded.db'}", self.installed.folder)
        embedded.command("migrate")
        with embedded.api("--all-in-one") as api:
            self.note(f"start of the embedded mode to its first answer: {api.start_seconds:.2f} s (budget 2 s)")

    def all(self) -> None:
        """Everything that was asked for, in an order where each finds what it needs."""
        self.start()
        wanted = self.options.only
        with self.installed.api("--workers", str(self.options.workers)) as api:
            self.note(f"memory of one API process at its start: {api.megabytes():.0f} MB")
            self.load(api)
            self.installed.settle()
            self.samples = uvloop.run(samples.collect(self.target(api)))
            if "read" in wanted:
                self.read(api)
            if "crud" in wanted:
                self.mix(api, "CRUD mix", crud.scenario())
            if "search" in wanted:
                self.search(api)
            if "lab" in wanted:
                self.mix(api, "lab mix", reading.lab(self.samples))
            if "sweep" in wanted:
                self.sweep(api)
            print()
            self.note(f"memory of one API process after all this: {api.megabytes():.0f} MB (budget 150 MB)")
            if "oru" in wanted:
                self.oru()


def main() -> None:
    """Measure, print, and write the file if one is named."""
    options = arguments()
    with ExitStack() as stack:
        installed, server = stack.enter_context(installation(options.database))
        machine = f"{platform.system()} {platform.machine()}, {CORES} cores, Python {platform.python_version()}"
        measuring = Run(options, installed)
        measuring.note(f"{machine}; {server}; {options.workers} API processes; generator on the same machine")
        measuring.all()
    if options.write:
        write(options.write, measuring.rows, measuring.notes)


def write(path: Path, rows: Iterable[tuple[str, ...]], notes: list[str]) -> None:
    """Put the table between the marks of a Markdown file."""
    before, _, rest = path.read_text().partition(START)
    after = rest.partition(END)[2]
    said = "\n".join(f"- {line.strip()}" for line in notes)
    path.write_text(f"{before}{START}\n\n{markdown(rows)}\n\n{said}\n\n{END}{after}")


if __name__ == "__main__":
    main()
