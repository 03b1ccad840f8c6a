"""Leaves the browser tests out where there is no Chromium, and says so; where every part must be tested, that fails."""

import os

import pytest

from tests.support.chromium import executable

FOUND = executable()
REQUIRED = os.environ.get("CI") == "true" or os.environ.get("FHIR_LAB_TEST_REQUIRE_ALL") == "1"
collect_ignore_glob = [] if FOUND else ["test_*.py"]

if REQUIRED and not FOUND:
    raise pytest.UsageError("This run must test the pages in a browser, and there is no Chromium.")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the browser below the last test."""
    terminalreporter.write_line(f"browser: {FOUND or 'NOT TESTED, no Chromium on this machine'}")
