"""SPM -> Specimen, and the specimen that OBR-15 describes where there is no SPM.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-spm-to-specimen.html
"""

from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite, Segment
from fhir_lab.ingest.hl7v2.walk import Order, Sample
from mappers.hl7v2.context import Context
from mappers.hl7v2.datatypes import compact, concept, entity_identifier, identifier, order_number
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import practitioner
from mappers.hl7v2.identity import SPECIMEN, Key, key
from mappers.hl7v2.nte import annotations
from mappers.hl7v2.tables import SPECIMEN_STATUS
from mappers.hl7v2.times import Time
from mappers.hl7v2.values import number

Element = dict[str, Any]
MAPPED = frozenset((1, 2, 3, 4, 6, 7, 8, 12, 14, 17, 18, 20, 21, 24, 27, 30, 31, 32))


def specimen(sample: Sample, order: Order, parts: tuple[str, ...], patient: Draft, context: Context) -> Draft:
    """The Specimen of an SPM.

    `parts` are the business key of its report, which tells specimens without a number apart.
    """
    spm = sample.spm
    own = _identifiers(spm, context)
    accession = identifier(spm[30], context.sender, "ACSN")
    named = next((found for found in (*own, accession) if found), None)
    what = (
        Key("Specimen", named["system"], named["value"])
        if named
        else _unnumbered(parts, str(order.samples.index(sample)))
    )
    draft = Draft("Specimen", [what], "merge", {"resourceType": "Specimen"}, spm.position)
    rejected = [found for field in spm.repetitions(21) if (found := concept(field, context.sender))]
    conditions = [found for field in spm.repetitions(24) if (found := concept(field, context.sender))]
    notes = [{"text": text} for field in spm.repetitions(14) if (text := field.text)]
    received = context.time(spm, 18) or (context.time(order.obr, 14) if order.obr else None)
    draft.resource |= compact(
        identifier=[*own, *_others(spm, context)] if named else [{"system": what.system, "value": what.value}],
        accessionIdentifier=accession,
        status="unsatisfactory" if rejected else SPECIMEN_STATUS.get(spm.code(20).upper()),
        type=concept(spm[4], context.sender),
        subject=draft.link(patient),
        receivedTime=received and received.text,
        parent=_parents(spm, context),
        collection=_collection(spm, order.obr, draft, context),
        container=_container(spm, context),
        condition=[*conditions, *rejected],
        note=[*notes, *annotations(sample.notes, context)],
    )
    context.stamp(draft)
    return draft


def order_specimen(obr: Segment, parts: tuple[str, ...], patient: Draft, context: Context) -> Draft | None:
    """The Specimen of OBR-15, OBR-14 and their like; None where they say nothing of one."""
    source = obr[15]
    if not source and not obr.valued(14):
        return None
    what = _unnumbered(parts, "")
    draft = Draft("Specimen", [what], "merge", {"resourceType": "Specimen"}, obr.position)
    received = context.time(obr, 14)
    kind = concept(source.sub(1), context.sender) if len(source) > 1 or len(source.sub(1)) > 1 else {}
    draft.resource |= compact(
        identifier=[{"system": what.system, "value": what.value}],
        type=kind or ({"text": source.text} if source.text else {}),
        subject=draft.link(patient),
        receivedTime=received and received.text,
        collection=_collection(None, obr, draft, context),
        note=[{"text": comment} for field in obr.repetitions(39) if (comment := field[2] or field[1])],
    )
    context.stamp(draft)
    return draft


def _unnumbered(parts: tuple[str, ...], place: str) -> Key:
    return Key("Specimen", SPECIMEN, key(*parts, place))


def _identifiers(spm: Segment, context: Context) -> list[Element]:
    """SPM-2: the filler's number first, because that is the laboratory's own."""
    pair = spm[2]
    numbers = ((pair.sub(2), "FILL"), (pair.sub(1), "PLAC"))
    return [found for field, code in numbers if (found := specimen_number(field, code, context))]


def specimen_number(field: Composite, code: str, context: Context) -> Element:
    """Half of an EIP as the number of a specimen: PLAC is the placer's, FILL the laboratory's; {} where it is empty."""
    found = order_number(field, context.sender, code)
    if found and not (field[2] or field[3]):
        found["system"] = context.sender.own("specimen")
    return found


def _others(spm: Segment, context: Context) -> list[Element]:
    found = [identifier(field, context.sender, "specimen") for field in spm.repetitions(31)]
    found.append(entity_identifier(spm[32], context.sender, "shipment"))
    return [number for number in found if number]


def _parents(spm: Segment, context: Context) -> list[Element]:
    """The specimens this one was taken from, by number: they may not be stored here."""
    found = []
    for field in spm.repetitions(3):
        parent = specimen_number(field.sub(2), "FILL", context) or specimen_number(field.sub(1), "PLAC", context)
        if parent:
            found.append({"type": "Specimen", "identifier": parent})
    return found


def _collection(spm: Segment | None, obr: Segment | None, draft: Draft, context: Context) -> Element:
    found: Element = {}
    if obr is not None and (collector := practitioner(obr[10], draft, context)):
        found["collector"] = collector
    found.update(_collected(spm, obr, context))
    if spm is not None:
        method, site = concept(spm[7], context.sender), concept(spm[8], context.sender)
        found |= compact(quantity=_amount(spm[12]), method=method, bodySite=site)
    elif obr is not None:
        site = concept(obr[15].sub(4), context.sender)
        found |= compact(quantity=_amount(obr[9]), bodySite=site)
    return found


def _collected(spm: Segment | None, obr: Segment | None, context: Context) -> Element:
    if spm is not None and spm.valued(17):
        start = context.time(spm, 17)
        end = context.time(spm, 17, spm[17][2]) if spm[17][2] else None
    elif obr is not None:
        start, end = context.time(obr, 7), context.time(obr, 8)
    else:
        return {}
    return span("collected", start, end)


def span(name: str, start: Time | None, end: Time | None) -> Element:
    """`nameDateTime`, or `namePeriod` where there is an end that differs from the start and comes after it."""
    if start and end and end.moment > start.moment:
        return {f"{name}Period": {"start": start.text, "end": end.text}}
    return {f"{name}DateTime": start.text} if start else {}


def _amount(field: Composite) -> Element:
    """A CQ as SimpleQuantity: the unit stands in its second component, with subcomponents."""
    value = number(field[1])
    if value is None:
        return {}
    unit = field.sub(2)
    return {"value": value, **({"unit": unit[2] or unit[1]} if unit else {})}


def _container(spm: Segment, context: Context) -> list[Element]:
    kind, additive = concept(spm[27], context.sender), concept(spm[6], context.sender)
    found = compact(type=kind, additiveCodeableConcept=additive)
    return [found] if found else []
