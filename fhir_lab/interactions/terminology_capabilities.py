"""capabilities, mode terminology: what this server does with codes. https://hl7.org/fhir/R4/http.html#capabilities

Made from the operations that are routed and the code systems that are built in; those that are stored are as public as
any other resource, and so not listed here. https://hl7.org/fhir/R4/terminologycapabilities.html
"""

from importlib.metadata import version
from typing import Any

from fhir_lab.clock import instant
from fhir_lab.interactions.message import Request
from fhir_lab.interactions.operation import Operation
from fhir_lab.terminology.systems import System

Json = dict[str, Any]


def terminology_capabilities(request: Request) -> Json:
    """The TerminologyCapabilities resource."""
    operations = {row.operation.id: row.operation for row in request.router.interactions if row.operation}
    systems = (document for _, document in request.services.builtin.of("CodeSystem").values())
    return {
        "resourceType": "TerminologyCapabilities",
        "url": f"{request.base}/metadata?mode=terminology",
        "version": version("fhir-lab"),
        "name": "FHIRLabTerminology",
        "title": "FHIR Lab: terminology",
        "status": "active",
        "date": instant(request.services.clock.now()),
        "description": "Stored code systems, value sets and maps are served beside the built-in ones listed here.",
        "kind": "instance",
        "software": {"name": "FHIR Lab", "version": version("fhir-lab")},
        "implementation": {"description": "FHIR R4 server of a diagnostics laboratory", "url": request.base},
        "codeSystem": [_code_system(System(document)) for document in systems],
        "codeSearch": "explicit",
        **_expansion(operations.get("ValueSet-expand")),
        **({"validateCode": {"translations": False}} if "ValueSet-validate-code" in operations else {}),
        **({"translation": {"needsMap": False}} if "ConceptMap-translate" in operations else {}),
    }


def _code_system(system: System) -> Json:
    layered = any(concept.parents for concept in system.concepts.values())
    versions = {"version": [{"code": system.version, "isDefault": True}]} if system.version else {}
    return {"uri": system.url, **versions, "subsumption": layered}


def _expansion(operation: Operation | None) -> Json:
    if operation is None:
        return {}
    parameters = [{"name": each.name, "documentation": each.documentation} for each in operation.inputs.values()]
    filtering = operation.inputs["filter"].documentation
    told = {"hierarchical": True, "paging": True, "incomplete": False, "parameter": parameters, "textFilter": filtering}
    return {"expansion": told}
