"""Lets schemathesis loose on the app by one of its own OpenAPI documents, and tells what it found.

https://schemathesis.readthedocs.io
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from fhir_lab.app import create_app
from fhir_lab.sandbox import samples
from fhir_lab.security.access import system
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import schema

# What must hold of every answer. That every document is accepted which the schema allows is not among them: a JSON
# schema cannot say all that FHIR asks for.
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@dataclass
class Findings:
    """The answers by status, and each failure once by its operation, with a line that repeats it."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.statuses.total()

    def add(self, event: events.EngineEvent) -> None:
        """Take what a scenario of the engine recorded."""
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            self.failures[f"{event.label}: error of the generator"] = str(event.info)
        if not isinstance(event, events.ScenarioFinished):
            return
        recorder = event.recorder
        self.statuses.update(each.response.status_code for each in recorder.interactions.values() if each.response)
        for case_id, checks in recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    name = f"{recorder.label}: {check.name}: {failure.title}"
                    request = recorder.cases[case_id].value.as_curl_command()
                    self.failures.setdefault(name, f"{failure.message[:600]}\n{request[:1500]}")


@contextmanager
def fuzzed_app(folder: Path, database_url: str) -> Iterator[tuple[FastAPI, str]]:
    """The app on an empty database, which gets the schema and the sample data, and a token for everything."""
    settings = Settings(_env_file=None, var=folder, database_url=database_url, secret_key="s" * 32)
    services = Services(settings)
    try:
        schema.upgrade(services.database)
        samples.load(services, system("samples", "samples"))
        yield create_app(services=services), issue(services, subject="fuzz", scopes="system/*.cruds")
    finally:
        services.close()


def fuzz(app: FastAPI, document: str, token: str, *, examples: int, seed: int = 1, only: str = "") -> Findings:
    """Send what `/openapi/{document}.json` allows, and what it does not, to every operation in it.

    The values at the edges of each schema come first, then `examples` random requests for each operation. The same
    seed sends the same requests. `only` is the one path to test.
    """
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "headers": {"Authorization": f"Bearer {token}"},
            "cache": {"enabled": False},
            "generation": {"deterministic": True, "max-examples": examples, "no-shrink": True, "database": "none"},
            "checks": {"enabled": False} | {name: {"enabled": True} for name in CHECKS},
            "phases": {"stateful": {"enabled": False}},
        }
    )
    loaded = schemathesis.openapi.from_asgi(f"/openapi/{document}.json", app, config=config)
    found = Findings()
    for event in from_schema(loaded.include(path=only) if only else loaded).execute():
        found.add(event)
    return found
