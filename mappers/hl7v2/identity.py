"""Which identifier is it, and whose? Identifier systems, business keys and the URLs that entries of a Bundle go by.

A number means something only together with who gave it. What the sender says wins: an ISO object identifier becomes
`urn:oid:...`, a UUID `urn:uuid:...`, a DNS name `urn:dns:...`, a URI stays. An authority that only has a local name is
that name in this installation, `urn:fhir-lab:namespace:<name>`. A number without any authority belongs to the sender,
`urn:fhir-lab:sender:<sender>:<kind>`: one MRN from two senders is two patients. The sender is MSH-4, else MSH-3.
docs/hl7v2.md describes the scheme.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from fhir_lab.ingest.hl7v2.message import Composite, Message
from mappers.hl7v2.tables import CODING_SYSTEMS, KNOWN_OIDS, TERMINOLOGY

SCHEME = "urn:fhir-lab"
REPORT = f"{SCHEME}:report"  # system of the business key of a DiagnosticReport
RESULT = f"{SCHEME}:result"  # of an Observation
ORDER = f"{SCHEME}:order"  # of a ServiceRequest
FACILITY = f"{SCHEME}:facility"  # of an Organization that is known by a local name only
SPECIMEN = f"{SCHEME}:specimen"  # of a Specimen that has no number of its own
NPI = "http://hl7.org/fhir/sid/us-npi"

_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DNS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_TABLE = re.compile(r"HL7?(\d{4})", re.IGNORECASE)
_LONGEST_KEY = 200
# Kinds of table 0301: those with a syntax of their own, and those that only mean "local".
_READ = ("ISO", "OID", "UUID", "GUID", "DNS", "URI", "URL", "")
_LOCAL = ("L", "M", "N", "RANDOM")


class Key(NamedTuple):
    """What a resource is found by: its type and one of its identifiers."""

    type: str
    system: str
    value: str

    @property
    def criteria(self) -> str:
        """The search that finds it, `identifier=...`, ready for a URL."""
        written = f"{escaped(self.system)}|{escaped(self.value)}"
        return f"identifier={quote(written, safe='')}"

    def full_url(self) -> str:
        """The same `urn:uuid:` whenever the same resource is meant, so that equal messages give equal Bundles."""
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, '|'.join(self))}"


def escaped(text: str) -> str:
    r"""Text with the characters that mean something in a search value escaped: `\`, `,`, `$` and `|`."""
    return re.sub(r"([\\,$|])", r"\\\1", text)


def key(*parts: str) -> str:
    """Parts joined to one business key; a very long one becomes its SHA-256."""
    text = "/".join(map(_quoted, parts)).rstrip("/")
    return text if len(text) <= _LONGEST_KEY else hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return quote(text, safe="")


def universal(identifier: str, kind: str) -> str:
    """The URI of a universal id (HD.2) of a kind (HD.3); empty when it is not a valid one."""
    kind = kind.upper()
    bare = identifier.removeprefix("urn:oid:")
    if kind in ("ISO", "OID", "") and _OID.fullmatch(bare) and bare.count(".") > 2:
        return KNOWN_OIDS.get(bare, f"urn:oid:{bare}")
    if kind in ("UUID", "GUID") and _UUID.fullmatch(identifier):
        return f"urn:uuid:{identifier.lower()}"
    if kind == "DNS" and _DNS.fullmatch(identifier):
        return f"urn:dns:{identifier.lower()}"
    if kind in ("URI", "URL") and _URI.fullmatch(identifier):
        return identifier
    if kind in _READ or kind in _LOCAL or not identifier:
        return ""
    return f"{SCHEME}:{quote(kind.lower(), safe='')}:{quote(identifier, safe='')}"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: the one that numbers and codes without an authority belong to.

    `name` is its name in identifier systems, `label` the one people know; `namespaces` gives local names of
    authorities (HD.1) that this installation knows their own system.
    """

    name: str
    label: str
    namespaces: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, message: Message, namespaces: Mapping[str, str]) -> "Sender | None":
        """MSH-4, else MSH-3; None when both are empty."""
        for number in (4, 3):
            authority = message.header[number]
            uri, label = universal(authority[2], authority[3]), authority[1] or authority[2]
            if label:
                return cls(_quoted(uri.removeprefix("urn:oid:") if uri else label), label, namespaces)
        return None

    def system(self, authority: Composite, kind: str) -> str:
        """The identifier system of an assigning authority (HD); `kind` tells numbers without one apart (`mr`)."""
        namespace = authority[1] or authority[2]
        if uri := universal(authority[2], authority[3]):
            return uri
        if namespace in self.namespaces:
            return self.namespaces[namespace]
        if uri := universal(namespace, "ISO"):
            return uri
        return f"{SCHEME}:namespace:{_quoted(namespace)}" if namespace else self.own(kind.lower())

    def own(self, *names: str) -> str:
        """A system of the sender's own."""
        return ":".join((SCHEME, "sender", self.name, *map(_quoted, names)))

    def code_system(self, name: str) -> str:
        """The URI of a coding system by its name in table 0396, an OID or a URI; local names are the sender's."""
        if known := CODING_SYSTEMS.get(name.upper()):
            return known
        if table := _TABLE.fullmatch(name):
            return f"{TERMINOLOGY}v2-{table[1]}"
        if uri := universal(name, "ISO"):
            return uri
        return name if name.startswith(("http://", "https://", "urn:")) else self.own("codes", name)
