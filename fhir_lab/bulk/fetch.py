"""Downloads the NDJSON that an import names, from where the operator lets this server go.

The address is checked as that of a webhook is, redirects are not followed, and no credentials go along.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx

from fhir_lab.outcomes import BadRequest, TooLarge
from fhir_lab.security import outbound
from fhir_lab.settings import Settings

TIMEOUT = 30.0
PIECE = 1024 * 1024


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def check(url: str, allow: tuple[str, ...], where: str) -> None:
    """Raises `BadRequest` for a URL that cannot be allowed, as far as that can be told without asking the DNS."""
    try:
        outbound.check(url, allow)
    except outbound.RefusedError as refused:
        raise BadRequest.of(str(refused), where, code="security") from None


@contextmanager
def opened(url: str, settings: Settings) -> Iterator[Iterator[list[bytes]]]:
    """The lines of a file in pieces of about a megabyte. Raises `BadRequest` and `TooLarge`."""
    try:
        target = outbound.resolve(url, settings.outbound_allow)
    except outbound.RefusedError as refused:
        raise BadRequest.of(str(refused), code="security") from None
    headers = {"Host": target.host, "Accept": "application/fhir+ndjson, application/ndjson;q=0.9, */*;q=0.1"}
    extensions = {"sni_hostname": target.name}
    # Of the environment nothing is taken: a proxy would connect to another address than the one that was checked.
    with httpx.Client(verify=_tls(), timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
        try:
            with client.stream("GET", target.url, headers=headers, extensions=extensions) as response:
                if response.status_code != 200:
                    raise BadRequest.of(f"The server of '{url[:200]}' answered {response.status_code}; 200 is needed.")
                yield _pieces(response, settings.import_max_bytes)
        except httpx.HTTPError as problem:
            raise BadRequest.of(f"'{url[:200]}' could not be downloaded: {type(problem).__name__}.") from None


def _pieces(response: httpx.Response, most: int) -> Iterator[list[bytes]]:
    rest, size = b"", 0
    for chunk in response.iter_bytes(PIECE):
        size += len(chunk)
        if size > most:
            raise TooLarge.of(f"The file is larger than {most} bytes (FHIR_LAB_IMPORT_MAX_BYTES).")
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]
