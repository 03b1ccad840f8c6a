"""The parameters of an interaction as OpenAPI parameters, each search parameter with its sentence of help.

https://spec.openapis.org/oas/v3.0.3#parameter-object https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterable
from typing import Any

import conformance
from fhir_lab.openapi.texts import HEADERS, PARAMETERS
from fhir_lab.search.registry import Registry

Json = dict[str, Any]
RESULT_PARAMETERS = ("_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_total")
# What the pages fill in, so that a search sent unchanged finds the worked examples.
# Any search parameter may be a criterion of a conditional write; these are what one is usually found by.
CRITERIA = ("identifier", "_id")
PREFILLED = {("Observation", "patient"): "example-patient", ("DiagnosticReport", "patient"): "example-patient"}
_KINDS = {
    "composite": "several values of one element, separated by `$`",
    "date": "a date such as `2026-04`, with a prefix such as `ge`",
    "fulltext": 'words that must all be there; also "a phrase", OR, -word, word*',
    "number": "a number, with a prefix such as `gt`",
    "phonetic": "a name, or one that sounds like it",
    "position": "`latitude|longitude|distance|unit`, such as `52.5|13.4|10|km`",
    "quantity": "`number|system|code` or a number, with a prefix such as `gt`",
    "reference": "a reference such as `Patient/1`, or the id alone",
    "string": "the beginning of a text; case and accents do not matter",
    "token": "a code, or `system|code`",
    "uri": "a URI, compared exactly",
}


def search_parameters(registry: Registry, resource_type: str) -> dict[str, Json]:
    """What a search of the type takes, by name: parameters of the type, of every type, and those for the answer."""
    found = sorted(
        registry.of(resource_type).values(), key=lambda parameter: (parameter.code[0] == "_", parameter.code)
    )
    kinds = {parameter.code: parameter.kind for parameter in found} | dict.fromkeys(RESULT_PARAMETERS, "")
    return {code: query(code, search_help(resource_type, code, kind), resource_type) for code, kind in kinds.items()}


def common_parameters(registry: Registry) -> dict[str, Json]:
    """What a search of several types takes, by name: parameters of every type, and those for the answer."""
    known = search_parameters(registry, registry.types[0])
    return {code: known[code] for code in (*sorted(registry.common), *RESULT_PARAMETERS)}


def search_help(resource_type: str, code: str, kind: str) -> str:
    """The sentence of `conformance/` on this parameter, or what its kind takes."""
    return conformance.search_help(resource_type, code) or f"{kind.capitalize()}: {_KINDS.get(kind, 'see R4')}."


def query(name: str, description: str, resource_type: str = "") -> Json:
    """One parameter of a query string."""
    prefilled = PREFILLED.get((resource_type, name))
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string"},
        **({"example": prefilled} if prefilled else {}),
    }


def queries(names: Iterable[str]) -> list[Json]:
    """Parameters that are not search parameters, by name."""
    return [query(name, PARAMETERS.get(name, "")) for name in names]


def headers(names: Iterable[str]) -> list[Json]:
    """Request headers, by the names of `texts.HEADERS`."""
    return [
        {
            "name": "Prefer" if name == "Handling" else name,
            "in": "header",
            "description": HEADERS[name],
            "schema": {"type": "string"},
        }
        for name in names
    ]


def path(name: str, example: str, description: str) -> Json:
    """One placeholder of a path, filled in with an example."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }
