"""Is this a subscription that the server can serve? Every rule that a client can break, with all errors at once.

https://hl7.org/fhir/R4/subscription.html
"""

import re
from dataclasses import dataclass

from fhir_lab.documents import Resource
from fhir_lab.outcomes import FhirError, Forbidden, Issue, nearest
from fhir_lab.search.match import matches
from fhir_lab.security import outbound
from fhir_lab.storage.unit import Unit

PAYLOADS = ("application/fhir+json", "application/json")
_CRITERIA = re.compile(r"([A-Za-z]+)(?:\?(.*))?", re.DOTALL)
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\uffff]*)")
# What the HTTP client itself must decide.
_RESERVED = frozenset({"connection", "content-length", "content-type", "expect", "host", "keep-alive"}) | frozenset(
    {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class Criteria:
    """`Type?query`, taken apart; an empty query means every resource of the type."""

    type: str
    query: str


def read(text: str) -> Criteria | None:
    """A criteria string taken apart, None when it does not have that form."""
    found = _CRITERIA.fullmatch(text)
    return Criteria(found[1], found[2] or "") if found else None


def header(line: str) -> tuple[str, str] | None:
    """Name and value of a `Name: value` line that may be sent, None for any other."""
    found = _HEADER.fullmatch(line)
    return (found[1], found[2].strip()) if found and found[1].lower() not in _RESERVED else None


def check_subscription(unit: Unit, resource: Resource) -> list[Issue]:
    """Everything that is wrong with a valid Subscription resource, an empty list if it can be served.

    Raises `Forbidden` when the caller may not read what the criteria select.
    """
    channel = resource.get("channel", {})
    return [
        *_criteria(unit, resource.get("criteria", "")),
        *_type(channel.get("type")),
        *_endpoint(unit, channel.get("endpoint")),
        *_payload(channel.get("payload")),
        *_headers(channel.get("header", [])),
    ]


def _criteria(unit: Unit, text: str) -> list[Issue]:
    where = ("Subscription.criteria",)
    found = read(text)
    if found is None:
        return [Issue("value", f"'{text}' is not a search of one type, like 'Observation?status=final'.", where)]
    types = unit.services.registry.types
    if found.type not in types:
        wrong = f"'{found.type}' is not a resource type of FHIR R4.{nearest(found.type, types)}"
        return [Issue("value", wrong, where)]
    if unit.caller.access(found.type, "r").denied:
        raise Forbidden.of(f"Your scopes do not let you read {found.type}, so you cannot subscribe to it.", *where)
    try:
        # Judging any resource reads the whole query; whether this one matches does not matter.
        matches(unit, {"resourceType": found.type, "id": "x"}, found.type, found.query)
    except FhirError as error:
        return [Issue("value", issue.details, where) for issue in error.issues]
    return []


def _type(kind: object) -> list[Issue]:
    if kind == "rest-hook":
        return []
    return [
        Issue("not-supported", f"The channel '{kind}' is not offered; rest-hook is.", ("Subscription.channel.type",))
    ]


def _endpoint(unit: Unit, url: object) -> list[Issue]:
    where = ("Subscription.channel.endpoint",)
    if not isinstance(url, str):
        return [Issue("required", "A rest-hook needs an endpoint: the URL that notifications are posted to.", where)]
    try:
        outbound.check(url, unit.services.settings.outbound_allow)
    except outbound.RefusedError as refused:
        return [Issue("value", str(refused), where)]
    return []


def _payload(payload: object) -> list[Issue]:
    if payload is None or (isinstance(payload, str) and payload.partition(";")[0].strip().lower() in PAYLOADS):
        return []
    allowed = " or ".join(PAYLOADS)
    return [
        Issue(
            "not-supported",
            f"The payload '{payload}' is not offered; {allowed} is, or none for a notification without content.",
            ("Subscription.channel.payload",),
        )
    ]


def _headers(lines: list[str]) -> list[Issue]:
    return [
        Issue(
            "value",
            "A header must be a line 'Name: value', and must not be one that the HTTP connection itself decides.",
            (f"Subscription.channel.header[{index}]",),
        )
        for index, line in enumerate(lines)
        if header(line) is None
    ]
