"""The command as a whole: what it lists, how fast it starts, how it tells what is wrong."""

import json
from pathlib import Path

import pytest

from fhir_lab.settings import Settings
from tests.support.commands import call, run

COMMANDS = [
    "demo",
    "serve",
    "worker",
    "beat",
    "watch",
    "migrate",
    "load",
    "adopt",
    "reindex",
    "token",
    "user",
    "messages",
    "doctor",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_each_command_and_each_explains_itself(command: str) -> None:
    assert f" {command} " in call("--help").out
    explained = call(command, "--help")
    assert explained.code == 0
    assert "Usage" in explained.out


def test_a_token_is_printed_within_a_second(folder: Path) -> None:
    runs = [run("fhir-lab", "token", folder=folder) for _ in range(4)]
    assert [done.code for done in runs] == [0] * 4
    assert min(done.seconds for done in runs) < 1


@pytest.mark.parametrize("command", [["messages"], ["user", "list"], ["reindex"], ["serve"], ["watch"], ["load", "."]])
def test_a_command_on_a_database_without_schema_says_what_to_run(folder: Path, command: list[str]) -> None:
    (folder / "one.json").write_text("{}")
    done = call(*command)
    assert (done.code, done.err) == (1, "The database has no schema, or an old one. Run: fhir-lab migrate\n")


def test_a_database_that_is_down_is_one_line_not_a_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_LAB_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    done = call("messages")
    assert done.code == 1
    assert done.err.startswith("The database does not answer.")
    assert done.err.count("\n") == 1


def test_wrong_settings_are_named_each_on_its_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_LAB_TIMEZONE", "Mars/Olympus")
    monkeypatch.setenv("FHIR_LAB_TOKEN_TTL", "soon")
    done = call("token")
    assert done.code == 2
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["FHIR_LAB_TIMEZONE", "FHIR_LAB_TOKEN_TTL"]


@pytest.mark.parametrize(
    "written", ["https://a.example, https://b.example", '["https://a.example","https://b.example"]']
)
def test_a_list_setting_is_parted_by_commas_or_json(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("FHIR_LAB_CORS_ORIGINS", written)
    assert Settings(_env_file=None).cors_origins == ("https://a.example", "https://b.example")


def test_a_list_setting_that_is_neither_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_LAB_CORS_ORIGINS", '["https://a.example"')
    done = call("token")
    assert done.code == 2
    assert done.err.startswith("FHIR_LAB_CORS_ORIGINS: ")


def test_migrate_creates_the_schema_and_then_says_it_is_there(folder: Path) -> None:
    assert "migrated to" in call("migrate").out
    assert "already at" in call("migrate").out


def test_messages_of_an_empty_journal_are_an_empty_list(sqlite_installation: Path) -> None:
    assert json.loads(call("messages", "--json").out) == []
    assert json.loads(call("messages", "list", "--json").out) == []


def test_an_unknown_message_and_an_unknown_state_are_refused(sqlite_installation: Path) -> None:
    assert call("messages", "show", "nothing").err == "There is no message with the id 'nothing' in the journal.\n"
    wrong = call("messages", "list", "--state", "lost")
    assert wrong.code == 2
    assert "states are received, processed, quarantined, failed, duplicate" in wrong.err
