"""Data types of HL7v2 as FHIR data types. Each function takes one repetition and gives {} or None where it is empty.

https://build.fhir.org/ig/HL7/v2-to-fhir/datatype_maps.html
"""

import re
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.ingest.hl7v2.message import Composite
from mappers.hl7v2.identity import NPI, Sender
from mappers.hl7v2.tables import (
    ADDRESS_TYPE,
    ADDRESS_USE,
    IDENTIFIER_TYPE,
    NAME_USE,
    TELECOM_SYSTEM,
    TELECOM_USE,
    TERMINOLOGY,
)
from mappers.hl7v2.times import read_time

Element = dict[str, Any]
_BLANKS = re.compile(r"\s+")
_NPI = re.compile(r"\d{10}")
_ANY_ZONE = ZoneInfo("UTC")


def compact(**elements: Any) -> Element:
    """The elements that are not empty."""
    return {name: value for name, value in elements.items() if value or value is False}


def code_text(text: str) -> str:
    """Text as a FHIR code: no blanks around it, single blanks inside."""
    return _BLANKS.sub(" ", text).strip()


def concept(field: Composite, sender: Sender) -> Element:
    """CE, CWE or CNE as CodeableConcept: up to three codings in the order sent, original text in `text`."""
    codings = []
    for first, version in ((1, 7), (4, 8), (10, 13)):
        if first > len(field):
            break
        code, display, system = field[first], field[first + 1], field[first + 2]
        if not code:
            continue
        found: Element = {"code": code_text(code)}
        if system:
            found = {
                "system": sender.code_system(system),
                **({"version": field[version]} if field[version] else {}),
                **found,
            }
        if display:
            found["display"] = display
        codings.append(found)
    text = field[9]
    if not text and not any("display" in found for found in codings):
        text = field[2] or field[5]
    return compact(coding=codings, text=text)


def table_concept(code: str, table: str, displays: dict[str, str]) -> Element:
    """A code of an HL7 table (`0203`) with its display; a code that is not in the table becomes text."""
    if code not in displays:
        return {"text": code}
    return {"coding": [{"system": f"{TERMINOLOGY}v2-{table}", "code": code, "display": displays[code]}]}


def identifier(field: Composite, sender: Sender, kind: str) -> Element:
    """CX as Identifier. `kind` names the numbers of the sender that have neither authority nor type."""
    if not field[1]:
        return {}
    code = field[5].upper()
    authority = field.sub(4)
    return compact(
        type=table_concept(code, "0203", IDENTIFIER_TYPE) if code else None,
        system=sender.system(authority, code or kind),
        value=field[1],
        period=_period(field[7], field[8]),
        assigner=compact(display=authority[1]),
    )


def type_code(identifier: Element) -> str:
    """The code of an Identifier's type; empty where it has none."""
    codings = identifier.get("type", {}).get("coding", [])
    code = codings[0].get("code", "") if codings else ""
    return str(code)


def _period(start: str, end: str) -> Element:
    return compact(start=_date(start), end=_date(end))


def _date(raw: str) -> str:
    """The day of an identifier's or name's period: whole days need no zone."""
    found = read_time(raw[:8], _ANY_ZONE) if raw else None
    return found.text if found else ""


def entity_identifier(field: Composite, sender: Sender, kind: str) -> Element:
    """EI as Identifier: value from EI.1, authority from EI.2 to EI.4; `kind` as for `identifier`."""
    if not field[1]:
        return {}
    return compact(system=sender.system(_Shifted(field), kind), value=field[1], assigner=compact(display=field[2]))


class _Shifted(Composite):
    """The authority inside an EI: its components 2 to 4 read as an HD."""

    __slots__ = ("_field",)

    def __init__(self, field: Composite) -> None:
        self._field = field

    def __getitem__(self, number: int) -> str:
        return self._field[number + 1]


def order_number(field: Composite, sender: Sender, code: str) -> Element:
    """A placer (PLAC) or filler (FILL) number as Identifier, with its type."""
    found = entity_identifier(field, sender, "placer" if code == "PLAC" else "filler")
    return {"type": table_concept(code, "0203", IDENTIFIER_TYPE), **found} if found else {}


def human_name(field: Composite) -> Element:
    """XPN as HumanName."""
    family = field.sub(1)
    given = [name for name in (field[2], field[3]) if name]
    found = compact(
        family=family[1] or field[1],
        given=given,
        prefix=[field[5]] if field[5] else None,
        suffix=[part for part in (field[4], field[6]) if part],
        period=_period(field[12], field[13]),
    )
    use = NAME_USE.get(field[7].upper())
    return {"use": use, **found} if found and use else found


def address(field: Composite) -> Element:
    """XAD as Address."""
    street = field.sub(1)
    lines = [" ".join(part for part in street if part), field[2], field[19]]
    kind = field[7].upper()
    found = compact(
        line=[line for line in lines if line],
        city=field[3],
        district=field[9],
        state=field[4],
        postalCode=field[5],
        country=field[6],
    )
    if not found:
        return {}
    return compact(use=ADDRESS_USE.get(kind), type=ADDRESS_TYPE.get(kind)) | found


def contact_point(field: Composite, use: str = "") -> Element:
    """XTN as ContactPoint; `use` is taken where XTN.2 tells none."""
    equipment, purpose = field[3].upper(), field[2].upper()
    system = TELECOM_SYSTEM.get(equipment, "phone")
    if purpose == "NET" or (not equipment and "@" in field[4]):
        system = "email"
    parts = [f"+{field[5].lstrip('+')}" if field[5] else "", field[6], field[7]]
    number = " ".join(part for part in parts if part) if field[7] else ""
    if number and field[8]:
        number += f" x{field[8]}"
    candidates = (field[4], field[1], field[12]) if system == "email" else (field[12], field[1], number, field[4])
    value = next((candidate for candidate in candidates if candidate), "")
    if not value:
        return {}
    use = "mobile" if equipment == "CP" else TELECOM_USE.get(purpose, use)
    return compact(system="email" if "@" in value else system, value=value, use=use)


def person_identifier(field: Composite, sender: Sender) -> Element:
    """The number of an XCN as Identifier; {} where it has none."""
    if not field[1]:
        return {}
    code = field[13].upper()
    authority = field.sub(9)
    if _NPI.fullmatch(field[1]) and "NPI" in (code, authority[1].upper()):
        return {"system": NPI, "value": field[1]}
    return compact(
        type=table_concept(code, "0203", IDENTIFIER_TYPE) if code in IDENTIFIER_TYPE else None,
        system=sender.system(authority, code if code in IDENTIFIER_TYPE else "practitioner"),
        value=field[1],
    )


def person_name(field: Composite) -> Element:
    """The name of an XCN as HumanName."""
    return compact(
        family=field.sub(2)[1] or field[2],
        given=[name for name in (field[3], field[4]) if name],
        prefix=[field[6]] if field[6] else None,
        suffix=[part for part in (field[5], field[7]) if part],
    )


def display_name(name: Element) -> str:
    """A HumanName in one line."""
    parts = [*name.get("prefix", []), *name.get("given", []), name.get("family", ""), *name.get("suffix", [])]
    return " ".join(part for part in parts if part)


def organization_identifier(field: Composite, sender: Sender) -> Element:
    """The number of an XON (XON.10, else XON.3) as Identifier; {} where it has none."""
    value = field[10] or field[3]
    if not value:
        return {}
    return {"system": sender.system(field.sub(6), field[7] or "organization"), "value": value}
