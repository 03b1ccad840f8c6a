"""The documentation pages load nothing from elsewhere, run nothing inline, and none of their links is broken."""

import re
from html.parser import HTMLParser

import pytest
from starlette.types import ASGIApp

from fhir_lab.app import create_app
from fhir_lab.services import Services
from tests.support.asgi import call

LOADING = {"href", "src", "data-document", "action", "srcset", "poster"}


class Page(HTMLParser):
    """The links of a page, and whatever a strict content policy would block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.inline: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links |= {value or "" for name, value in attrs if name in LOADING}
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" else []
        self._script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append(data)


@pytest.fixture
def app(sqlite_services: Services) -> ASGIApp:
    return create_app(services=sqlite_services)


@pytest.mark.parametrize("path", ["/docs", "/docs/Patient", "/docs/first-steps", "/docs/laboratory", "/docs/system"])
def test_a_page_has_a_strict_policy_and_keeps_it(app: ASGIApp, path: str) -> None:
    response = call(app, "GET", path)
    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert Page(response.text).inline == []


def test_every_link_stays_here_and_leads_somewhere(app: ASGIApp) -> None:
    seen: set[str] = set()
    waiting = {"/docs"}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        response = call(app, "GET", path)
        assert response.status_code == 200, path
        if response.headers["Content-Type"].startswith("text/html"):
            links = Page(response.text).links
            assert [link for link in links if not link.startswith(("/docs", "/openapi/"))] == []
            waiting |= links - seen
    assert len([path for path in seen if path.startswith("/openapi/")]) >= 149


def test_a_style_sheet_loads_nothing_from_elsewhere(app: ASGIApp) -> None:
    for name in ("docs.css", "swagger-ui.css"):
        text = call(app, "GET", f"/docs/assets/{name}").text
        assert "@import" not in text
        assert re.findall(r"url\((?![\"']?data:)", text) == [], name


@pytest.mark.parametrize(
    "path",
    [
        "/docs/Patiant",
        "/openapi/Patiant.json",
        "/docs/assets/index.html",
        "/docs/assets/..%2fpages.py",
        "/docs/assets/%2e%2e/routes.py",
        "/docs/<script>",
    ],
)
def test_what_is_not_there_is_not_found(app: ASGIApp, path: str) -> None:
    response = call(app, "GET", path)
    assert response.status_code == 404
    assert not response.headers["Content-Type"].startswith("text/html")


def test_a_misspelt_type_is_answered_with_the_nearest(app: ASGIApp) -> None:
    assert "Did you mean 'Patient'?" in call(app, "GET", "/openapi/Patiant.json").text


def test_below_a_path_prefix_every_link_has_it(sqlite_services: Services) -> None:
    update = {"public_url": "https://lab.example/lis", "password_grant": True}
    sqlite_services.settings = sqlite_services.settings.model_copy(update=update)
    app = create_app(services=sqlite_services)
    links = Page(call(app, "GET", "/docs/Patient").text).links | Page(call(app, "GET", "/docs").text).links
    assert [link for link in links if not link.startswith("/lis/")] == []
    document = call(app, "GET", "/openapi/Patient.json").json()
    assert document["servers"] == [{"url": "/lis/fhir/R4"}]
    assert document["components"]["securitySchemes"]["login"]["flows"]["password"]["tokenUrl"] == "/lis/oauth2/token"
