"""URI parameters: compared as they are written. https://hl7.org/fhir/R4/search.html#uri"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from fhir_lab.search.escapes import unescape
from fhir_lab.search.expressions import Node
from fhir_lab.search.sql import starts_with
from fhir_lab.search.values import Place, key

UriRow = tuple[str]


def extract(node: Node, _place: Place) -> list[UriRow]:
    """The URI of a node, as `values.key` cuts it."""
    return [(key(node.value),)]


MODIFIERS = ("above", "below")


@dataclass(frozen=True, slots=True)
class UriValue:
    """A URI; `how` is '' (the same), below (begins with it) or above (it begins with the value)."""

    text: str
    how: str = ""


def read(text: str, how: str = "") -> UriValue:
    """A search value. Raises `ValueError` for a URN with :above or :below, which hold for URLs only."""
    plain = unescape(text)
    if how and plain.startswith("urn:"):
        raise ValueError(f":{how} compares URLs, and '{plain}' is a URN")
    return UriValue(key(plain), how)


def compile(value: UriValue, column: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition on a row of `idx_uri`."""
    if value.how == "below":
        return starts_with(column, value.text)
    if value.how == "above":
        return column.in_(_above(value.text))
    return column == value.text


def match(value: UriValue, row: UriRow) -> bool:
    """True when a row satisfies the same condition."""
    if value.how == "below":
        return row[0].startswith(value.text)
    return row[0] in _above(value.text) if value.how == "above" else row[0] == value.text


def _above(url: str) -> list[str]:
    """The URL and everything it begins with that ends before or after a slash of its path."""
    start = url.find("://") + 3 if "://" in url else 0
    cuts = [position for position in range(start, len(url)) if url[position] == "/"]
    return [url, *(url[:cut] for cut in cuts), *(url[: cut + 1] for cut in cuts)]
