"""PV1 -> Encounter, where it has a visit number: without one nobody can tell which visit it is.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-pv1-to-encounter.html
"""

from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite, Segment
from mappers.hl7v2.context import Context
from mappers.hl7v2.datatypes import compact, concept, identifier, table_concept
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import practitioner
from mappers.hl7v2.identity import Key
from mappers.hl7v2.tables import ENCOUNTER_CLASS, IDENTIFIER_TYPE, TERMINOLOGY, coding

Element = dict[str, Any]
_PARTICIPANTS = ((7, "ATND", "attender"), (8, "REF", "referrer"), (9, "CON", "consultant"), (17, "ADM", "admitter"))
_STATUS = {"P": "planned", "U": "unknown"}
MAPPED = frozenset((1, 2, 3, 4, 7, 8, 9, 10, 17, 19, 44, 45, 50))


def encounter(pv1: Segment, patient: Draft, context: Context) -> Draft | None:
    """The Encounter of a visit; None when PV1 has no visit number."""
    visit = identifier(pv1[19], context.sender, "VN")
    if not visit:
        return None
    visit["type"] = table_concept("VN", "0203", IDENTIFIER_TYPE)
    others = [found for field in pv1.repetitions(50) if (found := identifier(field, context.sender, "VN"))]
    key = Key("Encounter", visit["system"], visit["value"])
    draft = Draft("Encounter", [key], "merge", {"resourceType": "Encounter"}, pv1.position)
    start, end = context.time(pv1, 44), context.time(pv1, 45)
    written = pv1.code(2).upper()
    entry = ENCOUNTER_CLASS.get(written, ["v2-0004", "U", "Unknown"])
    draft.resource |= compact(
        identifier=[visit, *others],
        status="finished" if end else _STATUS.get(written, "in-progress") if written else "unknown",
        type=[kind] if (kind := concept(pv1[4], context.sender)) else None,
        serviceType=concept(pv1[10], context.sender),
        subject=draft.link(patient),
        participant=_participants(pv1, draft, context),
        period=compact(start=start and start.text, end=end and end.text),
        location=_location(pv1[3], written),
    )
    draft.resource["class"] = coding(entry)
    context.stamp(draft)
    return draft


def _participants(pv1: Segment, draft: Draft, context: Context) -> list[Element]:
    found = []
    for number, code, display in _PARTICIPANTS:
        kind = {"system": f"{TERMINOLOGY}v3-ParticipationType", "code": code, "display": display}
        for field in pv1.repetitions(number):
            if person := practitioner(field, draft, context):
                found.append({"type": [{"coding": [kind]}], "individual": person})
    return found


def _location(field: Composite, patient_class: str) -> list[Element]:
    """The place by name: point of care, room, bed and facility of a PL."""
    parts = [field[place] for place in (1, 2, 3)] + [field.sub(4)[1]]
    shown = ", ".join(part for part in parts if part)
    if not shown:
        return []
    return [{"location": {"display": shown}, "status": "planned" if patient_class == "P" else "active"}]
