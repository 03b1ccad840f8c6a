"""Builds the OpenAPI documents from what is routed: one per resource type, one for the whole system, one to begin with.

The version is 3.0.3 because that is what the bundled Swagger UI (4.15) renders; it knows no 3.1.
https://spec.openapis.org/oas/v3.0.3
"""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from fhir_lab.interactions.message import Interaction
from fhir_lab.openapi.components import outcome_schema, responses, security, security_schemes
from fhir_lab.openapi.examples import WORKED
from fhir_lab.openapi.fhir_operations import fhir_operation
from fhir_lab.openapi.operations import operation
from fhir_lab.openapi.parameters import common_parameters, search_parameters
from fhir_lab.openapi.schemas import resource_schemas
from fhir_lab.openapi.texts import TEXTS
from fhir_lab.search.registry import Registry
from fhir_lab.services import Services

Json = dict[str, Any]
Row = tuple[Interaction, str]
OPENAPI = "3.0.3"
_STEPS = {
    ("update", "Patient"): "Register a patient",
    ("update", "ServiceRequest"): "Place an order",
    ("update", "Specimen"): "Receive the specimen",
    ("update", "Observation"): "Enter a result",
    ("update", "DiagnosticReport"): "Issue the report",
    ("search-type", "Observation"): "Read the results",
    ("search-type", "DiagnosticReport"): "Read the reports",
}
_STEP_PATHS = {"update": "/{type}/{id}", "search-type": "/{type}"}


class Documents:
    """The OpenAPI documents of one installation. Everything in them comes from its table of interactions."""

    def __init__(self, services: Services, interactions: Sequence[Interaction]) -> None:
        self._settings = services.settings
        self._services = services
        self._interactions = [row for row in interactions if row.operation or (row.name, row.path) in TEXTS]

    @property
    def _registry(self) -> Registry:
        return self._services.registry

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types, those of the laboratory first."""
        return tuple(dict.fromkeys((*WORKED, *self._registry.types)))

    def of_type(self, resource_type: str) -> Json:
        """The document of one of the `types`."""
        rows = [
            (row, resource_type)
            for row in self._interactions
            if "{type}" in row.path and (not row.types or resource_type in row.types)
        ]
        text = f"What can be done with {resource_type}."
        if resource_type in WORKED[1:]:
            earlier = ", ".join(WORKED[: WORKED.index(resource_type)])
            text += f" The examples refer to those of {earlier}: store them first."
        document = self._document(f"FHIR R4: {resource_type}", text, rows, [resource_type])
        document["components"]["parameters"] = search_parameters(self._registry, resource_type)
        return document

    def of_system(self) -> Json:
        """The document of the interactions that concern no single type."""
        rows = [(row, "Bundle") for row in self._interactions if "{type}" not in row.path]
        text = "Capabilities, transactions, and the search and history of everything."
        document = self._document("FHIR R4: whole system", text, rows, ["Bundle"])
        document["components"]["parameters"] = common_parameters(self._registry)
        return document

    def of_first_steps(self) -> Json:
        """From a patient to a result on one page: the operations work as they are, from top to bottom."""
        table = {(row.name, row.path): row for row in self._interactions if not row.operation}
        rows = [(table[name, _STEP_PATHS[name]], resource_type) for name, resource_type in _STEPS]
        text = (
            "Authorize as a technician or administrator, then send these requests from top to bottom. "
            "They are filled in and work unchanged."
        )
        document = self._document("First steps: from a patient to a result", text, rows, WORKED)
        operations = [each for methods in document["paths"].values() for each in methods.values()]
        for number, (each, (_, resource_type), title) in enumerate(
            zip(operations, rows, _STEPS.values(), strict=True), 1
        ):
            filled_in = [entry for entry in each["parameters"] if "example" in entry]
            if not filled_in:
                filled_in = [search_parameters(self._registry, resource_type)["patient"]]
            each |= {"summary": f"{number}. {title}", "tags": ["First steps"], "parameters": filled_in}
        return document

    def _document(self, title: str, text: str, rows: Iterable[Row], types: Sequence[str]) -> Json:
        paths: dict[str, Json] = {}
        for row, resource_type in rows:
            methods = paths.setdefault(row.path.replace("{type}", resource_type), {})
            if row.method.lower() not in methods:
                shown = fhir_operation(row, resource_type) if row.operation else None
                methods[row.method.lower()] = shown or operation(row, resource_type, self._registry)
        return {
            "openapi": OPENAPI,
            "info": {"title": title, "version": version("fhir-lab"), "description": text},
            # Only the path, so that the pages work under whatever host name they were opened.
            "servers": [{"url": urlsplit(self._settings.fhir_base).path}],
            "security": security(self._settings),
            "paths": paths,
            "components": {
                "schemas": {
                    "Outcome": outcome_schema(),
                    **{name: schema for each in types for name, schema in resource_schemas(each).items()},
                },
                "responses": responses(types),
                "securitySchemes": security_schemes(self._settings),
            },
        }
