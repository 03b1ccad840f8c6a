"""From an HTTP request to a `Request`: who asks, in which format, with which parameters and body."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from fhir_lab.documents import parse
from fhir_lab.http import binary, media, prefer
from fhir_lab.http.forwarded import forwarded_base
from fhir_lab.http.trace import Trace, trace_of
from fhir_lab.interactions.message import Interaction, Request
from fhir_lab.interactions.router import Router, Target
from fhir_lab.outcomes import BadRequest, FhirError, UnsupportedMediaType
from fhir_lab.security.access import Caller
from fhir_lab.security.tokens import authenticate, missing_token
from fhir_lab.services import Services
from fhir_lab.settings import FHIR_PATH
from fhir_lab.storage.fullurls import rewritten
from fhir_lab.xml import from_xml

REPRESENTATION = ("_format", "_pretty")
MAX_PARAMETERS = 2000
Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class Incoming:
    """An HTTP request below the base: `path` decoded, `headers` with lower-case names, the body once it was read.

    `format` is what the answer will be in, once that is known. `peer` is the address of the other end of the
    connection, which may be a proxy, and `scheme` is that of the connection.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    trace: Trace
    peer: str = ""
    scheme: str = "http"
    body: bytes = b""
    format: str = ""


def incoming_of(scope: Scope) -> Incoming:
    """The request of an ASGI scope; headers that occur several times are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path = scope["path"][len(FHIR_PATH) :]
    query, peer = scope["query_string"].decode("latin-1"), scope.get("client")
    scheme = scope.get("scheme", "http")
    return Incoming(scope["method"], path, query, headers, trace_of(scope), peer[0] if peer else "", scheme)


def request_of(incoming: Incoming, target: Target, services: Services, router: Router) -> Request:
    """The interaction that is asked for.

    Raises `Unauthorized`, `NotAcceptable`, `UnsupportedMediaType` and `BadRequest` (parameters or body unreadable).
    """
    interaction = target.interaction
    caller = caller_of(incoming, interaction, services)
    incoming.trace.subject = caller.subject
    pairs = _parameters(incoming, interaction)
    kept = [pair for pair in pairs if pair[0] in REPRESENTATION]
    incoming.format = _format(incoming, kept, native=binary.is_read(target, pairs))
    preferences = prefer.parse(incoming.headers.get("prefer", ""))
    address = forwarded_base(services.settings, incoming.peer, incoming.scheme, incoming.headers)
    return Request(
        services=services,
        router=router,
        interaction=interaction,
        caller=caller,
        type=target.type,
        id=target.id,
        vid=target.vid,
        compartment=target.compartment,
        parameters=[pair for pair in pairs if pair[0] not in REPRESENTATION] if kept else pairs,
        headers=incoming.headers,
        body=_local(_body(incoming, target, services.settings.max_depth), address),
        returns=preferences.returns or interaction.returns,
        lenient=preferences.lenient,
        kept=urlencode(kept),
        format=incoming.format,
        address=address,
    )


def _local(body: Any, address: str) -> Any:
    """The body with references to this server by its forwarded address made relative: tomorrow it may have another."""
    if not address or not isinstance(body, dict):
        return body
    start = f"{address}/"
    return rewritten(body, lambda reference: reference[len(start) :] if reference.startswith(start) else None)


def format_of_errors(incoming: Incoming) -> str:
    """The format in which an error is told: the one that was asked for, or JSON where that cannot be found out."""
    try:
        known = incoming.format in media.CONTENT_TYPES
        return incoming.format if known else _format(incoming, _pairs(incoming.query))
    except FhirError:
        return media.JSON


def caller_of(incoming: Incoming, interaction: Interaction, services: Services) -> Caller:
    """Who asks, from the headers alone. Raises `Unauthorized`."""
    if interaction.public:
        return Caller("", "", (), incoming.trace.request_id)
    scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise missing_token()
    return authenticate(services, token, incoming.trace.request_id)


def _parameters(incoming: Incoming, interaction: Interaction) -> Pairs:
    pairs = _pairs(incoming.query) if incoming.query else []
    if interaction.content == "form":
        media.check_form(incoming.headers.get("content-type", ""))
        _refuse_encoded(incoming)
        pairs += _pairs(incoming.body.decode("utf-8", "replace"))
    return pairs


def _pairs(text: str) -> Pairs:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise BadRequest.of(
            f"There are more than {MAX_PARAMETERS} parameters.", "http.query", code="too-costly"
        ) from None


def _format(incoming: Incoming, pairs: Pairs, *, native: bool = False) -> str:
    """The format of the answer; `_format` overrides Accept. https://hl7.org/fhir/R4/http.html#parameters

    `native` says that the content of a Binary is asked for, whose type decides later.
    """
    for name, value in pairs:
        if name == "_pretty" and value not in ("", "true", "false"):
            raise BadRequest.of(f"_pretty '{value[:40]}' is neither true nor false.", "http._pretty", code="value")
    formats = {media.named(value) for name, value in pairs if name == "_format" and value}
    if len(formats) > 1:
        raise BadRequest.of("_format is given twice, for JSON and for XML.", "http._format")
    if formats:
        return formats.pop()
    return media.NATIVE if native else media.accepted(incoming.headers.get("accept", ""))


def _body(incoming: Incoming, target: Target, max_depth: int) -> Any:
    """The body as JSON values; None where nothing is read, and for an operation that was sent none."""
    content, content_type = target.interaction.content, incoming.headers.get("content-type", "")
    if content in ("", "form") or (content == "parameters" and not incoming.body.strip()):
        return None
    _refuse_encoded(incoming)
    if content == "resource" and target.type == "Binary" and not media.is_fhir(content_type):
        return binary.wrapped(incoming.body, incoming.headers, target.id)
    operation = target.interaction.operation
    if operation is not None and operation.lines and media.is_lines(content_type):
        return incoming.body
    if operation is not None and operation.media_type and media.is_graphql(content_type):
        return {"query": incoming.body.decode("utf-8", "replace")}
    form = media.patch_format(content_type) if content == "patch" else media.sent(content_type)
    if not incoming.body.strip():
        raise BadRequest.of(f"The body is empty; a {content} is expected.", "http.body", code="required")
    found = from_xml(incoming.body, max_depth) if form == media.XML else parse(incoming.body, max_depth)
    if found is None:
        raise BadRequest.of(f"The body is null; a {content} is expected.", "http.body", code="required")
    return found


def _refuse_encoded(incoming: Incoming) -> None:
    coding = incoming.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedMediaType.of(
            f"Content-Encoding '{coding[:40]}' cannot be read; send the body as it is.", "http.Content-Encoding"
        )
