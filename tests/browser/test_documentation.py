"""A browser shows the documentation under its strict policy, offline, and a person gets from login to results in it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from fhir_lab.app import create_app
from fhir_lab.security.access import system
from fhir_lab.security.users import register
from fhir_lab.services import Services
from fhir_lab.storage.unit import Unit
from tests.support.chromium import Page, chromium

PASSWORD = "correct horse battery"
FILL_IN = """(() => {
  const fill = (selector, text) => {
    const input = document.querySelector(selector);
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, text);
    input.dispatchEvent(new Event("input", {bubbles: true}));
  };
  fill("#oauth_username", "tess");
  fill("#oauth_password", "%s");
  [...document.querySelectorAll(".modal-ux .authorize")].at(-1).click();
})()"""


@contextlib.contextmanager
def _served(services: Services) -> Iterator[str]:
    """The app on a free port, as its own public URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        services.settings = services.settings.model_copy(update={"public_url": url, "password_grant": True})
        config = uvicorn.Config(create_app(services=services), log_level="error", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield url
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def site(sqlite_services: Services) -> Iterator[str]:
    services = sqlite_services
    services.database.transact(
        lambda connection: register(
            Unit(connection, system("r1"), services), name="tess", password=PASSWORD, role="technician"
        )
    )
    with _served(services) as url:
        yield url


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "profile") as found:
        yield found


def _open(page: Page, url: str, operations: int) -> None:
    page.open(url)
    page.until(f"document.querySelectorAll('.opblock').length >= {operations}")


def _log_in(page: Page) -> None:
    page.run("document.querySelector('.btn.authorize').click()")
    page.until("document.querySelector('#oauth_password')")
    page.run(FILL_IN % PASSWORD)
    page.until("[...document.querySelectorAll('.modal-ux h6')].some(e => e.innerText === 'Authorized')")
    page.run("document.querySelector('.modal-ux .close-modal').click()")


def _execute(page: Page, number: int) -> str:
    """Open the operation of this number, send it as it is filled in; the status that came back."""
    block = f"document.querySelectorAll('.opblock')[{number}]"
    page.run(f"{block}.querySelector('.opblock-summary-control').click()")
    page.until(f"{block}.querySelector('.execute')")
    # Swagger UI resolves the operation behind the button it has drawn already; a person takes longer to click.
    page.run("new Promise(done => setTimeout(() => requestIdleCallback(done), 300))")
    page.run(f"{block}.querySelector('.execute').click()")
    page.until(f"{block}.querySelector('.live-responses-table .response-col_status')")
    return str(page.run(f"{block}.querySelector('.live-responses-table tbody .response-col_status').innerText")).strip()


def test_the_documents_are_shown_under_the_policy_and_nothing_is_loaded_from_elsewhere(site: str, page: Page) -> None:
    for name, operations in (("Patient", 11), ("Observation", 11), ("system", 3), ("laboratory", 6)):
        _open(page, f"{site}/docs/{name}", operations)
    page.open(f"{site}/docs")
    page.until("document.querySelectorAll('.cards a').length === 8")
    assert page.complaints == []
    assert [url for url in page.requested if not url.startswith((f"{site}/", "data:"))] == []


def test_the_policy_is_in_force(site: str, page: Page) -> None:
    _open(page, f"{site}/docs/Patient", 11)
    page.run("document.head.append(Object.assign(document.createElement('script'), {text: 'window.inline = 1'}))")
    page.run("fetch('http://127.0.0.1:9/').catch(() => 0)")
    assert page.run("window.inline") is None
    assert len([text for text in page.complaints if "Content Security Policy" in text or "script-src" in text]) >= 2


def test_a_person_logs_in_and_gets_from_a_patient_to_results_by_clicking(site: str, page: Page) -> None:
    _open(page, f"{site}/docs/first-steps", 7)
    _log_in(page)
    assert [_execute(page, number) for number in range(7)] == ["201"] * 5 + ["200"] * 2
    assert "example-glucose" in page.run("document.querySelectorAll('.opblock')[5].innerText")
    assert page.complaints == []


def test_one_login_serves_the_pages_of_all_types_and_no_password_is_kept(site: str, page: Page) -> None:
    _open(page, f"{site}/docs/Patient", 11)
    _log_in(page)
    _open(page, f"{site}/docs/Observation", 11)
    page.until("document.querySelector('.btn.authorize.locked')")
    assert _execute(page, 1) == "200"
    kept = page.run("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert "fhir-lab-token" in kept
    assert PASSWORD not in kept
