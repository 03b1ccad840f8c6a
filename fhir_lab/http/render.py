"""A Response as status line, headers and bytes. https://hl7.org/fhir/R4/http.html#general"""

import sys

from fhir_lab.documents import dumps, parse
from fhir_lab.http.compress import MINIMUM, accepts_gzip, compressed
from fhir_lab.http.media import CONTENT_TYPES, JSON, XML
from fhir_lab.http.preconditions import etag, http_date
from fhir_lab.interactions.message import Response
from fhir_lab.xml import to_xml

Headers = list[tuple[bytes, bytes]]
# Without Cache-Control a browser may show a stale result for as long as it guesses from Last-Modified.
ALWAYS: Headers = [(b"vary", b"Accept, Accept-Encoding"), (b"cache-control", b"private, no-cache")]
BODILESS = (204, 304)


def rendered(
    response: Response, *, form: str = JSON, encodings: str = "", pretty: bool = False, applied: str = ""
) -> tuple[int, Headers, bytes]:
    """Status, headers and body in a format, JSON or XML.

    `encodings` is the request's Accept-Encoding, `applied` becomes Preference-Applied.
    """
    headers = ALWAYS.copy()
    body = response.resource or response.outcome
    if body and not response.media_type:
        body = _formed(body, form, pretty)
    if len(body) >= MINIMUM and accepts_gzip(encodings):
        body = compressed(body)
        headers.append((b"content-encoding", b"gzip"))
    if response.status not in BODILESS:
        if body or response.media_type:
            headers.append((b"content-type", (response.media_type or CONTENT_TYPES[form]).encode("latin-1", "replace")))
        headers.append((b"content-length", b"%d" % len(body)))
    if response.version is not None:
        headers.append((b"etag", etag(response.version).encode()))
    if response.last_updated is not None:
        headers.append((b"last-modified", http_date(response.last_updated).encode()))
    if response.location is not None:
        headers.append((b"location", response.location.encode()))
    if applied:
        headers.append((b"preference-applied", applied.encode("latin-1")))
    for name, value in response.headers.items():
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1", "replace")))
    return response.status, headers, body


def _formed(body: bytes, form: str, pretty: bool) -> bytes:
    """JSON text in the format that is asked for. Only here is a stored document read again on its way out."""
    if form == XML:
        return to_xml(parse(body, sys.maxsize), pretty=pretty)
    return dumps(parse(body, sys.maxsize), pretty=True) if pretty else body
