"""The unit of a result as the sender wrote it, with its UCUM code where that is certain. No number is ever converted.

A UCUM code is given when the sender says UCUM and the code is one (case matters: `mg/dL`, not `MG/DL`), or when the
spelling stands in the small table `unit_aliases`. https://ucum.org/ucum
"""

import re
from functools import cache, lru_cache
from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite
from mappers.hl7v2.identity import Sender
from mappers.hl7v2.tables import UCUM, UNIT_ALIASES

_MICRO = str.maketrans({"\u03bc": "\u00b5", "\uffb5": "\u00b5"})
_POWER = re.compile(r"(?:[xX]\s?)?10")
_REST_OF_POWER = re.compile(r"\d{1,2}(?:/.+)?")


def quantity_unit(field: Composite, sender: Sender) -> dict[str, str]:
    """`unit`, and `system` with `code` where they are known, of a Quantity from OBX-6; empty where there is none."""
    code, text, system = field[1], field[2], field[3]
    if _POWER.fullmatch(code) and _REST_OF_POWER.fullmatch(text) and not system:
        # `10^9/L` with its ^ not escaped.
        return _alias(f"{code}^{text}")
    unit: dict[str, str] = {}
    written = field[9] or text or code or field[5] or field[4]
    if not written:
        return unit
    unit["unit"] = written
    for number in (1, 4):
        name = field[number + 2].upper()
        if name == "UCUM" and is_ucum(field[number]):
            return {**unit, "system": UCUM, "code": field[number]}
    if alias := _alias(code or written).get("code"):
        return {**unit, "system": UCUM, "code": alias}
    if code and system and system.upper() != "UCUM" and not re.search(r"\s", code):
        return {**unit, "system": sender.code_system(system), "code": code}
    return unit


def _alias(written: str) -> dict[str, str]:
    unit = {"unit": written}
    if code := UNIT_ALIASES.get(written) or _micro(written):
        unit |= {"system": UCUM, "code": code}
    return unit


def _micro(written: str) -> str | None:
    """The alias of a spelling with a micro sign, of which Unicode has three."""
    same = written.translate(_MICRO)
    return UNIT_ALIASES.get(same.replace("\u00b5", "u")) if "\u00b5" in same else None


@lru_cache(maxsize=4096)
def is_ucum(code: str) -> bool:
    """True when the text is a UCUM code."""
    if code in UNIT_ALIASES.values():
        return True
    if not code or re.search(r"\s", code):
        return False
    parser, errors = _parser()
    try:
        parser.parse(code)
    except errors:
        return False
    return True


@cache
def _parser() -> tuple[Any, Any]:
    """The grammar takes half a second to load, so it is loaded when the first unusual unit turns up."""
    from lark.exceptions import LarkError
    from ucumvert import get_ucum_parser

    return get_ucum_parser(), LarkError
