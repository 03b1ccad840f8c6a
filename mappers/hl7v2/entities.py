"""People, organizations and devices that a message names: a resource where they have a number, else only their name.

They are created when they are first seen and then left alone: a result message is no registry of staff.
https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-datatype-xcn-to-practitioner.html
"""

from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite
from mappers.hl7v2.context import Context
from mappers.hl7v2.datatypes import (
    address,
    code_text,
    compact,
    display_name,
    entity_identifier,
    organization_identifier,
    person_identifier,
    person_name,
)
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.identity import FACILITY, Key, Sender, universal

Element = dict[str, Any]
_URI_SYSTEM = "urn:ietf:rfc:3986"


def practitioner(field: Composite, owner: Draft, context: Context) -> Element | None:
    """A Reference from `owner` to the Practitioner of an XCN; only with a name where it has no number."""
    name = person_name(field)
    shown = display_name(name)
    number = person_identifier(field, context.sender)
    if not number:
        return {"display": shown} if shown else None
    key = Key("Practitioner", number["system"], number["value"])
    draft = context.entity(key, lambda: compact(identifier=[number], name=[name] if name else None))
    return owner.link(draft, shown)


def organization(field: Composite, owner: Draft, context: Context, location: Composite | None = None) -> Element | None:
    """A Reference to the Organization of an XON; `location` is its address (XAD)."""
    shown = field[1]
    number = organization_identifier(field, context.sender)
    if not number:
        return {"display": shown} if shown else None
    where = address(location) if location else {}
    draft = context.entity(
        Key("Organization", number["system"], number["value"]),
        lambda: compact(identifier=[number], name=shown, address=[where] if where else None),
    )
    return owner.link(draft, shown)


def coded_organization(field: Composite, sender: Sender) -> Element | None:
    """A logical Reference to the organization that a CWE names, as OBX-15 does."""
    code, shown = field[1], field[2]
    if not code:
        return {"display": shown} if shown else None
    system = sender.code_system(field[3]) if field[3] else sender.own("producer")
    reference: Element = {"type": "Organization", "identifier": {"system": system, "value": code_text(code)}}
    return {**reference, "display": shown} if shown else reference


def facility(authority: Composite, owner: Draft, context: Context) -> Element | None:
    """A Reference to the Organization of an HD, as MSH-4 names the sending facility."""
    if not authority:
        return None
    uri = universal(authority[2], authority[3])
    name = authority[1] or authority[2]
    number = {"system": _URI_SYSTEM, "value": uri} if uri else {"system": FACILITY, "value": name}
    key = Key("Organization", number["system"], number["value"])
    return owner.link(context.entity(key, lambda: {"identifier": [number], "name": name}), name)


def device(field: Composite, owner: Draft, context: Context) -> Element | None:
    """A Reference to the Device of an EI, as OBX-18 names the analyzer."""
    number = entity_identifier(field, context.sender, "device")
    if not number:
        return None
    number.pop("assigner", None)
    shown = field[2] or field[1]
    name = [{"name": shown, "type": "user-friendly-name"}]
    draft = context.entity(
        Key("Device", number["system"], number["value"]), lambda: {"identifier": [number], "deviceName": name}
    )
    return owner.link(draft, shown)
