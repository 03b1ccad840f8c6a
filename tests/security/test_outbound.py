"""Where webhooks may go: a table of targets that must be refused, and of those that may be reached."""

import pytest

from fhir_lab.security.outbound import RefusedError, Resolver, Target, resolve

PUBLIC = "93.184.216.34"
PUBLIC6 = "2606:2800:220:1:248:1893:25c8:1946"

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "2002:c0a8:101::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
]


def asked(*addresses: str) -> Resolver:
    return lambda name, port: list(addresses)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_into_the_network_is_refused(address: str) -> None:
    with pytest.raises(RefusedError, match="FHIR_LAB_OUTBOUND_ALLOW"):
        resolve("https://hooks.example.org/", (), asked(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_the_network_is_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(RefusedError, match="FHIR_LAB_OUTBOUND_ALLOW"):
        resolve(f"https://{host}/hook", ())


def test_one_private_address_among_public_ones_is_refused() -> None:
    with pytest.raises(RefusedError):
        resolve("https://hooks.example.org/", (), asked(PUBLIC, "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",  # 127.0.0.1 as one number
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://localhost/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
    ],
)
def test_loopback_in_disguise_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        resolve(url, ())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://",
        "https:///path",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://[::1/",
        "https://user:secret@example.org/",
        "https://example.org/a b",
        "https://example.org/\r\nHost: other",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        resolve(url, ("127.0.0.1",), asked(PUBLIC))


def test_plain_http_is_refused() -> None:
    with pytest.raises(RefusedError, match="use https"):
        resolve("http://hooks.example.org/", (), asked(PUBLIC))


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(RefusedError, match="has no address"):
        resolve("https://hooks.example.org/", (), asked())


@pytest.mark.parametrize(
    ("url", "answer", "target"),
    [
        (
            "https://hooks.example.org",
            PUBLIC,
            Target(f"https://{PUBLIC}:443/", "hooks.example.org", "hooks.example.org"),
        ),
        (
            "https://hooks.example.org:8443/a/b?c=d",
            PUBLIC,
            Target(f"https://{PUBLIC}:8443/a/b?c=d", "hooks.example.org:8443", "hooks.example.org"),
        ),
        (
            "https://hooks.example.org/x",
            PUBLIC6,
            Target(f"https://[{PUBLIC6}]:443/x", "hooks.example.org", "hooks.example.org"),
        ),
        (f"https://{PUBLIC}/", "", Target(f"https://{PUBLIC}:443/", PUBLIC, PUBLIC)),
    ],
)
def test_a_public_target_is_pinned_to_the_address_that_was_checked(url: str, answer: str, target: Target) -> None:
    assert resolve(url, (), asked(answer)) == target


@pytest.mark.parametrize(
    ("allow", "url", "answer"),
    [
        ("10.0.0.0/8", "http://receiver.lab/", "10.1.2.3"),
        ("10.1.2.3", "http://receiver.lab/", "10.1.2.3"),
        ("receiver.lab", "http://receiver.lab/", "10.1.2.3"),
        ("Receiver.Lab", "http://receiver.lab./", "10.1.2.3"),
        ("127.0.0.1", "http://127.0.0.1:9000/", ""),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]:9000/", ""),
        ("fd00::/8", "http://[fd12::1]/", ""),
    ],
)
def test_the_operator_can_allow_addresses_ranges_and_hosts(allow: str, url: str, answer: str) -> None:
    resolve(url, (allow,), asked(answer))


@pytest.mark.parametrize(
    ("allow", "url", "answer"),
    [
        ("10.0.0.0/8", "http://receiver.lab/", "192.168.1.1"),
        ("receiver.lab", "http://evil.receiver.lab/", "10.1.2.3"),
        ("receiver.lab", "http://notreceiver.lab/", "10.1.2.3"),
        ("10.0.0.0/8", "http://hooks.example.org/", PUBLIC),
    ],
)
def test_what_is_allowed_is_no_more_than_what_is_named(allow: str, url: str, answer: str) -> None:
    with pytest.raises(RefusedError):
        resolve(url, (allow,), asked(answer))
