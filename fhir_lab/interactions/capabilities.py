"""capabilities: what this server really does. https://hl7.org/fhir/R4/http.html#capabilities

Made from the table of interactions that is routed and from the search parameters that the registry answers.
https://hl7.org/fhir/R4/capabilitystatement.html
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from conformance import profiles
from fhir_lab.clock import instant
from fhir_lab.documents import dumps
from fhir_lab.interactions.message import Interaction, Request, Response
from fhir_lab.interactions.router import COMPARTMENT_SEARCH
from fhir_lab.interactions.terminology_capabilities import terminology_capabilities
from fhir_lab.outcomes import BadRequest
from fhir_lab.patching import FORMATS
from fhir_lab.search.registry import Registry, SearchParameter

Json = dict[str, Any]
OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
OAUTH_URIS = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "register": "registration_endpoint",
    "introspect": "introspection_endpoint",
    "revoke": "revocation_endpoint",
    "manage": "management_endpoint",
}
MODES = ("full", "normative", "terminology")
BULK_DATA = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
SYSTEM_WIDE = ("transaction", "batch", "search-system", "history-system")


def capabilities(request: Request) -> Response:
    """200 with the CapabilityStatement; no token is needed. `mode` full and normative give the same, terminology gives
    the TerminologyCapabilities.

    Raises `BadRequest` for another mode.
    """
    mode = dict(request.parameters).get("mode") or "full"
    if mode not in MODES:
        raise BadRequest.of(f"mode '{mode[:40]}' is not supported; allowed: {', '.join(MODES)}.", "http.mode")
    services, remembered = request.services, request.router.remembered
    if mode == "terminology":
        return Response(200, dumps(terminology_capabilities(request)))
    services.parameters.look(services.database)
    if request.address:  # under another name than its own; such names are not counted, so not kept
        return Response(200, dumps(statement(request)))
    key = f"metadata with search parameters {services.parameters.stamp}"
    if key not in remembered:
        remembered[key] = dumps(statement(request))
    return Response(200, remembered[key])


def statement(request: Request) -> Json:
    """The CapabilityStatement resource."""
    software = {"name": "FHIR Lab", "version": version("fhir-lab")}
    return {
        "resourceType": "CapabilityStatement",
        "url": f"{request.base}/metadata",
        "version": software["version"],
        "name": "FHIRLab",
        "title": "FHIR Lab",
        "status": "active",
        "date": instant(request.services.clock.now()),
        "kind": "instance",
        **({"instantiates": [BULK_DATA]} if _exports(request) else {}),
        "software": software,
        "implementation": {"description": "FHIR R4 server of a diagnostics laboratory", "url": request.base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        **_patch_formats(request),
        "rest": [_rest(request)],
    }


def _patch_formats(request: Request) -> Json:
    patches = any(row.name == "patch" for row in request.router.interactions)
    return {"patchFormat": list(FORMATS)} if patches else {}


def _exports(request: Request) -> bool:
    operations = (row.operation for row in request.router.interactions)
    return any(operation is not None and operation.code == "export" for operation in operations)


def _rest(request: Request) -> Json:
    interactions = request.router.interactions
    registry = request.services.registry
    referring = _referring(registry)
    enforced = request.services.settings.referential_integrity
    return {
        "mode": "server",
        "documentation": "Unknown parameters are refused with 400, or reported with Prefer: handling=lenient.",
        "security": _security(request.router.smart),
        "resource": [_resource(name, interactions, registry, referring[name], enforced) for name in registry.types],
        "interaction": [
            {"code": code} for code in dict.fromkeys(row.name for row in interactions if row.name in SYSTEM_WIDE)
        ],
        **_wider_searches(interactions, registry),
        **_operations(row for row in interactions if "{type}" not in row.path),
        **_compartments(interactions),
    }


def _wider_searches(interactions: Iterable[Interaction], registry: Registry) -> Json:
    """The parameters of a search of all types: those that every type has."""
    if not any(row.name == "search-system" for row in interactions):
        return {}
    first = registry.of(registry.types[0])
    return {"searchParam": [_parameter(first[code]) for code in sorted(registry.common)]}


def _compartments(interactions: Iterable[Interaction]) -> Json:
    names = dict.fromkeys(name for row in interactions if row.name == COMPARTMENT_SEARCH for name in row.types)
    found = [f"http://hl7.org/fhir/CompartmentDefinition/{name.lower()}" for name in names]
    return {"compartment": found} if found else {}


def _operations(rows: Iterable[Interaction]) -> Json:
    """Each operation once, however many levels and methods it has."""
    found = {row.operation.url: row.operation.code for row in rows if row.operation}
    return {"operation": [{"name": code, "definition": url} for url, code in found.items()]} if found else {}


def _security(smart: Mapping[str, Any]) -> Json:
    service = {
        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "code": "SMART-on-FHIR",
        "display": "SMART-on-FHIR",
    }
    security: Json = {
        "cors": True,
        "service": [{"coding": [service], "text": "OAuth2 bearer tokens with SMART on FHIR scopes, version 1 and 2"}],
        "description": "Every interaction but this one needs a bearer token whose scopes cover it.",
    }
    uris = [{"url": name, "valueUri": smart[key]} for name, key in OAUTH_URIS.items() if key in smart]
    if uris:
        security = {"extension": [{"url": OAUTH, "extension": uris}], **security}
    return security


def _supported(name: str) -> Json:
    """The profiles of the laboratory for a type, which its claims are held to."""
    urls = [each["url"] for each in profiles() if each["type"] == name]
    return {"supportedProfile": urls} if urls else {}


def _resource(
    name: str, interactions: Iterable[Interaction], registry: Registry, referring: list[str], enforced: bool
) -> Json:
    routed = [row for row in interactions if row.path.startswith("/{type}") and (not row.types or name in row.types)]
    rows = [row for row in routed if not row.operation and row.name != COMPARTMENT_SEARCH]
    conditional = {row.name for row in rows if row.conditional}
    parameters = sorted(registry.of(name).values(), key=lambda parameter: parameter.code)
    found: Json = {
        "type": name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        **_supported(name),
        "interaction": [{"code": code} for code in dict.fromkeys(row.name for row in rows)],
        "versioning": "versioned-update",
        "readHistory": any(row.name == "vread" for row in rows),
        "updateCreate": any(row.name == "update" for row in rows),
        "conditionalCreate": "create" in conditional,
        "conditionalRead": "full-support" if "read" in conditional else "not-supported",
        "conditionalUpdate": "update" in conditional,
        "conditionalDelete": "single" if "delete" in conditional else "not-supported",
        "referencePolicy": ["literal", "logical", *(["enforced"] if enforced else [])],
    }
    includes = [f"{name}:{parameter.code}" for parameter in parameters if parameter.kind == "reference"]
    if includes:
        found["searchInclude"] = ["*", *includes]
    if referring:
        found["searchRevInclude"] = referring
    found["searchParam"] = [_parameter(parameter) for parameter in parameters]
    return found | _operations(routed)


def _parameter(parameter: SearchParameter) -> Json:
    return {"name": parameter.code, "definition": parameter.url, "type": parameter.fhir_type}


def _referring(registry: Registry) -> dict[str, list[str]]:
    """For each type, the `Type:parameter` whose references may point at it."""
    found: dict[str, list[str]] = {name: [] for name in registry.types}
    for name in registry.types:
        for parameter in registry.of(name).values():
            if parameter.kind == "reference":
                for target in parameter.targets or registry.types:
                    if target in found:
                        found[target].append(f"{name}:{parameter.code}")
    return found
