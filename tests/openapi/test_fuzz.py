"""schemathesis sends what the documents allow, and what they don't: no 5xx, and nothing that is not documented.

A bounded part, always the same; `make fuzz` does it for every type and for longer, and writes docs/fuzzing.md.
"""

from pathlib import Path

import pytest

from tests.support.fuzzing import Findings, fuzz, fuzzed_app

DOCUMENTS = {
    "sqlite": ("Patient", "ServiceRequest", "Specimen", "Binary", "system", "laboratory"),
    "postgresql": ("Observation", "DiagnosticReport", "ValueSet"),
}


@pytest.mark.parametrize("database", DOCUMENTS)
def test_no_request_gets_an_error_of_the_server_or_an_undocumented_answer(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("bare_postgres_url") if database == "postgresql" else f"sqlite:///{tmp_path}/fuzz.db"
    with fuzzed_app(tmp_path, url) as (app, token):
        found = {name: fuzz(app, name, token, examples=1) for name in DOCUMENTS[database]}
    assert {name: each.failures for name, each in found.items() if each.failures} == {}
    for each in found.values():
        assert each.requests > 100
        assert each.statuses[200] > 20
        assert each.statuses[400] > 20


def test_an_error_of_the_server_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("fhir_lab.interactions.capabilities.terminology_capabilities", broken)
    monkeypatch.setattr("fhir_lab.interactions.capabilities.statement", broken)
    with fuzzed_app(tmp_path, f"sqlite:///{tmp_path}/fuzz.db") as (app, token):
        found: Findings = fuzz(app, "system", token, examples=1, only="/metadata")
    assert found.statuses[500] > 0
    assert any("not_a_server_error" in name for name in found.failures)
