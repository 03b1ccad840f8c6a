"""The Prefer header."""

import pytest

from fhir_lab.http.prefer import Preferences, applied, parse


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preferences()),
        ("return=minimal", Preferences("minimal")),
        ("Return=OperationOutcome, handling=lenient", Preferences("OperationOutcome", "lenient")),
        ('return="representation"; foo=bar', Preferences("representation")),
        ("respond-async, wait=10", Preferences()),
        ("return=nonsense, handling=harsh", Preferences()),
        ("return=minimal, return=representation", Preferences("minimal")),
    ],
)
def test_known_preferences_are_read_and_others_ignored(header: str, expected: Preferences) -> None:
    assert parse(header) == expected


def test_only_what_was_honoured_is_said_to_be_applied() -> None:
    assert applied("return=minimal, handling=strict", writing=True) == "return=minimal, handling=strict"
    assert applied("return=minimal, handling=strict", writing=False) == "handling=strict"
    assert applied("respond-async", writing=True) == ""
