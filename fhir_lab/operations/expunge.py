"""$expunge: what was deleted, and earlier versions, are removed for good. For administrators.

R4 has no such operation; parameters and answer are those that clients of other servers know.
"""

from collections.abc import Sequence

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import ANY, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.results import parameters, part
from fhir_lab.outcomes import BadRequest, Forbidden
from fhir_lab.security.access import Permission
from fhir_lab.storage.expunge import expunge_deleted, expunge_versions, waiting
from fhir_lab.storage.unit import Unit

DEFAULT_LIMIT = 1000
_NEEDED: tuple[Permission, ...] = ("u", "d")


def expunge(request: Request) -> Response:
    """200 with `count`, the versions that are gone; at most `limit` resources and versions at once.

    `waiting`, if any, is how many stay until a subscription was told of them, which takes moments: ask again.

    Raises `BadRequest` when neither kind is asked for, and `Forbidden` unless the scopes allow to update and delete
    everything of the type.
    """
    arguments = Arguments.of(request)
    deleted = arguments.one("expungeDeletedResources", False)
    versions = arguments.one("expungePreviousVersions", False)
    if not deleted and not versions:
        raise BadRequest.of(
            "Say what shall be removed: expungeDeletedResources, expungePreviousVersions, or both, must be true.",
            "Parameters.parameter",
            code="required",
        )
    types = _types(request)
    limit = arguments.one("limit", DEFAULT_LIMIT)

    def work(unit: Unit) -> tuple[int, int]:
        place = (types, request.id or None)
        gone = expunge_deleted(unit, *place, limit) if deleted else 0
        gone += expunge_versions(unit, *place, limit) if versions else 0
        return gone, waiting(unit, *place, deleted=deleted, versions=versions)

    gone, left = request.writing(work)
    return parameters(part("count", "integer", gone), *([part("waiting", "integer", left)] if left else []))


def _types(request: Request) -> Sequence[str]:
    types = [request.type] if request.type else request.services.registry.types
    for name in types:
        for permission in _NEEDED:
            if not request.caller.access(name, permission).unrestricted:
                raise Forbidden.of(
                    f"$expunge needs scopes that allow to update and delete every {name}, such as user/{name}.cruds."
                )
    return types


OPERATIONS = (
    Operation(
        "expunge",
        expunge,
        "Resource-expunge",
        "Remove resources and versions for good",
        "Removes deleted resources, or earlier versions of current ones, so that they cannot be read any more.",
        system=True,
        on_type=ANY,
        on_instance=ANY,
        affects_state=True,
        parameters=(
            Parameter("limit", "positiveInt", "How many resources or versions at most, 1000 by default."),
            Parameter("expungeDeletedResources", "boolean", "Remove deleted resources with all their versions."),
            Parameter("expungePreviousVersions", "boolean", "Remove earlier versions of resources that are current."),
            Parameter("count", "integer", "How many versions are gone.", 1, "1", "out"),
            Parameter("waiting", "integer", "How many stay until a subscription was told of them.", use="out"),
        ),
    ),
)
