"""docker-compose.yml and Dockerfile, read: every process is there, is checked, and gets settings that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_lab.settings import Settings
from tests.support.commands import call

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("build")]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def test_every_process_of_an_installation_is_a_service() -> None:
    assert set(SERVICES) == {"postgres", "redis", "api", "worker", "beat", "watcher", "flower"}
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["flower"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_and_what_it_needs_is_healthy_first(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    needed = service.get("depends_on", {})
    assert all(SERVICES[other] and how == {"condition": "service_healthy"} for other, how in needed.items())


@pytest.mark.parametrize("name", OURS)
def test_the_services_get_settings_that_exist(name: str) -> None:
    settings = {f"FHIR_LAB_{field.upper()}" for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= settings


def test_only_the_api_migrates_and_the_others_wait_for_it() -> None:
    migrating = [name for name in OURS if "--migrate" in SERVICES[name]["command"]]
    assert migrating == ["api"]
    assert all("api" in SERVICES[name]["depends_on"] for name in ("worker", "beat", "watcher"))


@pytest.mark.parametrize("name", [name for name in OURS if SERVICES[name]["command"][0] == "fhir-lab"])
def test_commands_and_health_checks_are_commands_with_options_that_exist(name: str) -> None:
    check = SERVICES[name]["healthcheck"]["test"][1:]
    for command in (SERVICES[name]["command"], check):
        explained = call(command[1], "--help")
        assert explained.code == 0
        assert all(option in explained.out for option in command if option.startswith("--"))


def test_the_image_runs_without_root_and_holds_no_build_tools() -> None:
    assert instructions("USER") == ["fhir-lab"]
    assert len(instructions("FROM")) == 2
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert "pip" not in last
    assert '["fhir-lab", "serve", "--migrate", "--host", "0.0.0.0"]' in last


def test_everything_the_image_copies_exists_and_is_let_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [part for line in instructions("COPY") if not line.startswith("--from") for part in line.split()[:-1]]
    assert {"fhir_lab", "mappers", "conformance", "migrations", "pyproject.toml"} <= set(copied)
    assert all((ROOT / part).exists() and f"!{part}" in ignored for part in copied)
