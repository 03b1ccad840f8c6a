"""Where webhooks and downloads may go: nowhere inside the network and not by plain http, unless the operator allows it.

The name is resolved once and the connection goes to the very address that was checked, so a second answer of the DNS
cannot lead elsewhere. https://owasp.org/www-community/attacks/Server_Side_Request_Forgery
"""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], list[str]]

PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")
# What the registries set apart, so that the answer does not depend on the version of Python.
# https://www.iana.org/assignments/iana-ipv4-special-registry https://www.iana.org/assignments/iana-ipv6-special-registry
_SPECIAL = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20"),
    )
]
_UNICAST6 = IPv6Network("2000::/3")


class RefusedError(Exception):
    """The target is not allowed, or its name has no address; the text says which and is fit for the client."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: `url` names the checked address, `host` is the Host header and the name TLS must prove."""

    url: str
    host: str
    name: str


def check(url: str, allow: Iterable[str]) -> SplitResult:
    """The parts of an http(s) URL that may be allowed, as far as that can be told without asking the DNS.

    Raises `RefusedError`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedError(f"'{url}' is not a URL.") from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or any(c.isspace() or c < " " for c in url):
        raise RefusedError(f"'{url}' is not an http or https URL with a host.")
    if parts.username is not None or parts.password is not None:
        raise RefusedError("The URL holds a user name or password; send them in a header.")
    literal = _literal(parts.hostname)
    if literal is not None:
        _check_address(parts, literal, allow)
    elif parts.scheme == "http" and not _named(parts.hostname, allow) and not any(_network(item) for item in allow):
        raise _plain(parts)
    return parts


def resolve(url: str, allow: Iterable[str], resolver: Resolver | None = None) -> Target:
    """The address to connect to, after every address of the name was checked. Raises `RefusedError`."""
    allow = tuple(allow)
    parts = check(url, allow)
    name = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    literal = _literal(name)
    try:
        found = [literal] if literal else [ip_address(text) for text in (resolver or _ask)(name, port)]
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise RefusedError(f"The host '{name}' has no address.")
    for address in found:
        _check_address(parts, address, allow)
    chosen = f"[{found[0]}]" if found[0].version == 6 else str(found[0])
    host = parts.netloc.rpartition("@")[2]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(f"{parts.scheme}://{chosen}:{port}{path}", host, name)


def _ask(name: str, port: int) -> list[str]:
    answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _network(item: str) -> bool:
    try:
        ip_network(item, strict=False)
    except ValueError:
        return False
    return True


def _named(host: str, allow: Iterable[str]) -> bool:
    return host.lower().rstrip(".") in {item.lower().rstrip(".") for item in allow}


def _within(address: Address, allow: Iterable[str]) -> bool:
    networks = (ip_network(item, strict=False) for item in allow if _network(item))
    return any(address.version == network.version and address in network for network in networks)


def _check_address(parts: SplitResult, address: Address, allow: Iterable[str]) -> None:
    allow = tuple(allow)
    meant = _embedded(address)
    if _named(parts.hostname or "", allow) or _within(meant, allow):
        return
    if not _public(meant):
        raise RefusedError(
            f"The host '{parts.hostname}' has the address {address}, which is not on the public internet. "
            "The operator can allow it with FHIR_LAB_OUTBOUND_ALLOW."
        )
    if parts.scheme != "https":
        raise _plain(parts)


def _public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _UNICAST6:
        return False
    return not any(address.version == network.version and address in network for network in _SPECIAL)


def _plain(parts: SplitResult) -> RefusedError:
    return RefusedError(
        f"The endpoint on '{parts.hostname}' uses plain http, which would show patient data on the way; use https. "
        "The operator can allow it with FHIR_LAB_OUTBOUND_ALLOW."
    )


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
