"""The processes of docker-compose.yml, started with the very commands it names, on real PostgreSQL and Redis."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.commands import run, running, stop, until
from tests.support.private_servers import free_port

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@dataclass(frozen=True)
class Installation:
    """A running installation: where it is, and how its processes see it."""

    folder: Path
    settings: dict[str, str]
    url: str
    processes: dict[str, subprocess.Popen[bytes]]

    def healthy(self, service: str) -> bool:
        """What the container's health check says."""
        assert self.processes[service].poll() is None, (self.folder / f"{service}.log").read_text()[-2000:]
        check = SERVICES[service]["healthcheck"]["test"][1:]
        port = ["--port", self.url.rpartition(":")[2]] if service == "api" else []
        return run(*check, *port, folder=self.folder, settings=self.settings).code == 0


@pytest.fixture
def installation(tmp_path: Path, bare_postgres_url: str, redis_url: str) -> Iterator[Installation]:
    """API, worker, beat and watcher as processes of their own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    named = set(SERVICES["api"]["environment"])
    settings = {
        "FHIR_LAB_DATABASE_URL": bare_postgres_url,
        "FHIR_LAB_BROKER_URL": redis_url,
        "FHIR_LAB_REDIS_URL": redis_url,
        "FHIR_LAB_PUBLIC_URL": url,
        "FHIR_LAB_VAR": str(tmp_path / "state"),
        "FHIR_LAB_INBOX": str(tmp_path / "exchange" / "inbox"),
    }
    assert set(settings) == named
    found = Installation(tmp_path, settings, url, {})
    with ExitStack() as stack:
        for service in ("api", "worker", "beat", "watcher"):
            extra = ["--port", str(port)] if service == "api" else []
            command = [*SERVICES[service]["command"], *extra]
            process = stack.enter_context(running(*command, folder=tmp_path, settings=settings, name=service))
            found.processes[service] = process
            if service == "api":
                until(lambda: _answers(f"{url}/readyz"), "the API's readiness")
        yield found


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def drop(name: str, inbox: Path) -> None:
    """Put a sample message into the inbox."""
    with resources.as_file(resources.files("fhir_lab.sandbox").joinpath("messages", name)) as file:
        shutil.copy(file, inbox / name)


def test_a_file_in_the_inbox_becomes_a_report_that_a_client_reads(installation: Installation) -> None:
    for service in ("api", "worker", "beat", "watcher"):
        until(partial(installation.healthy, service), f"health of {service}")
    drop("1-chemistry.hl7", Path(installation.settings["FHIR_LAB_INBOX"]))
    token = run("fhir-lab", "token", folder=installation.folder, settings=installation.settings).out.strip()
    with httpx.Client(base_url=f"{installation.url}/fhir/R4", headers={"Authorization": f"Bearer {token}"}) as client:
        query = {"_include": "DiagnosticReport:result"}
        bundle = until(lambda: _some(client.get("/DiagnosticReport", params=query).json()), "the report")
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert sorted(types) == ["DiagnosticReport", *["Observation"] * 6]
    potassium = [e["resource"] for e in bundle["entry"] if "2823-3" in str(e["resource"].get("code"))]
    assert potassium[0]["valueQuantity"]["value"] == 6.3
    shown = run("fhir-lab", "messages", "--json", folder=installation.folder, settings=installation.settings).out
    assert '"file": "1-chemistry.hl7"' in shown
    assert '"state": "processed"' in shown


def _some(bundle: dict[str, Any]) -> dict[str, Any] | None:
    return bundle if bundle.get("total") else None


def test_flower_shows_the_tasks_of_the_same_broker(tmp_path: Path, bare_postgres_url: str, redis_url: str) -> None:
    port = free_port()
    settings = {"FHIR_LAB_DATABASE_URL": bare_postgres_url, "FHIR_LAB_BROKER_URL": redis_url}
    command = [part.replace("5555", str(port)) for part in SERVICES["flower"]["command"]]
    check = [part.replace("5555", str(port)) for part in SERVICES["flower"]["healthcheck"]["test"][1:]]
    with running(*command, folder=tmp_path, settings=settings, name="flower"):
        until(lambda: _answers(f"http://127.0.0.1:{port}/healthcheck"), "flower's page")
        assert run(*check, folder=tmp_path).code == 0


def test_one_process_can_be_the_whole_installation(tmp_path: Path) -> None:
    port = free_port()
    settings = {"FHIR_LAB_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    command = ["fhir-lab", "serve", "--all-in-one", "--migrate", "--port", str(port)]
    with running(*command, folder=tmp_path, settings=settings, name="all") as process:
        until(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), "readiness")
        drop("6-coagulation.hl7", tmp_path / "var" / "inbox")
        journal = partial(run, "fhir-lab", "messages", "list", "--state", "processed", "--json", folder=tmp_path)
        (entry,) = until(lambda: json.loads(journal().out), "the journal's entry")
        assert (entry["file"], entry["obx_in"], entry["obx_stored"]) == ("6-coagulation.hl7", 4, 4)
        assert stop(process) == 0
    assert len(list((tmp_path / "var" / "processed").rglob("6-coagulation.hl7"))) == 1
