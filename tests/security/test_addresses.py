"""Which server a token is for, while nobody has chosen a public URL."""

from pathlib import Path

import pytest

from fhir_lab.commands.common import listen
from fhir_lab.outcomes import Unauthorized
from fhir_lab.security.tokens import authenticate, issue
from fhir_lab.services import Services
from fhir_lab.settings import Settings


def installation(var: Path, **chosen: str) -> Services:
    return Services(Settings(_env_file=None, var=var, **chosen))


def test_links_follow_the_port_the_server_listens_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().fhir_base == "http://127.0.0.1:8000/fhir/R4"
    listen("0.0.0.0", 9001)
    assert Settings().fhir_base == "http://127.0.0.1:9001/fhir/R4"
    listen("::1", 9002)
    assert Settings().fhir_base == "http://[::1]:9002/fhir/R4"
    assert Settings(public_url="https://lab.example/").fhir_base == "https://lab.example/fhir/R4"


def test_a_token_made_before_the_port_was_known_is_good(tmp_path: Path) -> None:
    token = issue(installation(tmp_path), subject="x", scopes="system/*.r")
    (tmp_path / "address").write_text("http://127.0.0.1:9001\n")
    assert authenticate(installation(tmp_path), token, "r").subject == "x"


def test_a_chosen_public_url_takes_tokens_for_itself_alone(tmp_path: Path) -> None:
    token = issue(installation(tmp_path), subject="x", scopes="system/*.r")
    with pytest.raises(Unauthorized):
        authenticate(installation(tmp_path, public_url="https://lab.example"), token, "r")


def test_a_token_for_a_public_url_is_not_good_on_this_machine(tmp_path: Path) -> None:
    token = issue(installation(tmp_path, public_url="https://lab.example"), subject="x", scopes="system/*.r")
    with pytest.raises(Unauthorized):
        authenticate(installation(tmp_path), token, "r")
