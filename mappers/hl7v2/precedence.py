"""Which of two statements about the same result stands: the stored one or the one that just came?

Messages arrive in any order, and every order must end in the same state. What is settled (final, amended, corrected,
cancelled, wrong) stands above what is not, whatever their times: a preliminary never replaces a final. Among equals the
newer content wins: by the time of analysis (OBX-19), else of issue (OBR-22), else of sending (MSH-7), always comparing
like with like; at equal times the status decides, preliminary before final before corrected. What was declared wrong
or deleted comes back only by a statement that is certainly newer.
"""

from dataclasses import dataclass
from datetime import datetime

from fhir_lab.documents import Resource
from mappers.hl7v2.context import SENT
from mappers.hl7v2.obx import ANALYSED
from mappers.hl7v2.times import moment_of

_RANK = {
    "unknown": 0,
    "registered": 0,
    "preliminary": 1,
    "partial": 2,
    "final": 3,
    "appended": 4,
    "amended": 4,
    "corrected": 4,
    "cancelled": 5,
    "entered-in-error": 6,
}
_SETTLED = _RANK["final"]
_WRONG = _RANK["entered-in-error"]


@dataclass(frozen=True, slots=True)
class Statement:
    """The rank of a status and the three times of a statement: analysed, issued, sent."""

    rank: int
    times: tuple[datetime | None, datetime | None, datetime | None]

    @classmethod
    def of(cls, resource: Resource) -> "Statement":
        """What an Observation or DiagnosticReport says about itself."""
        extensions = {extension.get("url"): extension for extension in resource.get("extension", [])}
        analysed = moment_of(extensions.get(ANALYSED, {}).get("valueDateTime"))
        sent = moment_of(extensions.get(SENT, {}).get("valueInstant"))
        return cls(_RANK.get(resource.get("status", ""), 0), (analysed, moment_of(resource.get("issued")), sent))

    def replaces(self, old: "Statement") -> bool:
        """True when this statement, which came later, stands instead of `old`."""
        if (self.rank >= _SETTLED) != (old.rank >= _SETTLED):
            return self.rank >= _SETTLED
        pairs = [(new, was) for new, was in zip(self.times, old.times, strict=True) if new and was]
        if not pairs:
            return self.rank >= old.rank if old.rank == _WRONG else True
        new, was = pairs[0]
        if new != was:
            return new > was
        if self.rank != old.rank:
            return self.rank > old.rank
        return next((new > was for new, was in pairs[1:] if new != was), True)


def newer(new: Resource, old: Resource) -> bool:
    """True unless what is stored about an entity was sent (or written by anyone) after the new content was sent."""
    sent, before = (moment_of(_sent(resource)) for resource in (new, old))
    before = before or moment_of(old.get("meta", {}).get("lastUpdated"))
    return sent is None or before is None or sent >= before


def _sent(resource: Resource) -> object:
    found = (each.get("valueInstant") for each in resource.get("extension", []) if each.get("url") == SENT)
    return next(found, None)
