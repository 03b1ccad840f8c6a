"""ORC and OBR as an order: its numbers, its business key, and the ServiceRequest.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-orc-to-servicerequest.html
"""

from dataclasses import dataclass
from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite, Segment
from fhir_lab.ingest.hl7v2.walk import Order
from mappers.hl7v2.context import Context, Subject
from mappers.hl7v2.datatypes import compact, concept, entity_identifier, order_number, table_concept
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import organization, practitioner
from mappers.hl7v2.identity import ORDER, Key, key
from mappers.hl7v2.nte import annotations
from mappers.hl7v2.tables import IDENTIFIER_TYPE, ORDER_CONTROL, ORDER_STATUS, PRIORITY

Element = dict[str, Any]
MAPPED = frozenset((1, 2, 3, 4, 5, 9, 12, 21))
_AFTER = {"final": "completed", "amended": "completed", "corrected": "completed", "cancelled": "revoked"}
_REFLEX = {"G": "reflex-order"}


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an order goes by.

    `placer`, `filler` and `group` are Identifiers or empty; `parts` are the parts of the business key of its report:
    sender, number, test, parent result. The number alone is not enough, senders repeat it.
    """

    placer: Element
    filler: Element
    group: Element
    parts: tuple[str, ...]


def numbers(order: Order, patient: Key, context: Context, fallback: str) -> Numbers:
    """The numbers of an order; `fallback` tells orders without any number apart."""
    placer, filler = _number(order, 2), _number(order, 3)
    code = _test(order.obr)
    parent = order.obr[26] if order.obr else None
    parents = "~".join((parent.sub(1)[1], parent[2])) if parent else ""
    number = _written(filler) or _written(placer) or _sample(order)
    if not number:
        drawn = order.obr.code(7) if order.obr else ""
        number = f"{patient.system}|{patient.value} {drawn or fallback}"
    return Numbers(
        order_number(placer, context.sender, "PLAC") if placer else {},
        order_number(filler, context.sender, "FILL") if filler else {},
        _group(order, context),
        (context.sender.name, number, code, parents),
    )


def _number(order: Order, place: int) -> Composite | None:
    """OBR-2 or OBR-3, else that of ORC; of two equal ones the one with an authority."""
    found = [segment[place] for segment in (order.obr, order.orc) if segment is not None and segment[place][1]]
    if len(found) == 2 and found[0][1] == found[1][1] and not any(found[0][part] for part in (2, 3)):
        return found[1]
    return found[0] if found else None


def _written(number: Composite | None) -> str:
    if number is None:
        return ""
    authority = number[3] or number[2]
    return f"{number[1]}@{authority}" if authority else number[1]


def _sample(order: Order) -> str:
    """The number of the first specimen that has one."""
    for sample in order.samples:
        identifier = sample.spm[2]
        found = sample.spm[30][1] or identifier.sub(2)[1] or identifier.sub(1)[1]
        if found:
            return f"specimen {found}"
    return ""


def _test(obr: Segment | None) -> str:
    if obr is None:
        return ""
    test = obr[4]
    return test[1] or test[4] or test[2]


def _group(order: Order, context: Context) -> Element:
    found = entity_identifier(order.orc[4], context.sender, "group") if order.orc else {}
    return {"type": table_concept("PGN", "0203", IDENTIFIER_TYPE), **found} if found else {}


def service_request(
    order: Order, known: Numbers, report_status: str, subject: Subject, context: Context
) -> Draft | None:
    """The ServiceRequest of an order; None where the message names no order at all."""
    if not (known.placer or known.filler or order.orc):
        return None
    own = Key("ServiceRequest", ORDER, key(*known.parts))
    others = [Key("ServiceRequest", found["system"], found["value"]) for found in (known.placer, known.filler) if found]
    position = (order.obr or order.orc or subject.patient).position
    draft = Draft("ServiceRequest", [own, *others], "merge", {"resourceType": "ServiceRequest"}, position)
    orc, obr = order.orc, order.obr
    draft.resource |= compact(
        identifier=[*filter(None, (known.placer, known.filler)), {"system": ORDER, "value": own.value}],
        requisition=known.group,
        status=_status(orc, report_status),
        intent=_REFLEX.get(obr.code(11).upper(), "order") if obr else "order",
        priority=_priority(order),
        code=concept(obr[4], context.sender) if obr else None,
        subject=draft.link(subject.patient),
        encounter=draft.link(subject.encounter) if subject.encounter else None,
        requester=_requester(order, draft, context),
        reasonCode=[found for field in obr.repetitions(31) if (found := concept(field, context.sender))]
        if obr
        else None,
        note=_notes(order, context),
    )
    if obr and (wanted := context.time(obr, 6)):
        draft.resource["occurrenceDateTime"] = wanted.text
    if orc and orc.code(1) == "NW" and (authored := context.time(orc, 9)):
        draft.resource["authoredOn"] = authored.text
    context.stamp(draft)
    return draft


def _status(orc: Segment | None, report_status: str) -> str:
    if orc is not None:
        if said := ORDER_STATUS.get(orc.code(5).upper()):
            return said
        if not orc.valued(5) and (said := ORDER_CONTROL.get(orc.code(1).upper())):
            return said
    return _AFTER.get(report_status, "active")


def _priority(order: Order) -> str:
    written = [order.timing.code(9)] if order.timing else []
    if order.obr:
        written += [order.obr.code(5), order.obr[27][6]]
    return next((PRIORITY[code.upper()] for code in written if code.upper() in PRIORITY), "")


def _requester(order: Order, draft: Draft, context: Context) -> Element | None:
    fields = [segment[place] for segment, place in ((order.orc, 12), (order.obr, 16)) if segment is not None]
    for field in fields:
        if found := practitioner(field, draft, context):
            return found
    return organization(order.orc[21], draft, context) if order.orc else None


def _notes(order: Order, context: Context) -> list[Element]:
    found = annotations(order.order_notes, context)
    if order.obr and (clinical := order.obr.text(13)):
        found.append({"text": clinical})
    return found
