"""What the mappers of one message share: the sender, the zone, the moment of sending, warnings, and entities.

Entities (practitioners, organizations, devices) that are named several times become one draft.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.ingest.hl7v2.message import Segment
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.identity import Key, Sender
from mappers.hl7v2.tables import PROCESSING, TERMINOLOGY
from mappers.hl7v2.times import Time, read_time
from mappers.hl7v2.units import quantity_unit

SENT = "urn:fhir-lab:sent"  # extension: MSH-7 of the message whose content this is
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_ABSENT_EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def absent(reason: str = "unknown") -> dict[str, Any]:
    """A primitive that has no value, with the reason why: the content of `_effectiveDateTime` and the like."""
    return {"extension": [{"url": _ABSENT_EXTENSION, "valueCode": reason}]}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose content it is: the patient, and the visit where it is known."""

    patient: Draft
    encounter: Draft | None


@dataclass
class Context:
    """One conversion.

    `sent` is MSH-7, or the arrival where there is none; `processing` is MSH-11 when the message is not production.
    """

    sender: Sender
    zone: ZoneInfo
    sent: str = ""
    processing: str = ""
    warnings: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    _parts: dict[tuple[str, ...], int] = field(default_factory=dict)
    _entities: dict[Key, Draft] = field(default_factory=dict)
    _shared: dict[Key, Draft] = field(default_factory=dict)
    _times: dict[str, Time | None] = field(default_factory=dict)
    _units: dict[str, dict[str, str]] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Tell people what was put right or left out; once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def time(self, segment: Segment, number: int, raw: str | None = None) -> Time | None:
        """A date or time field, its first component (or `raw`); None, with a warning, when no calendar has it."""
        written = segment.code(number) if raw is None else raw
        if not written:
            return None
        if written not in self._times:
            self._times[written] = read_time(written, self.zone)
        found = self._times[written]
        where = f"{segment.position} {segment.name}-{number}"
        if found is None:
            self.warn(f"{where}: '{written}' is not a date or time; it was left out.")
        elif found.note:
            self.warn(f"{where}: '{written}' {found.note}.")
        return found

    def unit(self, segment: Segment, number: int) -> dict[str, str]:
        """The unit of a Quantity."""
        raw = segment.raw_field(number)
        if not raw:
            return {}
        if raw not in self._units:
            self._units[raw] = quantity_unit(segment[number], self.sender)
        return self._units[raw]

    def distinct(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The parts of a business key; those of the second equal order in a message get its number."""
        place = self._parts[parts] = self._parts.get(parts, 0) + 1
        return parts if place == 1 else (*parts, str(place))

    def entity(self, key: Key, build: Callable[[], dict[str, Any]]) -> Draft:
        """The draft of an entity that is created once and then left alone."""
        if key not in self._entities:
            self._entities[key] = Draft(key.type, [key], "create", {"resourceType": key.type, **build()})
        return self._entities[key]

    def shared(self, draft: Draft) -> Draft:
        """The draft of the same resource that this message had before, filled up from this one; else this one."""
        known = self._shared.setdefault(draft.keys[0], draft)
        if known is not draft:
            known.resource.update({name: value for name, value in draft.resource.items() if name not in known.resource})
            known.others.extend(draft.others)
        return known

    def stamp(self, draft: Draft) -> None:
        """Note on a resource when its content was sent, and that it is a test if the message is one."""
        if self.sent:
            draft.resource.setdefault("extension", []).append({"url": SENT, "valueInstant": self.sent})
        if self.processing:
            code = {"system": f"{TERMINOLOGY}v2-0103", "code": self.processing, "display": PROCESSING[self.processing]}
            draft.resource["meta"] = {"tag": [code]}
