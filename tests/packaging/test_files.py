"""The files around the code say the same as the code: settings, pinned versions, what gets into the package."""

import os
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fhir_lab.cli import app
from fhir_lab.settings import Settings
from tests.support import env_example

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("fhir_lab", "mappers", "conformance", "migrations")


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def requirements() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [Requirement(text) for group in [PROJECT["project"]["dependencies"], *extras] for text in group]


def test_the_example_lists_every_setting_with_its_reason() -> None:
    assert (ROOT / ".env.example").read_text() == env_example.render()
    assert all(field.description for field in Settings.model_fields.values())


def test_the_example_read_as_it_stands_changes_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uncommented = re.sub(r"^#(FHIR_LAB_)", r"\1", env_example.render(), flags=re.MULTILINE)
    kept = [line for line in uncommented.splitlines() if not line.endswith("=")]
    (tmp_path / ".env").write_text("\n".join(kept))
    assert Settings() == Settings(_env_file=None)


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_direct_dependency_is_pinned_within_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_every_data_file_of_the_code_is_part_of_the_package() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file()]
    data = [file for file in files if file.suffix not in (".py", ".pyc")]
    assert data
    assert [file for file in data if not any(fnmatch(file.name, pattern) for pattern in patterns)] == []


def test_the_readme_names_only_commands_settings_and_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    commands = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback}
    commands |= {group.name for group in app.registered_groups if group.name}
    named = set(re.findall(r"fhir-lab ([a-z]+)", text))
    assert named - commands == set()
    settings = {f"FHIR_LAB_{name.upper()}" for name in Settings.model_fields}
    tests_only = {"FHIR_LAB_TEST_POSTGRES_URL", "FHIR_LAB_TEST_REDIS_URL", "FHIR_LAB_TEST_REQUIRE_ALL"}
    assert set(re.findall(r"FHIR_LAB_[A-Z_]+", text)) - settings - tests_only == set()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_index_of_the_documents_lists_each_of_them() -> None:
    listed = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", (ROOT / "docs" / "README.md").read_text()))
    assert listed == {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_the_script_of_continuous_integration_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")


def test_the_conformance_page_names_every_rule_once_and_only_tests_that_exist() -> None:
    text = (ROOT / "docs/conformance.md").read_text()
    rules: list[int] = []
    for first, between, last in re.findall(r"^\| (\d+)(?:(, | to )(\d+))? ", text, flags=re.MULTILINE):
        rules += range(int(first), int(last) + 1) if between == " to " else map(int, filter(None, (first, last)))
    assert rules == list(range(1, 49))
    named = re.findall(r"`((?:[a-z0-9_]+/)+(?:test_[a-z0-9_]+\.py)?)`", text)
    assert len(named) > 50
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
