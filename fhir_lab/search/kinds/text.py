"""Full text: `_text` in the narrative, `_content` in all texts of a resource.

R4 leaves the form of the search to the server. Here: words that must all be there, `"phrases"`, `OR` between
alternatives, `-word` or `NOT word` for what must not be there, `word*` for a beginning. Case and accents don't matter.
https://hl7.org/fhir/R4/search.html#content
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, literal

from fhir_lab.search.escapes import unescape
from fhir_lab.search.sets import Intersection, Rows, Set, Test, Without, union_of
from fhir_lab.search.sql import has_words
from fhir_lab.search.words import Words, marker, split
from fhir_lab.storage.tables import idx_text

COLUMNS = {"_text": "narrative", "_content": "content"}
_TERM = re.compile(r'(-?)("[^"]*"|[^\s"]+)')
MOST_TERMS = 50
SIZE = 3  # see `rows.rank`: fewer than a status, more than a patient


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other; with `beginning` the last of them need only begin so."""

    words: tuple[str, ...]
    beginning: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """Has all of `wanted`, none of `unwanted`."""

    wanted: tuple[Phrase, ...]
    unwanted: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class TextValue:
    """One of the alternatives holds."""

    alternatives: tuple[Alternative, ...]


def read(text: str) -> TextValue:
    """A search value. Raises `ValueError` when an alternative has no word to search for, or there are too many."""
    alternatives: list[Alternative] = []
    wanted: list[Phrase] = []
    unwanted: list[Phrase] = []
    negated = False
    terms = _TERM.findall(unescape(text))
    if len(terms) > MOST_TERMS:
        raise ValueError(f"{len(terms)} words are too many; {MOST_TERMS} are allowed")
    for minus, term in (*terms, ("", "OR")):
        if term == "OR":
            if not wanted and not unwanted:
                raise ValueError(f"'{text}' has no word to search for")
            alternatives.append(Alternative(tuple(wanted), tuple(unwanted)))
            wanted, unwanted, negated = [], [], False
        elif term == "NOT":
            negated = True
        elif term != "AND":
            words = tuple(split(term))
            if words:
                (unwanted if minus or negated else wanted).append(Phrase(words, term.endswith("*")))
            negated = False
    return TextValue(tuple(alternatives))


def found(resource_type: str, code: str, values: Sequence[TextValue]) -> Set:
    """The resources of the type that one of the values finds."""
    return union_of([_found(resource_type, COLUMNS[code], each) for value in values for each in value.alternatives])


def _found(resource_type: str, column: str, alternative: Alternative) -> Set:
    without: list[Set] = [
        Without(Rows(idx_text, _has(resource_type, column, (phrase,)), SIZE)) for phrase in alternative.unwanted
    ]
    if not alternative.wanted:
        return Intersection(resource_type, tuple(without))
    having = Rows(idx_text, _has(resource_type, column, alternative.wanted), SIZE)
    return Intersection(resource_type, (having, *without)) if without else having


def _has(resource_type: str, column: str, phrases: Sequence[Phrase]) -> Test:
    of_type = Phrase((marker(resource_type),))
    queries = _postgresql(of_type, *phrases), _sqlite(of_type, *phrases)

    def test(row: object) -> ColumnElement[bool]:
        return has_words(row.c[column], *map(literal, queries))  # type: ignore[attr-defined]

    return test


def _postgresql(*phrases: Phrase) -> str:
    """A tsquery. Words are letters and digits, so that none of them can be an operator."""
    return " & ".join(
        "(" + " <-> ".join(f"'{word}'" for word in phrase.words) + (":*" if phrase.beginning else "") + ")"
        for phrase in phrases
    )


def _sqlite(*phrases: Phrase) -> str:
    """A query of FTS5."""
    return " AND ".join(f'"{" ".join(phrase.words)}"' + (" *" if phrase.beginning else "") for phrase in phrases)


def match(value: TextValue, code: str, words: Words) -> bool:
    """True when the words of a resource satisfy the same condition."""
    told = words.narrative if code == "_text" else words.content
    return any(
        all(_holds(phrase, told) for phrase in alternative.wanted)
        and not any(_holds(phrase, told) for phrase in alternative.unwanted)
        for alternative in value.alternatives
    )


def _holds(phrase: Phrase, told: Sequence[str]) -> bool:
    before, last = list(phrase.words[:-1]), phrase.words[-1]
    return any(
        (word.startswith(last) if phrase.beginning else word == last)
        and list(told[max(0, place - len(before)) : place]) == before
        for place, word in enumerate(told)
    )
