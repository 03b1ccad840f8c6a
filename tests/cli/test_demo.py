"""`demo`: what a newcomer sees first, run as a newcomer runs it."""

import json
import shlex
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.commands import Done, run, running, stop, until
from tests.support.private_servers import free_port


def demo(folder: Path, port: int, *options: str) -> Done:
    return run("fhir-lab", "demo", "--port", str(port), *options, folder=folder, seconds=120)


def pasted(line: str, folder: Path) -> Any:
    """The answer of a curl line that was printed, as JSON."""
    done = subprocess.run(shlex.split(line), capture_output=True, cwd=folder, timeout=30, check=True)
    return json.loads(done.stdout)


def passwords(out: str) -> list[str]:
    lines = out.splitlines()
    start = lines.index("Users") + 1
    return lines[start : lines.index("", start)]


def test_the_demo_from_nothing_to_pasted_lines_and_a_dropped_file(folder: Path) -> None:
    port = free_port()
    first = demo(folder, port, "--once")
    assert (first.code, first.err) == (0, "")
    assert "107 sample resources loaded" in first.out
    ended = [line.split()[:2] for line in first.out.splitlines() if ".hl7  " in line]
    assert [state for _, state in ended] == ["processed"] * 8
    assert "3 OBX = 2 stored + 1 quarantined" in first.out
    kept = folder / "var" / "demo-users.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    with running("fhir-lab", "demo", "--port", str(port), folder=folder, settings={}, name="demo") as process:
        until(lambda: _ready(port), "the second start")
        out = until(lambda: _printed(folder / "demo.log"), "the printed lines")
        assert "sample" not in out
        assert passwords(out) == passwords(first.out)
        check_curl_lines(out, folder)
        check_login(out, port)
        check_dropped_file(out, port)
        busy = demo(folder, port)
        assert busy.code == 1
        assert busy.err == (
            f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another with --port.\n"
        )
        assert stop(process, signal.SIGINT) == 0
    assert (folder / "demo.log").read_text().endswith("Stopped.\n")
    assert demo(folder, port, "--once").seconds < 3  # from start to end; the API answers after about half of it


def check_curl_lines(out: str, folder: Path) -> None:
    patient, observations, reports = (
        pasted(line.strip(), folder) for line in out.splitlines() if line.strip().startswith("curl ")
    )
    assert (patient["resourceType"], patient["id"]) == ("Patient", "amara-okoye")
    dates = [entry["resource"]["effectiveDateTime"] for entry in observations["entry"]]
    assert len(dates) == 5
    assert dates == sorted(dates, reverse=True)
    (report,) = [e["resource"] for e in reports["entry"] if e["search"]["mode"] == "match"]
    included = {f"Observation/{e['resource']['id']}" for e in reports["entry"] if e["search"]["mode"] == "include"}
    assert included == {result["reference"] for result in report["result"]}
    assert len(included) == 6


def check_login(out: str, port: int) -> None:
    name, password, _ = passwords(out)[0].split()
    form = {"grant_type": "password", "username": name, "password": password}
    answer = httpx.post(f"http://127.0.0.1:{port}/oauth2/token", data=form)
    assert answer.status_code == 200
    token = answer.json()["access_token"]
    read = httpx.get(
        f"http://127.0.0.1:{port}/fhir/R4/Patient/amara-okoye", headers={"Authorization": f"Bearer {token}"}
    )
    assert read.status_code == 200


def check_dropped_file(out: str, port: int) -> None:
    inbox = Path(next(line.split()[1] for line in out.splitlines() if line.startswith("  Inbox")))
    sample = Path(inbox.parent / "processed")
    message = (
        next(sample.rglob("6-coagulation.hl7")).read_text().replace("LAB-1016", "LAB-2016").replace("0006", "0106")
    )
    (inbox / "mine.hl7").write_text(message)
    token = next(line.strip() for line in out.splitlines() if line.startswith("  ey"))
    query = {"identifier": "LAB-2016", "_include": "DiagnosticReport:result"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}/fhir/R4", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        found = until(lambda: client.get("/DiagnosticReport", params=query).json().get("entry"), "the report")
    assert sorted(entry["resource"]["resourceType"] for entry in found) == ["DiagnosticReport", *["Observation"] * 4]


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _printed(log: Path) -> str | None:
    text = log.read_text()
    return text if text.rstrip().endswith("fhir-lab messages") else None


def test_the_demo_keeps_away_from_a_configured_database(folder: Path) -> None:
    settings = {"FHIR_LAB_DATABASE_URL": "postgresql+psycopg://lab@127.0.0.1/production"}
    done = run("fhir-lab", "demo", folder=folder, settings=settings)
    assert done.code == 2
    assert done.err.startswith("The demo uses SQLite under var/: unset FHIR_LAB_DATABASE_URL")
    assert list(folder.iterdir()) == []


def test_a_port_that_is_taken_is_told_in_one_line(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = demo(folder, taken.getsockname()[1])
    assert done.code == 1
    assert done.err.endswith("Address already in use. Choose another with --port.\n")


@pytest.mark.parametrize("options", [["--all-in-one", "--workers", "2"]])
def test_one_process_cannot_be_several(sqlite_installation: Path, options: list[str]) -> None:
    done = run("fhir-lab", "serve", *options, folder=sqlite_installation)
    assert (done.code, "--all-in-one is one process" in done.err) == (2, True)
