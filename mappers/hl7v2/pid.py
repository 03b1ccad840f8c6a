"""PID, PD1 and NK1 -> Patient: only what the message says, never a guess; no identifier, no patient.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-pid-to-patient.html
"""

from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite, Reason, Segment
from fhir_lab.ingest.hl7v2.walk import Group
from mappers.hl7v2.context import Context, absent
from mappers.hl7v2.datatypes import (
    address,
    compact,
    concept,
    contact_point,
    human_name,
    identifier,
    table_concept,
    type_code,
)
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import organization, practitioner
from mappers.hl7v2.identity import Key
from mappers.hl7v2.tables import GENDER, IDENTIFIER_TYPE, MARITAL_STATUS, RELATIONSHIP, coding

Element = dict[str, Any]
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
# Table 0203: numbers of accounts, visits and guarantors, which people share.
_NOT_A_PERSON = frozenset(("AN", "ANC", "AND", "ANT", "VN", "GN", "ACSN"))
# Numbers that are often invented, mistyped or shared: they tell who it is only where nothing else does.
_KINDS = {3: "patient", 2: "external", 4: "alternate"}  # what a number without authority and type is
_WEAK = frozenset(("SS", "DL", "BC", "MB"))
MAPPED = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 19, 20, 23, 24, 25, 29, 30, 40))


def patient(group: Group, context: Context) -> Draft | Reason:
    """The Patient of a group, or why there is none."""
    pid = group.pid
    if pid is None:
        return Reason(
            "patient-missing",
            "PID",
            "",
            "no PID segment",
            "a PID segment with a patient identifier in PID-3, before the results",
            "Find out from the order number whose results these are, add the PID segment in a copy of the file and "
            "drop the copy into the inbox.",
        )
    identifiers = _identifiers(pid, context)
    keys = _keys(pid, context)
    if not keys:
        return Reason(
            "patient-identifier-missing",
            pid.position,
            "PID-3",
            pid.text(3),
            "at least one number of the patient, such as 12345^^^HOSPITAL^MR",
            "Add the patient's number to PID-3 in a copy of the file and drop the copy into the inbox; name and birth "
            "date alone match no patient.",
        )
    draft = Draft("Patient", keys, "merge", {"resourceType": "Patient", "identifier": identifiers}, pid.position)
    draft.resource.update(_demographics(pid, context))
    if contacts := [found for found in (_contact(kin, context) for kin in group.kin) if found]:
        draft.resource["contact"] = contacts
    if group.pd1 is not None:
        _practice(draft, group.pd1, context)
    draft.nulls.update(element for number, element in _DELETABLE.items() if pid.null(number))
    context.stamp(draft)
    return draft


_DELETABLE = {
    5: "name",
    7: "birthDate",
    8: "gender",
    11: "address",
    13: "telecom",
    15: "communication",
    16: "maritalStatus",
}


def _identifiers(pid: Segment, context: Context) -> list[Element]:
    found: list[Element] = []
    for number in _KINDS:
        for new in _numbers(pid, number, context):
            _add(found, new)
    for number, code in ((19, "SS"), (20, "DL")):
        value = pid[number][1]
        if value:
            typed = table_concept(code, "0203", IDENTIFIER_TYPE)
            _add(found, {"type": typed, "system": context.sender.own(code.lower()), "value": value})
    return found


def _numbers(pid: Segment, number: int, context: Context) -> list[Element]:
    found = (identifier(field, context.sender, _KINDS[number]) for field in pid.repetitions(number))
    return [new for new in found if new]


def _add(found: list[Element], new: Element) -> None:
    if not any((old["system"], old["value"]) == (new["system"], new["value"]) for old in found):
        found.append(new)


def _keys(pid: Segment, context: Context) -> list[Key]:
    """The numbers that tell which patient it is: those of PID-3, else of PID-2, else of PID-4."""
    for number in _KINDS:
        strong, weak = [], []
        for found in _numbers(pid, number, context):
            key = Key("Patient", found["system"], found["value"])
            code = type_code(found)
            if code in _WEAK:
                weak.append(key)
            elif code not in _NOT_A_PERSON:
                strong.append(key)
        if strong or weak:
            return strong or weak
    return []


def _demographics(pid: Segment, context: Context) -> Element:
    elements = compact(
        name=_names(pid),
        telecom=_telecoms(pid),
        gender=_gender(pid, context),
        address=_addresses(pid),
        maritalStatus=_marital(pid, context),
        communication=_language(pid, context),
        extension=_extensions(pid),
    )
    _birth(pid, elements, context)
    _deceased(pid, elements, context)
    order = pid.code(25)
    if order.isascii() and order.isdigit() and 0 < int(order) < 100:
        elements["multipleBirthInteger"] = int(order)
    elif pid.code(24) in ("Y", "N"):
        elements["multipleBirthBoolean"] = pid.code(24) == "Y"
    return elements


def _names(pid: Segment) -> list[Element]:
    return [name for field in (*pid.repetitions(5), *pid.repetitions(9)) if (name := human_name(field))]


def _telecoms(pid: Segment) -> list[Element]:
    found: list[Element] = []
    for number, use in ((13, "home"), (14, "work"), (40, "")):
        for field in pid.repetitions(number):
            telecom = contact_point(field, use)
            if telecom and telecom not in found:
                found.append(telecom)
    return found


def _gender(pid: Segment, context: Context) -> str:
    written = pid.code(8)
    found = GENDER.get(written.upper(), "")
    if written and not found:
        context.warn(f"{pid.position} PID-8: '{written}' is no sex of table 0001; it was left out.")
    return found


def _addresses(pid: Segment) -> list[Element]:
    fields = pid.repetitions(11)
    found = [place for field in fields if (place := address(field))]
    county = pid.text(12)
    if county and len(found) == 1 and "district" not in found[0]:
        found[0]["district"] = county
    elif county:
        found.append({"district": county})
    return found


def _marital(pid: Segment, context: Context) -> Element:
    entry = MARITAL_STATUS.get(pid.code(16).upper())
    return {"coding": [coding(entry)]} if entry else concept(pid[16], context.sender)


def _language(pid: Segment, context: Context) -> list[Element]:
    language = concept(pid[15], context.sender)
    return [{"language": language}] if language else []


def _extensions(pid: Segment) -> list[Element]:
    found: list[Element] = []
    if maiden := human_name(pid[6]).get("family"):
        found.append({"url": f"{_EXTENSION}patient-mothersMaidenName", "valueString": maiden})
    if place := pid.text(23):
        found.append({"url": f"{_EXTENSION}patient-birthPlace", "valueAddress": {"text": place}})
    return found


def _birth(pid: Segment, elements: Element, context: Context) -> None:
    birth = context.time(pid, 7)
    if birth is None:
        if pid.valued(7):
            elements["_birthDate"] = absent()
        return
    elements["birthDate"] = birth.date
    if birth.exact:
        elements["_birthDate"] = {"extension": [{"url": f"{_EXTENSION}patient-birthTime", "valueDateTime": birth.text}]}


def _deceased(pid: Segment, elements: Element, context: Context) -> None:
    died = context.time(pid, 29)
    if died is not None:
        elements["deceasedDateTime"] = died.text
    elif pid.code(30) in ("Y", "N"):
        elements["deceasedBoolean"] = pid.code(30) == "Y"


def _contact(kin: Segment, context: Context) -> Element:
    names = [name for field in kin.repetitions(2) if (name := human_name(field))]
    places = [place for field in kin.repetitions(4) if (place := address(field))]
    numbers = [*((field, "home") for number in (5, 40) for field in kin.repetitions(number))]
    numbers += [(field, "work") for field in kin.repetitions(6)]
    telecom = [found for field, use in numbers if (found := contact_point(field, use))]
    employer = kin[13][1]
    found = compact(
        name=names[0] if names else None,
        telecom=telecom,
        address=places[0] if places else None,
        organization={"display": employer} if employer else None,
    )
    if not found:
        return {}
    relationship = _relationship(kin[3], context)
    return {"relationship": [relationship], **found} if relationship else found


def _relationship(field: Composite, context: Context) -> Element:
    entry = RELATIONSHIP.get(field[1].upper())
    return {"coding": [coding(entry)]} if entry else concept(field, context.sender)


def _practice(draft: Draft, pd1: Segment, context: Context) -> None:
    found = [organization(field, draft, context) for field in pd1.repetitions(3)]
    found += [practitioner(field, draft, context) for field in pd1.repetitions(4)]
    if practitioners := [reference for reference in found if reference]:
        draft.resource["generalPractitioner"] = practitioners
