"""Why a message, or a part of it, is held back: told so that a laboratory technician can repair it."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps content out of the record.

    `code` is a stable name for programs; `segment` a position such as `OBX[3]` (the third OBX of the message) and
    `field` one such as `OBX-3`, both empty where the whole message is meant; `found` and `allowed` are what was there
    and what may be; `repair` says in plain words what to do. `found` may hold patient data: keep it out of logs.
    """

    code: str
    segment: str
    field: str
    found: str
    allowed: str
    repair: str

    def as_dict(self) -> dict[str, str]:
        """The reason as the journal keeps it."""
        return asdict(self)

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.segment, self.field)))
        return f"{self.code}: {where}: found {self.found or 'nothing'}; allowed {self.allowed}. {self.repair}"


class MessageError(Exception):
    """The bytes cannot be read as an HL7v2 message; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason
