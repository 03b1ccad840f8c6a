"""The primitive types: which JSON type each has, and how it is written.

https://hl7.org/fhir/R4/datatypes.html#primitive, https://hl7.org/fhir/R4/json.html#primitive
"""

import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_lab.validation.walk import Check, Walk, shown

# Doubles index and compare decimals; none of them reaches further.
LARGEST_EXPONENT = 307
MAX_STRING = 1024 * 1024

# No XML can hold these, not even escaped: https://www.w3.org/TR/xml/#charsets
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WHITE = re.compile(r"\s")
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_DAY = r"(?!0000)([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_PARTIAL = r"(?!0000)[0-9]{4}(-(0[1-9]|1[0-2]))?"
_WORD = r"[^\s\x00-\x1f\ud800-\udfff\ufffe\uffff]+"
_ZONELESS = re.compile(rf"{_DAY}T([0-9:.]*)")


def string(value: Any, path: str, walk: Walk, _parent: dict[str, Any]) -> None:
    """A string or markdown: not empty, no control characters, at most 1 MB."""
    if type(value) is not str:
        walk.add("structure", path, f"{shown(value)} is not a string.")
    elif not value:
        walk.add("value", path, "an empty string is not allowed; leave the element out.")
    elif not value.isprintable() and (match := _UNREADABLE.search(value)):
        walk.add("value", path, f"the character {match[0]!r} is not allowed in a string.")
    elif len(value) > MAX_STRING:
        walk.add("too-long", path, f"{len(value)} characters; a string has at most {MAX_STRING}.")


def boolean(value: Any, path: str, walk: Walk, _parent: dict[str, Any]) -> None:
    """A JSON true or false."""
    if value is not True and value is not False:
        walk.add("structure", path, f"{shown(value)} is not a boolean; true or false is allowed, without quotes.")


def decimal(value: Any, path: str, walk: Walk, _parent: dict[str, Any]) -> None:
    """A JSON number that a double can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        walk.add("structure", path, f"{shown(value)} is not a decimal; a number without quotes is allowed.")
    elif isinstance(value, Decimal) and value and abs(value.adjusted()) > LARGEST_EXPONENT:
        walk.add(
            "value", path, f"{shown(value)} is out of range; 1e-{LARGEST_EXPONENT} to 1e{LARGEST_EXPONENT} is allowed."
        )


def _whole(name: str, low: int, high: int = 2**31 - 1) -> Check:
    def check(value: Any, path: str, walk: Walk, _parent: dict[str, Any]) -> None:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            walk.add("structure", path, f"{shown(value)} is not {name}; a number without quotes is allowed.")
        elif not isinstance(value, int) or not low <= value <= high:
            walk.add("value", path, f"{shown(value)} is not {name}; a whole number from {low} to {high} is allowed.")

    return check


def _written(name: str, pattern: str, allowed: str, check_more: Callable[[str], str | None] | None = None) -> Check:
    """A string of a pattern. `check_more` says what is wrong with a value that fits it, if anything."""
    matches = re.compile(pattern).fullmatch

    def check(value: Any, path: str, walk: Walk, parent: dict[str, Any]) -> None:
        if type(value) is not str or not value:
            string(value, path, walk, parent)
        elif not matches(value):
            walk.add("value", path, f"{shown(value)} is not {name}; {_hint(name, value) or allowed}.")
        elif check_more and (wrong := check_more(value)):
            walk.add("value", path, wrong)

    return check


def _hint(name: str, value: str) -> str | None:
    if name in ("a dateTime", "an instant") and _ZONELESS.fullmatch(value):
        return "a time needs seconds and a zone, such as 2026-11-20T08:30:00Z or 2026-11-20T08:30:00+01:00"
    return None


def _calendar(value: str) -> str | None:
    if len(value) < 10 or int(value[8:10]) <= 28 or int(value[8:10]) <= monthrange(int(value[:4]), int(value[5:7]))[1]:
        return None
    return f"{shown(value)} is not a day of the calendar."


def _base64(value: str) -> str | None:
    if len("".join(value.split())) % 4:
        return "the base64 text is cut off: its length is not a multiple of 4."
    return None


def uri(value: Any, path: str, walk: Walk, parent: dict[str, Any]) -> None:
    """A uri, url or canonical: no white space. `#id` refers to a contained resource."""
    if type(value) is not str or not value:
        string(value, path, walk, parent)
    elif not value.isprintable() or " " in value:
        if _WHITE.search(value):
            walk.add("value", path, f"{shown(value)} is not a URI; white space is not allowed.")
        else:
            string(value, path, walk, parent)
    elif value[0] == "#":
        walk.fragments.add(value[1:])
        if value == "#" and walk.inside is not None:
            walk.pointing_up.add(walk.inside)


PRIMITIVES: dict[str, Check] = {
    "base64Binary": _written("base64", r"[0-9a-zA-Z+/ \t\r\n]*={0,2}[ \t\r\n]*", "base64 text is allowed", _base64),
    "boolean": boolean,
    "canonical": uri,
    "code": _written("a code", rf"{_WORD}( {_WORD})*", "words parted by single blanks are allowed"),
    "date": _written("a date", rf"{_DAY}|{_PARTIAL}", "YYYY, YYYY-MM or YYYY-MM-DD is allowed", _calendar),
    "dateTime": _written(
        "a dateTime",
        rf"{_DAY}(T{_TIME}{_ZONE})?|{_PARTIAL}",
        "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz is allowed",
        _calendar,
    ),
    "decimal": decimal,
    "id": _written("an id", r"[A-Za-z0-9\-.]{1,64}", "1 to 64 letters, digits, '-' and '.' are allowed"),
    "instant": _written("an instant", rf"{_DAY}T{_TIME}{_ZONE}", "YYYY-MM-DDThh:mm:ss.sss+zz:zz is allowed", _calendar),
    "integer": _whole("an integer", -(2**31)),
    "markdown": string,
    "oid": _written("an oid", r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+", "urn:oid: and an OID is allowed"),
    "positiveInt": _whole("a positiveInt", 1),
    "string": string,
    "time": _written("a time", _TIME, "hh:mm:ss is allowed"),
    "unsignedInt": _whole("an unsignedInt", 0),
    "uri": uri,
    "url": uri,
    "uuid": _written(
        "a uuid",
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "urn:uuid: and a lower-case UUID is allowed",
    ),
}
