"""The filters of ValueSet.compose: which concepts of a code system each selects.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from fhir_lab.fhirpath.patterns import choices_of
from fhir_lab.outcomes import Unprocessable
from fhir_lab.terminology.source import TooCostly
from fhir_lab.terminology.systems import System

# What names the hierarchy itself in a filter such as {property: concept, op: is-a}.
HIERARCHY = frozenset({"concept", "code", "parent", "subsumedBy", "ancestor"})
LONGEST_PATTERN = 200
LONGEST_TEXT = 300
MOST_REPEATS = 3
MOST_CHOICES = 1000
SECONDS = 2.0
_REPEATS = re.compile(r"(?<!\\)(?:\\\\)*[*+{]")
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")


def selected(system: System, entry: Mapping[str, Any]) -> frozenset[str]:
    """The codes that one filter selects. Raises `Unprocessable` for a filter that cannot be applied."""
    name, operator, value = (str(entry.get(part, "")) for part in ("property", "op", "value"))
    if operator in _BY_HIERARCHY:
        if name not in HIERARCHY:
            raise _unfit(f"{operator} follows the hierarchy, and '{name}' is not one of {', '.join(sorted(HIERARCHY))}")
        return frozenset(_BY_HIERARCHY[operator](system, value))
    if operator not in _BY_VALUE:
        raise _unfit(f"'{operator}' is none of {', '.join(sorted((*_BY_HIERARCHY, *_BY_VALUE)))}")
    test = _BY_VALUE[operator](value)
    name = "code" if name == "concept" else name
    return frozenset(code for code, concept in system.concepts.items() if test(concept.values(name)))


def _unfit(problem: str) -> Unprocessable:
    return Unprocessable.of(f"A filter of the value set cannot be applied: {problem}.", "ValueSet.compose")


def _kinds_of(system: System, code: str) -> dict[str, None]:
    return system.below(code)


def _strictly_below(system: System, code: str) -> set[str]:
    return set(system.below(code)) - {code}


def _no_kinds_of(system: System, code: str) -> set[str]:
    return set(system.concepts) - set(system.below(code))


def _generalizing(system: System, code: str) -> dict[str, None]:
    return system.above(code)


_BY_HIERARCHY: dict[str, Callable[[System, str], Any]] = {
    "is-a": _kinds_of,
    "descendent-of": _strictly_below,
    "is-not-a": _no_kinds_of,
    "generalizes": _generalizing,
}

Test = Callable[[list[str]], bool]


def _equal(value: str) -> Test:
    return lambda found: value in found


def _one_of(value: str) -> Test:
    wanted = {part.strip() for part in value.split(",")}
    return lambda found: not wanted.isdisjoint(found)


def _none_of(value: str) -> Test:
    among = _one_of(value)
    return lambda found: not among(found)


def _exists(value: str) -> Test:
    if value not in ("true", "false"):
        raise _unfit(f"the value of exists is '{value[:40]}'; it must be true or false")
    return lambda found: bool(found) is (value == "true")


def _matching(value: str) -> Test:
    """A pattern that the whole text must match. Patterns that may take for ever are refused."""
    if len(value) > LONGEST_PATTERN or _REPEATED_GROUP.search(value) or len(_REPEATS.findall(value)) > MOST_REPEATS:
        raise TooCostly.of(
            f"The pattern '{value[:80]}' may take too long: a regex filter may have {LONGEST_PATTERN} characters and "
            f"{MOST_REPEATS} repetitions, none of them of a group.",
            "ValueSet.compose",
        )
    try:
        pattern = re.compile(value)
        if choices_of(value) > MOST_CHOICES:
            raise TooCostly.of(f"The pattern '{value[:80]}' has too many alternatives in a row.", "ValueSet.compose")
    except (re.error, OverflowError) as error:
        raise _unfit(f"'{value}' is not a regular expression ({error})") from None
    until = time.monotonic() + SECONDS

    def test(found: list[str]) -> bool:
        if time.monotonic() > until:
            raise TooCostly.of(f"The pattern '{value}' takes too long on this code system.", "ValueSet.compose")
        return any(pattern.fullmatch(text[:LONGEST_TEXT]) for text in found)

    return test


_BY_VALUE: dict[str, Callable[[str], Test]] = {
    "=": _equal,
    "in": _one_of,
    "not-in": _none_of,
    "exists": _exists,
    "regex": _matching,
}
