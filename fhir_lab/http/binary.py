"""Binary over HTTP: its content as it is, instead of base64 in a resource, both ways.

https://hl7.org/fhir/R4/binary.html#rest
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace

from fhir_lab.documents import Resource, parse
from fhir_lab.http.media import JSON, NATIVE, accepted_of_binary
from fhir_lab.interactions.message import Parameters, Response
from fhir_lab.interactions.router import Target
from fhir_lab.interactions.subset import PARAMETERS as SUBSET
from fhir_lab.outcomes import UnsupportedMediaType

_BYTES = "application/octet-stream"
SECURITY_CONTEXT = "x-security-context"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;.*)?", re.ASCII)
# What somebody uploaded must never run as a page of this server.
_HARMLESS = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def is_read(target: Target, parameters: Parameters) -> bool:
    """True when the content of a Binary may be what is asked for, and not a part of the resource."""
    reads = target.type == "Binary" and target.interaction.name in ("read", "vread")
    return reads and not any(name in SUBSET for name, _ in parameters)


def native(response: Response, accept: str) -> tuple[str, Response]:
    """The format, and the answer, to a read of a Binary with this Accept header.

    Its content with its own content type, unless FHIR is asked for. Raises `NotAcceptable` when it is neither.
    """
    if not response.resource:
        return JSON, response
    binary = parse(response.resource)
    content_type = binary["contentType"]
    if not _MEDIA_TYPE.fullmatch(content_type):  # a code like any other, but no header could say it
        content_type = _BYTES
    form = accepted_of_binary(accept, content_type)
    if form != NATIVE:
        return form, response
    headers = {**response.headers, **_HARMLESS}
    context = binary.get("securityContext", {}).get("reference")
    if context:
        headers["X-Security-Context"] = context
    content = b64decode(binary.get("data", ""))
    return JSON, replace(response, resource=content, headers=headers, media_type=content_type)


def wrapped(body: bytes, headers: Mapping[str, str], resource_id: str) -> Resource:
    """The Binary that a body which is not FHIR stands for; `X-Security-Context` becomes its `securityContext`.

    Raises `UnsupportedMediaType` for a Content-Type that is none.
    """
    content_type = " ".join(headers["content-type"].split())
    if not _MEDIA_TYPE.fullmatch(content_type):
        raise UnsupportedMediaType.of(
            f"Content-Type '{content_type[:100]}' is not a media type such as application/pdf.", "http.Content-Type"
        )
    binary: Resource = {"resourceType": "Binary"}
    if resource_id:
        binary["id"] = resource_id
    binary["contentType"] = content_type
    context = headers.get(SECURITY_CONTEXT, "").strip()
    if context:
        binary["securityContext"] = {"reference": context}
    if body:
        binary["data"] = b64encode(body).decode()
    return binary
