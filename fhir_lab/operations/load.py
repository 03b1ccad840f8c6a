"""$import: stores NDJSON, sent along or fetched from URLs, by a job that is polled as an export is.

https://hl7.org/fhir/R4/nd-json.html

R4 has no such operation; the names of the parameters are those of the SMART bulk import proposal.
https://github.com/smart-on-fhir/bulk-import/blob/master/import.md
"""

from fhir_lab.bulk import fetch
from fhir_lab.bulk.kickoff import accept
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import BadRequest, Forbidden, nearest
from fhir_lab.security.access import Permission

FORMATS = ("application/fhir+ndjson", "application/ndjson", "ndjson")
LINES_IN_A_PIECE = 1000
Json = dict[str, str]
WRITING: tuple[Permission, ...] = ("c", "u")


def load(request: Request) -> Response:
    """202 with Content-Location. Raises `BadRequest`, `Forbidden` and `TooManyRequests`."""
    if isinstance(request.body, bytes):
        _check_scopes(request, None)
        lines = request.body.removesuffix(b"\n").split(b"\n")
        if not any(map(bytes.strip, lines)):
            raise BadRequest.of("The body has no line; a resource per line is expected.", "http.body", code="required")
        pieces = [lines[start : start + LINES_IN_A_PIECE] for start in range(0, len(lines), LINES_IN_A_PIECE)]
        return accept(request, "import", {"input": [{}]}, pieces)
    given = Arguments.of(request)
    for name in given.all("inputFormat"):
        if name not in FORMATS:
            raise BadRequest.of(
                f"inputFormat '{name[:64]}' cannot be read; possible: {', '.join(FORMATS)}.", code="not-supported"
            )
    return accept(request, "import", {"input": [_input(request, each) for each in given.all("input")]})


def _input(request: Request, given: Arguments) -> Json:
    url, resource_type = given.one("url"), given.one("type") or given.one("resourceType")
    types = request.services.registry.types
    if resource_type is not None and resource_type not in types:
        text = f"There is no resource type '{resource_type[:64]}' in FHIR R4.{nearest(resource_type, types)}"
        raise BadRequest.of(text, "Parameters.parameter.part", code="value")
    _check_scopes(request, resource_type)
    fetch.check(url, request.services.settings.outbound_allow, "Parameters.parameter.part")
    return {"url": url} | ({"type": resource_type} if resource_type else {})


def _check_scopes(request: Request, resource_type: str | None) -> None:
    """Each line is judged when it is stored; here, whether any can be."""
    types = (resource_type,) if resource_type else request.services.registry.types
    if all(request.caller.access(name, permission).denied for name in types for permission in WRITING):
        raise Forbidden.of(
            f"Your scopes do not grant to store {resource_type or 'anything'}; system/{resource_type or '*'}.cu would."
        )


OPERATIONS = (
    Operation(
        "import",
        load,
        "import",
        "FHIR Lab Bulk Import",
        "Stores NDJSON by a job: POST it as application/fhir+ndjson, or name URLs to fetch it from. Resources keep "
        "their ids; references may lead to lines that come later.",
        system=True,
        affects_state=True,
        lines=True,
        asynchronous=True,
        parameters=(
            Parameter("inputFormat", "string", "application/fhir+ndjson, which is the default."),
            Parameter("inputSource", "uri", "Where the data comes from, for people."),
            Parameter(
                "storageDetail",
                "",
                "How the files are reached; they are fetched by HTTP.",
                parts=(Parameter("type", "code", "https"),),
            ),
            Parameter(
                "input",
                "",
                "A file to store.",
                min=1,
                max="*",
                parts=(
                    Parameter("type", "code", "The resource type of every line."),
                    Parameter("resourceType", "code", "The same by another name."),
                    Parameter("url", "url", "Where the file is fetched, without credentials.", min=1),
                ),
            ),
        ),
    ),
)
