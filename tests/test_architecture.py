"""The house rules of the design, held by tests: who imports whom, and how large a file or function may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for part in ("fhir_lab", "mappers", "conformance") for path in (ROOT / part).rglob("*.py"))
EDGES = ("fhir_lab.app", "fhir_lab.cli", "fhir_lab.worker", "fhir_lab.commands")
WEB = ("fastapi", "starlette", "uvicorn")

# What the modules under a prefix must not import.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "mappers": (*WEB, "sqlalchemy", "fhir_lab.storage", "fhir_lab.http", "fhir_lab.interactions", "celery"),
    "conformance": (*WEB, "sqlalchemy", "fhir_lab"),
    "fhir_lab.storage": (*WEB, "fhir_lab.http", "fhir_lab.interactions", "fhir_lab.ingest", "celery", *EDGES),
    "fhir_lab.search": (*WEB, "fhir_lab.http", "fhir_lab.interactions", "fhir_lab.ingest", "celery", *EDGES),
    "fhir_lab.terminology": (*WEB, "sqlalchemy", "fhir_lab.storage", "fhir_lab.http", "fhir_lab.interactions", *EDGES),
    "fhir_lab.validation": (*WEB, "sqlalchemy", "fhir_lab.storage", "fhir_lab.http", "fhir_lab.interactions"),
    "fhir_lab.lab": (*WEB, "fhir_lab.http", "fhir_lab.interactions", "fhir_lab.operations", "fhir_lab.ingest", *EDGES),
    "fhir_lab.operations": ("fhir_lab.ingest", "fhir_lab.subscriptions", *WEB, *EDGES),
    "fhir_lab.interactions": ("fhir_lab.ingest", "fhir_lab.subscriptions", "fhir_lab.operations", *EDGES),
    "fhir_lab.bulk": (
        *WEB,
        "fhir_lab.ingest",
        "fhir_lab.subscriptions",
        "fhir_lab.operations",
        *EDGES,
    ),
    "fhir_lab.ingest": ("fhir_lab.interactions", "fhir_lab.subscriptions", "fhir_lab.operations", *EDGES),
    "fhir_lab.subscriptions": ("fhir_lab.interactions", "fhir_lab.ingest", "fhir_lab.operations", *WEB, *EDGES),
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    name = module_of(path)
    banned = [part for prefix, parts in FORBIDDEN.items() if within(name, prefix) for part in parts]
    assert [found for found in imports(path) if any(within(found, part) for part in banned)] == []


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_only_storage_and_search_build_statements(path: Path) -> None:
    name = module_of(path)
    if within(name, "fhir_lab.storage") or within(name, "fhir_lab.search"):
        return
    allowed = ("sqlalchemy.exc", "sqlalchemy.Connection")
    assert [found for found in imports(path) if within(found, "sqlalchemy") and not found.startswith(allowed)] == []


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text))
