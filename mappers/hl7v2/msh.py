"""MSH: is it a message for this mapper, who sent it, and the Provenance of what it changes.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-msh-to-provenance.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.ingest.hl7v2.message import Message, Reason
from mappers.hl7v2.context import Context, absent
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import device, facility
from mappers.hl7v2.identity import Key, Sender
from mappers.hl7v2.tables import PROCESSING, TERMINOLOGY
from mappers.hl7v2.times import instant, read_time

ALLOWED = ("R01", "R30", "R31", "R32", "")  # ORU^R30 to R32 come from point of care and walk the same


def refused(message: Message) -> Reason | None:
    """Why the whole message is held back; None when it can be mapped."""
    kind = message.header[9]
    if kind[1].upper() != "ORU" or kind[2].upper() not in ALLOWED:
        written = message.message_type or message.header.text(9)
        return Reason(
            "message-type",
            "MSH[1]",
            "MSH-9",
            written,
            "ORU^R01, ORU^R30, ORU^R31 or ORU^R32",
            f"Message type {written or '(empty)'} is not handled here; send results as ORU^R01.",
        )
    if message.header.code(11).upper() == "Q":
        return Reason(
            "quality-control",
            "MSH[1]",
            "MSH-11",
            "Q",
            "P (or D, T, N, V for tests)",
            "This is a quality control run; such runs are not stored yet, and never under a patient. Nothing to do.",
        )
    return None


def no_sender() -> Reason:
    """MSH-3 and MSH-4 are empty."""
    return Reason(
        "sender-missing",
        "MSH[1]",
        "MSH-4",
        "",
        "the name of the sending facility in MSH-4, or of the application in MSH-3",
        "Without a sender nobody can tell whose patient and order numbers these are; have the sender fill MSH-4.",
    )


def context_of(
    message: Message, zone: ZoneInfo, received: datetime | None, namespaces: Mapping[str, str]
) -> Context | None:
    """What the mappers of this message share; None when it has no sender."""
    sender = Sender.of(message, namespaces)
    if sender is None:
        return None
    sent = read_time(message.header.code(7), zone)
    moment = sent.moment if sent else received
    processing = message.header.code(11).upper()
    context = Context(
        sender,
        zone,
        sent=instant(moment) if moment else "",
        processing=processing if processing in PROCESSING else "",
    )
    if message.header.valued(7) and sent is None:
        context.warn(f"MSH[1] MSH-7: '{message.header.code(7)}' is not a date or time; the arrival was taken.")
    return context


def provenance(message: Message, context: Context) -> Draft:
    """Who said it: the sending facility, else application; the message is the source. Its targets come later."""
    name = "|".join((context.sender.name, message.control_id or message.content_hash, context.sent))
    draft = Draft("Provenance", [Key("Provenance", "", name)], "create", {"resourceType": "Provenance"})
    header = message.header
    who = facility(header[4], draft, context) or device(header[3], draft, context) or {"display": context.sender.label}
    source = {"system": context.sender.own("message"), "value": message.control_id or message.content_hash}
    if context.sent:
        draft.resource["recorded"] = context.sent
    else:
        draft.resource["_recorded"] = absent()
    draft.resource["activity"] = {"text": f"message - {header.text(9)}"}
    author = {"system": f"{TERMINOLOGY}provenance-participant-type", "code": "author", "display": "Author"}
    draft.resource["agent"] = [{"type": {"coding": [author]}, "who": who}]
    draft.resource["entity"] = [{"role": "source", "what": {"identifier": source}}]
    return draft


def entry_of(draft: Draft) -> dict[str, Any]:
    """The Bundle entry of a Provenance: always a new one."""
    request = {"method": "POST", "url": "Provenance"}
    return {"fullUrl": draft.full_url, "resource": draft.resource, "request": request}
