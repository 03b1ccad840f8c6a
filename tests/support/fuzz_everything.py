"""`make fuzz`: schemathesis on every operation of every document, and what came of it in docs/fuzzing.md."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.fuzzing import Findings, fuzz, fuzzed_app

ROOT = Path(__file__).parents[2]
GENERAL = ("system", "laboratory", "first-steps")
TEXT = """# Fuzzing: what schemathesis found

`make fuzz` sends requests made from the OpenAPI documents to every operation of every resource type: values at the
edges of each schema, values that break it, and {examples} random requests for each operation. It fails on an answer of
5xx, on a status or a media type that the document does not tell, and on an OperationOutcome that breaks its schema. A
part of it is in the suite (`tests/openapi/test_fuzz.py`). A server error that it finds becomes a test in
`tests/robustness` first.

Last run: commit `{commit}`, SQLite, {documents} documents, **{requests:,} requests** in {minutes:.0f} minutes, seed
{seed}.

| answer | requests |
|---|---|
{answers}

{failures}
"""


def main() -> int:
    """Fuzz all documents; 1 when something failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--examples", type=int, default=3, help="random requests for each operation")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("documents", nargs="*", help="names of documents; by default all of them")
    given = options.parse_args()
    started, commit, found = time.monotonic(), _commit(), {}
    with (
        tempfile.TemporaryDirectory() as folder,
        fuzzed_app(Path(folder), f"sqlite:///{folder}/fuzz.db") as (app, token),
    ):
        types = app.state.fhir.router.types
        for name in given.documents or (*GENERAL, *sorted(types)):
            found[name] = fuzz(app, name, token, examples=given.examples, seed=given.seed)
            print(f"{name}: {found[name].requests} requests, {len(found[name].failures)} failures", flush=True)
    if not given.documents:
        text = _report(found, commit, given.examples, given.seed, (time.monotonic() - started) / 60)
        (ROOT / "docs" / "fuzzing.md").write_text(text)
    failed = {f"{name}: {what}": how for name, each in found.items() for what, how in each.failures.items()}
    for what, how in failed.items():
        print(f"\n{what}\n{how}")
    return 1 if failed else 0


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _report(found: dict[str, Findings], commit: str, examples: int, seed: int, minutes: float) -> str:
    statuses = sum((each.statuses for each in found.values()), Counter())
    failures = [f"- {name}: {what}" for name, each in found.items() for what in each.failures]
    return TEXT.format(
        examples=examples,
        seed=seed,
        commit=commit,
        documents=len(found),
        requests=statuses.total(),
        minutes=minutes,
        answers="\n".join(f"| {status} | {number:,} |" for status, number in sorted(statuses.items())),
        failures="\n".join(["Failures:", "", *failures]) if failures else "Nothing failed.",
    )


if __name__ == "__main__":
    sys.exit(main())
