"""Reasons for holding back what the reader and the mapper accept but the write path, or the file itself, does not."""

import re
from collections.abc import Mapping
from typing import Any

from fhir_lab.ingest.hl7v2.reasons import Reason
from fhir_lab.outcomes import FhirError, Issue

_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")
_OBX = re.compile(rb"(?:^|[\r\n])[ \t]*OBX[^A-Za-z0-9\r\n]")


def empty_file() -> Reason:
    """The file has no bytes."""
    return Reason(
        "empty-file",
        "",
        "",
        "a file without content",
        "an HL7 version 2 message",
        "Ask the sender to send the file again; look whether the transfer was cut off or the sender's disk is full.",
    )


def no_message(data: bytes) -> Reason:
    """The file holds no MSH segment."""
    start = data[:40].decode("utf-8", "replace").strip()
    return Reason(
        "no-message",
        "",
        "MSH-1",
        start,
        "a file with at least one segment that starts with MSH",
        "Check that the file holds HL7 version 2 messages and not another format, or a compressed or encrypted file.",
    )


def too_large(size: int, limit: int) -> Reason:
    """The file is larger than the server reads."""
    return Reason(
        "too-large",
        "",
        "",
        f"{size} bytes",
        f"at most {limit} bytes",
        "Split the file, or raise FHIR_LAB_MAX_BODY_BYTES and drop it again.",
    )


def refused(error: FhirError, places: Mapping[int, str]) -> list[Reason]:
    """Why the write path refused the Bundle, one reason per issue.

    `places` tells the segment, such as `OBX[3]`, that each Bundle entry was made from.
    """
    return [_reason(issue, places) for issue in error.issues]


def _reason(issue: Issue, places: Mapping[int, str]) -> Reason:
    where = issue.expression[0] if issue.expression else ""
    found = _ENTRY.match(where)
    return Reason(
        f"refused-{issue.code}",
        places.get(int(found[1]), "") if found else "",
        "",
        issue.details,
        f"a resource that FHIR R4 allows{f' ({where})' if where else ''}",
        "Correct the value at the sender, or replay the message once the mapping or the record was corrected.",
    )


def given_up(attempts: int, kind: str) -> Reason:
    """Processing broke off each time."""
    return Reason(
        "processing-failed",
        "",
        "",
        f"{attempts} attempts that broke off, the last with {kind}",
        "a message that can be processed",
        "Tell whoever runs the server: the log has the details under this message's id. Then replay it.",
    )


def observations_in(raw: bytes) -> int:
    """How many OBX segments the bytes of an unreadable message seem to hold."""
    return len(_OBX.findall(raw))


def as_dicts(reasons: list[Reason]) -> list[Mapping[str, Any]]:
    """Reasons as the journal keeps them."""
    return [reason.as_dict() for reason in reasons]
