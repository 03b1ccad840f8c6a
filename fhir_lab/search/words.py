"""The words of a resource, for `_text` (its narrative) and `_content` (all of its texts).

Words are cut here and not by the databases, whose own ideas of a word differ. They are runs of letters and digits,
lower case and without accents. https://hl7.org/fhir/R4/search.html#content
"""

import re
from collections.abc import Sequence
from html import unescape
from itertools import repeat
from typing import Any, NamedTuple

from fhir_lab.documents import Resource
from fhir_lab.search.values import folded

BREAK = "\x1f"  # stands between two texts, so that no phrase goes from one to the next
_TYPE = "\ue001"
LONGEST = 100  # characters of a word that count
MOST = 16_000  # words of a resource that count; PostgreSQL numbers no more

_WORD = re.compile(rf"[^\W_]+|{BREAK}")
# What is not text: where a reference or a page leads, when something was, and what only machines read.
_SKIPPED = frozenset({"resourceType", "id", "reference", "versionId", "lastUpdated", "data", "hash", "div"})
_NO_TEXT = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*://|urn:).*|\d{4}-\d\d-\d\d(?:T.*)?", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_INLINE = re.compile(
    r"</?(?:a|abbr|acronym|b|bdo|big|cite|code|del|dfn|em|i|ins|kbd|q|s|samp|small|span|strike|strong|sub|sup|tt|u|var)"
    r"(?:\s[^>]*)?/?>"
)
_TAG = re.compile(r"<[^>]*>")


class Words(NamedTuple):
    """The words of a resource in order, with `BREAK` between texts. Its content has those of its narrative too."""

    narrative: Sequence[str]
    content: Sequence[str]


def words_of(resource: Resource) -> Words:
    """All words that `_text` and `_content` find a resource by."""
    narrative = resource.get("text")
    div = narrative.get("div") if isinstance(narrative, dict) else None
    told = split(_without_markup(div)) if isinstance(div, str) else []
    texts: list[str] = []
    _gather(resource, texts)
    content = split(f" {BREAK} ".join(texts))
    return Words(told, [*content, BREAK, *told][:MOST] if told else content)


def split(text: str) -> list[str]:
    """The words of a text, folded."""
    found: list[str] = _WORD.findall(folded(text))
    if len(text) > LONGEST:
        return [word[:LONGEST] for word in found[:MOST]]
    return found


def marker(resource_type: str) -> str:
    """The word that every resource of the type has, and that no text can hold."""
    return _TYPE + resource_type.lower()


def _gather(value: Any, found: list[str]) -> None:
    """Add the texts inside of an object or a list; every write does this, so it is kept plain."""
    for name, item in value.items() if type(value) is dict else zip(repeat(""), value, strict=False):
        if type(item) is str:
            if name not in _SKIPPED and not _is_address_or_day(item):
                found.append(item)
        elif type(item) is dict or type(item) is list:
            _gather(item, found)


def _is_address_or_day(text: str) -> bool:
    return ("://" in text or text.startswith("urn:") or text[4:5] == "-") and _NO_TEXT.fullmatch(text) is not None


def _without_markup(div: str) -> str:
    """The text of a narrative: an element such as `b` may stand inside of a word, a cell of a table ends it."""
    return unescape(_TAG.sub(" ", _INLINE.sub("", _COMMENT.sub("", div))))
