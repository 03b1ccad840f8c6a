"""Behind a proxy: the base URL that the client used, from the headers of proxies that are trusted.

https://www.rfc-editor.org/rfc/rfc7239 and, where a proxy sends no Forwarded, X-Forwarded-Proto and X-Forwarded-Host.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from fhir_lab.settings import FHIR_PATH, Settings

_PAIR = re.compile(r"""([!#$%&'*+.^_`|~\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)|(,)""", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NODE = re.compile(r"\[(.+)\](?::.+)?|([^:]+)(?::.+)?")


def forwarded_base(settings: Settings, peer: str, scheme: str, headers: Mapping[str, str]) -> str:
    """The FHIR base URL that the client asked for; empty when no trusted proxy tells of one.

    `peer` is the address of the other end of the connection, `scheme` that of the connection itself. What a proxy does
    not say is taken from the request; a host that is none is not believed.
    """
    if not settings.trusted_proxies or not _trusted(settings, peer):
        return ""
    if "forwarded" in headers:
        said = _outermost(settings, headers["forwarded"])
        scheme, host = said.get("proto", scheme), said.get("host", headers.get("host", ""))
    elif "x-forwarded-proto" in headers or "x-forwarded-host" in headers:
        scheme = _last(headers.get("x-forwarded-proto", scheme))
        host = _last(headers.get("x-forwarded-host", headers.get("host", "")))
    else:
        return ""
    scheme = scheme.lower()
    if scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ""
    return f"{scheme}://{host}{urlsplit(settings.public_url).path}{FHIR_PATH}"


def _outermost(settings: Settings, header: str) -> dict[str, str]:
    """What the first of the trusted proxies says, which is the one that the client talked to.

    Each adds an element at the end that says who talked to it; elements before that of a stranger are the stranger's.
    """
    elements: list[dict[str, str]] = [{}]
    for name, value, comma in _PAIR.findall(header):
        if comma:
            elements.append({})
        else:
            quoted = value.startswith('"')
            elements[-1][name.lower()] = _ESCAPED.sub(r"\1", value[1:-1]) if quoted else value
    chosen = elements.pop()
    while elements and _trusted(settings, _address(chosen.get("for", ""))):
        chosen = elements.pop()
    return chosen


def _address(node: str) -> str:
    found = _NODE.fullmatch(node)
    return (found[1] or found[2]) if found else ""


def _last(header: str) -> str:
    """Each proxy adds its value at the end; the last is that of the one that is connected."""
    return header.rpartition(",")[2].strip()


def _trusted(settings: Settings, address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in settings.trusted_networks)
