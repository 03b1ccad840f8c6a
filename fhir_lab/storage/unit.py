"""The unit of work: one connection, one caller, one request. Every call into storage and search carries it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from fhir_lab.security.access import Caller

if TYPE_CHECKING:
    from fhir_lab.services import Services


@dataclass(frozen=True, slots=True)
class Unit:
    """What a storage or search call needs to know: where (`connection`), who (`caller`), with what (`services`).

    `message_id` names the journal entry that causes the writes, if one does.
    """

    connection: Connection
    caller: Caller
    services: "Services"
    message_id: str | None = None
    # What conditions matched since the last write of this unit; nobody else can change it until the unit ends.
    matched: dict[tuple[str, str], list[str]] = field(default_factory=dict, compare=False)
