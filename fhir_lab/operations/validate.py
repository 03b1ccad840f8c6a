"""$validate: what would be said of a resource if it were stored, and how it holds to a profile.

https://hl7.org/fhir/R4/resource-operation-validate.html. The answer is 200 however much is wrong with the resource.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fhir_lab.documents import parse
from fhir_lab.interactions.failure import told
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import ANY, HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import BadRequest, FhirError, Issue
from fhir_lab.storage import repository
from fhir_lab.storage.definitions import profiles_of
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit
from fhir_lab.validation import MODES

_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}
_FINE = Issue("informational", "Nothing is wrong with it.", severity="information")


class _UndoneError(Exception):
    """Ends a write that was only tried."""


def validate(request: Request) -> Response:
    """200 with an OperationOutcome: the errors, warnings and hints of the resource, or that all is well.

    The resource comes as the body, as the parameter `resource`, or is the one that the URL names. With the mode create,
    update or delete it is also tried whether the server would do it: access, references, versions. Raises `BadRequest`
    for a request that names no resource or an unknown mode, and for a stored resource what a read raises.
    """
    arguments = _arguments(request)
    mode = arguments.one("mode")
    if mode is not None and mode not in MODES:
        raise BadRequest.of(f"'{mode[:40]}' is no mode; these are: {', '.join(MODES)}.", "http.mode", code="value")
    resource = arguments.one("resource")
    with request.reading() as unit:
        if resource is None and request.id:
            resource = parse(repository.read(unit, request.type, request.id).content or "")
        if resource is None and mode != "delete":
            raise BadRequest.of("There is no resource to validate.", "resource", code="required")
        issues = _judged(request, unit, resource, mode, arguments.all("profile"))
    if mode in _METHODS and not any(issue.severity == "error" for issue in issues):
        issues += _tried(request, mode, resource)
    return Response(200, told(issues or [_FINE]))


def _arguments(request: Request) -> Arguments:
    """A Parameters resource may be what is to be validated: it is where it has no parameter `resource`."""
    body = request.body
    if request.type == "Parameters" and isinstance(body, dict):
        entries = body.get("parameter")
        names = [each.get("name") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
        if "resource" not in names:
            asked = Arguments.of(replace(request, body=None))
            return asked.having("resource", body)
    return Arguments.of(request)


def _judged(request: Request, unit: Unit, resource: Any, mode: str | None, profiles: Sequence[str]) -> list[Issue]:
    found = resource.get("resourceType") if isinstance(resource, dict) else None
    kind = request.type or (found if isinstance(found, str) else "Resource")
    issues = request.services.validator.validate(resource, kind, profiles=profiles, mode=mode, known=profiles_of(unit))
    if request.id and mode == "update" and isinstance(resource, dict) and resource.get("id") not in (None, request.id):
        said = f"{kind}.id: '{resource['id']}' is not '{request.id}', the id in the URL."
        issues.append(Issue("value", said, (f"{kind}.id",)))
    return issues


def _tried(request: Request, mode: str, resource: Any) -> list[Issue]:
    """What would be refused: the write is done, and undone."""
    kind = request.type or resource["resourceType"]
    resource_id = request.id or (resource or {}).get("id")
    entry = Entry(
        _METHODS[mode],
        kind,
        id=None if mode == "create" else resource_id,
        resource=None if mode == "delete" else resource,
    )

    def work(unit: Unit) -> None:
        apply(unit, [entry])
        raise _UndoneError

    try:
        request.writing(work)
    except _UndoneError:
        return []
    except FhirError as error:
        return list(error.issues)
    return []


OPERATIONS = (
    Operation(
        "validate",
        validate,
        "Resource-validate",
        "Validate a resource",
        "Errors, warnings and hints of a resource against the specification and profiles; nothing is stored.",
        HL7 + "Resource-validate",
        on_type=ANY,
        on_instance=ANY,
        parameters=(
            Parameter("resource", "Resource", "What to validate; without it, the stored resource of the URL."),
            Parameter("mode", "code", f"What it is for: {', '.join(MODES)}."),
            Parameter("profile", "uri", "A canonical URL of a profile to hold it to.", max="*"),
            Parameter("return", "OperationOutcome", "What is to be said of it.", 1, "1", "out"),
        ),
    ),
)
