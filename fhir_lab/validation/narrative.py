"""The XHTML of a Narrative: well-formed, in its namespace, and formatting only: no script, handler or form.

https://hl7.org/fhir/R4/narrative.html#xhtml (txt-1, txt-2)
"""

import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from fhir_lab.validation.primitives import string
from fhir_lab.validation.walk import Walk, shown

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
_ELEMENTS = """
    a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em
    h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup
    table tbody td tfoot th thead tr tt u ul var
"""
_ATTRIBUTES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite
    class color colspan compact coords dir face frame headers height href hreflang hspace id lang longdesc name noshade
    nowrap rel rev rowspan rules scope shape size span src start style summary tabindex title type usemap valign value
    vspace width {http://www.w3.org/XML/1998/namespace}lang {http://www.w3.org/XML/1998/namespace}space
"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.\-]*)\s*:", re.IGNORECASE)
SCHEMES = frozenset({"http", "https", "mailto", "tel", "urn", "cid"})
_ACTIVE_STYLE = re.compile(r"expression\s*\(|@import|url\s*\(|behavior\s*:|javascript:", re.IGNORECASE)


def xhtml(value: Any, path: str, walk: Walk, parent: dict[str, Any]) -> None:
    """The check of Narrative.div."""
    if type(value) is not str or not value:
        string(value, path, walk, parent)
        return
    # A document type could define entities; the five that XML knows are enough.
    if "<!DOCTYPE" in value or "<!ENTITY" in value or "<?" in value:
        walk.add("invariant", path, "a document type or processing instruction is not allowed in a narrative (txt-1).")
        return
    try:
        root = ElementTree.fromstring(value)
    except (ElementTree.ParseError, ValueError) as error:
        walk.add("invariant", path, f"this is not well-formed XHTML: {error} (txt-1).")
        return
    for wrong in dict.fromkeys(_wrong(root)):
        walk.add("invariant", path, wrong)


def _wrong(root: ElementTree.Element) -> Iterable[str]:
    if root.tag != f"{NAMESPACE}div":
        yield f'the narrative is a {shown(root.tag)}; <div xmlns="http://www.w3.org/1999/xhtml"> is required (txt-1).'
    if not "".join(root.itertext()).strip() and root.find(f".//{NAMESPACE}img") is None:
        yield "the narrative says nothing; some text or an image is required (txt-2)."
    for element in root.iter():
        name = str(element.tag).removeprefix(NAMESPACE)
        if name not in ELEMENTS:
            yield f"the element {shown(name)} is not allowed in a narrative, only formatting, links and images (txt-1)."
        for attribute, content in element.items():
            yield from _wrong_attribute(name, attribute, content)


def _wrong_attribute(element: str, attribute: str, content: str) -> Iterable[str]:
    if attribute not in ATTRIBUTES:
        yield f"the attribute {shown(attribute)} of {shown(element)} is not allowed in a narrative (txt-1)."
    elif attribute in ("href", "src", "cite", "longdesc", "usemap"):
        scheme = _SCHEME.match(content)
        picture = element == "img" and content.startswith("data:image/")
        if scheme and scheme[1].lower() not in SCHEMES and not picture:
            yield f"a link to {shown(content)} is not allowed in a narrative (txt-1)."
    elif attribute == "style" and _ACTIVE_STYLE.search(content):
        yield "a style that loads or runs something is not allowed in a narrative (txt-1)."
