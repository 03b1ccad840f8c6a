"""The way in: the raw bytes of every message of a file are journaled, in one transaction, before anything else.

Files from the inbox, uploads and samples all come through `accept`. Then `announce` tells the workers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from fhir_lab.ingest import quarantine
from fhir_lab.ingest.hl7v2.message import split_messages
from fhir_lab.ingest.hl7v2.reasons import Reason
from fhir_lab.services import Services
from fhir_lab.storage import journal

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """The ids of the journaled messages; `reasons` say why the file as a whole cannot be read, if it cannot."""

    ids: list[str]
    reasons: list[Reason]


def accept(
    connection: Connection,
    services: Services,
    file: str,
    data: bytes,
    *,
    claim: str | None = None,
    reasons: Sequence[Reason] = (),
) -> Accepted:
    """Journal every message of a file; one without any message becomes one quarantined entry.

    The same `claim` journals once, however often it is called. `reasons` quarantine the file whatever it holds.
    """
    messages = [] if reasons else split_messages(data)
    found = list(reasons) or _unreadable(messages, data)
    now = services.clock.now()
    ids = journal.add(
        connection,
        messages or [data],
        file=file,
        file_hash=hashlib.sha256(data).hexdigest(),
        now=now,
        # A worker is told at once; the sweeper comes only if that gets lost.
        due=now + services.settings.message_lease_seconds * SECOND,
        claim=claim,
        reasons=quarantine.as_dicts(found),
    )
    return Accepted(ids, found)


def announce(services: Services, ids: Sequence[str]) -> None:
    """Tell the workers of journaled messages; if that fails the sweeper does it as soon as it can."""
    if not services.queue.process(ids):
        now = services.clock.now()
        services.database.transact(lambda connection: journal.set_due(connection, ids, now))


def _unreadable(messages: list[bytes], data: bytes) -> list[Reason]:
    if messages:
        return []
    return [quarantine.no_message(data) if data.strip() else quarantine.empty_file()]
