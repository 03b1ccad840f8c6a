"""From an HTTP request to a `Request`: who asks, in which format, with which parameters and body."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from fhir_lab.documents import parse
from fhir_lab.http import media, prefer
from fhir_lab.http.trace import Trace, trace_of
from fhir_lab.interactions.message import Interaction, Request
from fhir_lab.interactions.router import Router, Target
from fhir_lab.outcomes import BadRequest, UnsupportedMediaType
from fhir_lab.security.access import Caller
from fhir_lab.security.tokens import authenticate, missing_token
from fhir_lab.services import Services
from fhir_lab.settings import FHIR_PATH

REPRESENTATION = ("_format", "_pretty")
MAX_PARAMETERS = 2000
Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class Incoming:
    """An HTTP request below the base: `path` decoded, `headers` with lower-case names, the body once it was read."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    trace: Trace
    body: bytes = b""


def incoming_of(scope: Scope) -> Incoming:
    """The request of an ASGI scope; headers that occur several times are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path = scope["path"][len(FHIR_PATH) :]
    return Incoming(scope["method"], path, scope["query_string"].decode("latin-1"), headers, trace_of(scope))


def request_of(incoming: Incoming, target: Target, services: Services, router: Router) -> Request:
    """The interaction that is asked for.

    Raises `Unauthorized`, `NotAcceptable`, `UnsupportedMediaType` and `BadRequest` (parameters or body unreadable).
    """
    interaction = target.interaction
    caller = caller_of(incoming, interaction, services)
    incoming.trace.subject = caller.subject
    pairs = _parameters(incoming, interaction)
    kept = [pair for pair in pairs if pair[0] in REPRESENTATION]
    _check_format(incoming, kept)
    preferences = prefer.parse(incoming.headers.get("prefer", ""))
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
        body=_body(incoming, interaction, services.settings.max_depth),
        returns=preferences.returns or interaction.returns,
        lenient=preferences.lenient,
        kept=urlencode(kept),
    )


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


def _check_format(incoming: Incoming, kept: Pairs) -> None:
    """`_format` overrides Accept. https://hl7.org/fhir/R4/http.html#parameters"""
    for name, value in kept:
        if name == "_pretty" and value not in ("", "true", "false"):
            raise BadRequest.of(f"_pretty '{value[:40]}' is neither true nor false.", "http._pretty", code="value")
    formats = [value for name, value in kept if name == "_format" and value]
    for value in formats:
        media.check_format(value)
    if not formats:
        media.check_accept(incoming.headers.get("accept", ""))


def _body(incoming: Incoming, interaction: Interaction, max_depth: int) -> Any:
    """The body as JSON values; None where nothing is read, and for an operation that was sent none."""
    if interaction.content in ("", "form") or (interaction.content == "parameters" and not incoming.body.strip()):
        return None
    content_type = incoming.headers.get("content-type", "")
    if interaction.content == "patch":
        media.patch_type(content_type)
    else:
        media.check_json(content_type)
    _refuse_encoded(incoming)
    if not incoming.body.strip():
        raise BadRequest.of(f"The body is empty; a {interaction.content} is expected.", "http.body", code="required")
    return parse(incoming.body, max_depth)


def _refuse_encoded(incoming: Incoming) -> None:
    coding = incoming.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedMediaType.of(
            f"Content-Encoding '{coding[:40]}' cannot be read; send the body as it is.", "http.Content-Encoding"
        )
