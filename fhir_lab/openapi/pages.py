"""The HTML of the documentation: an index of the types, and one page that runs Swagger UI on a document.

Everything is served by this server and nothing is inline, so it works offline and under a strict content policy.
"""

from collections.abc import Iterable
from html import escape

from fhir_lab.openapi.examples import WORKED

_PURPOSES = {
    "Patient": "Who the results are about.",
    "ServiceRequest": "What was ordered, for whom, by whom.",
    "Specimen": "What was taken and received.",
    "Observation": "One result, with unit and reference range.",
    "DiagnosticReport": "The results of an order, as reported.",
}
_GENERAL = {
    "first-steps": ("First steps", "From a patient to a result on one page, filled in."),
    "system": ("Whole system", "Capabilities, transactions, history of everything."),
    "laboratory": ("Laboratory API", "Messages, authorization, health: what is not FHIR."),
}


def swagger_page(prefix: str, name: str) -> str:
    """The page that shows the document `/openapi/{name}.json`; `prefix` is the path of the public URL."""
    title = _GENERAL[name][0] if name in _GENERAL else name
    root, document = escape(prefix), f"{escape(prefix)}/openapi/{escape(name)}.json"
    head = f"""<link rel="stylesheet" href="{root}/docs/assets/swagger-ui.css">
<script src="{root}/docs/assets/swagger-ui-bundle.js" defer></script>
<script src="{root}/docs/assets/init.js" defer></script>"""
    body = f"""<nav class="top"><a href="{root}/docs">All documents</a></nav>
<main id="swagger-ui" data-document="{document}"></main>
<noscript><p>This page needs JavaScript; the document itself is <a href="{document}">here</a>.</p></noscript>"""
    return _page(prefix, f"{title} - FHIR Lab", head, body)


def index_page(prefix: str, types: Iterable[str]) -> str:
    """The list of all documents, those of the laboratory first."""
    general = [_card(prefix, name, *words) for name, words in _GENERAL.items()]
    worked = [_card(prefix, name, name, _PURPOSES[name]) for name in WORKED]
    others = [_link(prefix, name, name) for name in types if name not in WORKED]
    body = f"""<main class="index">
<h1>FHIR Lab: the API</h1>
<p>Each document can be tried out in the browser: authorize, then send requests.
New here? Begin with {_link(prefix, "first-steps", "First steps")}.</p>
{_section("Everywhere", "cards", general)}
{_section("Laboratory resources", "cards", worked)}
{_section("Every other resource type of R4", "columns", others)}
</main>"""
    return _page(prefix, "API documents - FHIR Lab", "", body)


def _section(title: str, style: str, items: Iterable[str]) -> str:
    listed = "\n".join(f"<li>{item}</li>" for item in items)
    return f'<section><h2>{escape(title)}</h2><ul class="{style}">\n{listed}\n</ul></section>'


def _page(prefix: str, title: str, head: str, body: str) -> str:
    assets = f"{escape(prefix)}/docs/assets"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" type="image/png" href="{assets}/favicon-32x32.png">
<link rel="stylesheet" href="{assets}/docs.css">
{head}
</head>
<body>
{body}
</body>
</html>
"""


def _card(prefix: str, name: str, title: str, purpose: str) -> str:
    return f"{_link(prefix, name, title)}<span>{escape(purpose)}</span>"


def _link(prefix: str, name: str, title: str) -> str:
    return f'<a href="{escape(prefix)}/docs/{escape(name)}">{escape(title)}</a>'
