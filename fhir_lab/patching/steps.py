"""The steps of a FHIRPath that leads to one place: names, indices and the functions that only choose among items.

http://hl7.org/fhirpath/N1/#path-selection
"""

import re
from dataclasses import dataclass

from fhir_lab.outcomes import BadRequest

MAX_LENGTH = 2000
FUNCTIONS = ("where", "first", "last", "single", "ofType", "as", "extension")
_TOKEN = re.compile(r"\.?(?:([A-Za-z_]\w*)|`([^`]+)`)|\[(\d{1,9})\]", re.ASCII)
_CAST = re.compile(r"\(\s*([^()]+?)\s+as\s+([A-Za-z]+)\s*\)(.*)", re.DOTALL)
_TYPE = re.compile(r"(?:FHIR\.)?([A-Za-z]\w*)", re.ASCII)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Step:
    """A name, a function with the text of its argument, or an index (`at`)."""

    name: str = ""
    function: bool = False
    argument: str = ""
    at: int | None = None


def steps_of(text: str, where: str) -> list[Step]:
    """The steps of a path. Raises `BadRequest` for whatever else FHIRPath has."""
    if len(text) > MAX_LENGTH:
        raise BadRequest.of(f"The path is longer than {MAX_LENGTH} characters.", where, code="too-long")
    cast = _CAST.fullmatch(text.strip())
    if cast:
        text = f"{cast[1]}.as({cast[2]}){cast[3]}"
    steps: list[Step] = []
    position = _after_space(text, 0)
    while position < len(text):
        found = _TOKEN.match(text, position)
        dotted = text[position] == "."
        if found is None or (found[3] is None and dotted != bool(steps)) or (dotted and found[3]):
            raise _unreadable(text, position, where)
        position = _after_space(text, found.end())
        if found[3] is not None:
            steps.append(Step(at=int(found[3])))
        elif text[position : position + 1] == "(":
            end = _closing(text, position, where)
            steps.append(_function(found[1] or "", text[position + 1 : end].strip(), where))
            position = _after_space(text, end + 1)
        else:
            steps.append(Step(found[1] or found[2]))
    if not steps or not steps[0].name or steps[0].function:
        raise _unreadable(text, 0, where)
    return steps


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _function(name: str, argument: str, where: str) -> Step:
    if name not in FUNCTIONS:
        raise BadRequest.of(
            f"The function {name[:40]}() has no place in the path of a patch; allowed: {', '.join(FUNCTIONS)}.",
            where,
            code="not-supported",
        )
    if name in ("ofType", "as"):
        found = _TYPE.fullmatch(argument)
        argument = found[1] if found else ""
    elif name == "extension":
        argument = argument[1:-1] if _STRING.fullmatch(argument) else ""
    if bool(argument) != (name not in ("first", "last", "single")):
        raise BadRequest.of(f"{name}() has a wrong argument.", where, code="value")
    return Step(name, True, argument)


def _closing(text: str, position: int, where: str) -> int:
    """Where the parenthesis closes that opens at `position`; those within strings do not count."""
    depth, start = 0, position
    while position < len(text):
        string = _STRING.match(text, position)
        if string:
            position = string.end()
            continue
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
        position += 1
    raise _unreadable(text, start, where)


def _unreadable(text: str, position: int, where: str) -> BadRequest:
    return BadRequest.of(
        f"'{text[:100]}' is not understood from character {position + 1} on: a path such as "
        "Patient.name[0].family, with where(), names one element.",
        where,
        code="value",
    )
