"""ETags and dates: may a client keep the copy it has?

https://hl7.org/fhir/R4/http.html#cread https://www.rfc-editor.org/rfc/rfc9110#section-13
"""

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from fhir_lab.clock import to_micros

SECOND = 1_000_000


def etag(version: int) -> str:
    """The weak ETag of a version."""
    return f'W/"{version}"'


def http_date(micros: int) -> str:
    """Microseconds since 1970 UTC as an HTTP date, in whole seconds."""
    return _seconds(micros // SECOND)


@lru_cache(maxsize=1024)
def _seconds(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def unchanged(headers: Mapping[str, str], version: int, last_updated: int) -> bool:
    """True when the conditions of a read say that the client's copy is current: the answer is 304.

    If-None-Match outweighs If-Modified-Since. Bare `1` and `"1"` are taken for `W/"1"`; a date that cannot be read is
    ignored, as RFC 9110 asks.
    """
    tags = headers.get("if-none-match")
    if tags is not None:
        known = {tag.strip().removeprefix("W/").strip('"') for tag in tags.split(",")}
        return str(version) in known or "*" in known
    since = headers.get("if-modified-since")
    if since is None:
        return False
    try:
        moment = parsedate_to_datetime(since)
    except ValueError:
        return False
    return moment.tzinfo is not None and last_updated // SECOND * SECOND <= to_micros(moment)
