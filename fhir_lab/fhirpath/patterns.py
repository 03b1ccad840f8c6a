"""Regular expressions that end: those that may take for ever on some string are refused before they are used.

A backtracking matcher may take exponential time where a repeat holds what can match one text in several ways: another
repeat, or alternatives. What is left takes as many steps as the text is long to the power of the repeats in a row.
Some invariants of R4 have such a repeat that is harmless, because each turn begins with a character of its own; so it
is refused in what clients send, and in definitions only where one repeat directly holds another.
"""

import re
from collections.abc import Sequence
from re import _constants, _parser  # the trees that `re` compiles, in no public module
from typing import Any

from fhir_lab.fhirpath.grammar import UnsupportedError
from fhir_lab.fhirpath.nodes import EvaluationError

LONGEST_TEXT = 4_000
_NESTED_REPEAT = re.compile(r"(?<!\\)[+*]\)+[+*{]")
# About half a second of one processor.
MOST_STEPS = 30_000_000
_REPEATS = frozenset({_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT})


class Pattern:
    """A compiled regular expression that knows how long a text it may be given."""

    def __init__(self, text: str) -> None:
        """Raises `UnsupportedError` for one that is none, or that repeats a repeat."""
        if _NESTED_REPEAT.search(text):
            raise UnsupportedError(f"the regular expression '{text[:100]}' repeats a repeat")
        try:
            self._compiled = re.compile(text, re.DOTALL)
            ways = _ways(_parser.parse(text, re.DOTALL))
        except (re.error, OverflowError, RecursionError) as error:
            raise UnsupportedError(f"'{text[:100]}' is not a regular expression: {error}") from None
        self._text = text
        repeats, choices = ways or (1, MOST_STEPS + 1)
        self._counted = ways is not None and choices <= MOST_STEPS
        self._longest = min(LONGEST_TEXT, int((MOST_STEPS / min(choices, MOST_STEPS)) ** (1 / (1 + max(repeats, 1)))))

    def found_in(self, text: str, *, counted: bool) -> bool:
        """True when it matches somewhere; `counted` says that a client wrote it. Raises `EvaluationError`."""
        if not counted:
            if len(text) > LONGEST_TEXT:
                raise EvaluationError(f"a string of {len(text)} characters is not matched with a pattern")
            return self._compiled.search(text) is not None
        return self._compiled.search(self._short(text)) is not None

    def replaced(self, text: str, by: str) -> str:
        """The text with its matches replaced. Raises `EvaluationError`."""
        try:
            return self._compiled.sub(by, self._short(text))
        except (re.error, IndexError) as error:
            raise EvaluationError(f"'{by[:100]}' cannot stand for what is matched: {error}") from None

    def _short(self, text: str) -> str:
        if not self._counted:
            raise EvaluationError(f"the regular expression '{self._text[:100]}' repeats a repeat or a choice")
        if len(text) > self._longest:
            raise EvaluationError(f"a string of {len(text)} characters is not matched with a pattern")
        return text


def choices_of(text: str) -> int:
    """In how many ways the parts of a regular expression that are left out or chosen can be. Raises `re.error`."""
    ways = _ways(_parser.parse(text))
    return MOST_STEPS + 1 if ways is None else ways[1]


def _ways(tree: Sequence[Any]) -> tuple[int, int] | None:
    """How many repeats there are, and in how many ways all else can be chosen; None when a repeat holds a choice."""
    repeats, choices = 0, 1
    for operator, argument in tree:
        if operator in _REPEATS and argument[1] > 1 and _chooses(argument[2]):
            return None
        for part in _parts(operator, argument):
            inside = _ways(part)
            if inside is None:
                return None
            repeats, choices = repeats + inside[0], choices * inside[1]
        if operator is _constants.BRANCH:
            choices *= len(argument[1])
        elif operator in _REPEATS and argument[0] != argument[1]:
            repeats, choices = (repeats + 1, choices) if argument[1] > 1 else (repeats, choices * 2)
    return repeats, choices


def _chooses(tree: Sequence[Any]) -> bool:
    """True where something inside may match in several ways: alternatives, or what may be left out."""
    return any(
        operator is _constants.BRANCH
        or (operator in _REPEATS and argument[0] != argument[1])
        or any(map(_chooses, _parts(operator, argument)))
        for operator, argument in tree
    )


def _parts(operator: Any, argument: Any) -> list[Any]:
    """The trees inside an item of a tree."""
    if operator in _REPEATS:
        return [argument[2]]
    if operator is _constants.SUBPATTERN:
        return [argument[3]]
    if operator is _constants.BRANCH:
        return list(argument[1])
    if operator is _constants.ATOMIC_GROUP:
        return [argument]
    if operator in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [argument[1]]
    if operator is _constants.GROUPREF_EXISTS:
        return [part for part in argument[1:] if part is not None]
    return []
