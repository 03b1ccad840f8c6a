"""The fullUrls of a transaction: which texts in its resources name one of its entries, and as what they are stored.

https://hl7.org/fhir/R4/http.html#trules https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.elements import elements_of

_RESTFUL = re.compile(r"(https?://.+)/([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})")
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})")
_VERSION = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}$")
_LINK = re.compile(r"""((?:href|src)\s*=\s*["'])([^"']+)(["'])""")
Replace = Callable[[str], str | None]


class FullUrls:
    """What each entry of a transaction is called, by its fullUrl."""

    def __init__(self, named: Iterable[tuple[str, str, bool]]) -> None:
        """`named` has (fullUrl, `Type/id` it is stored under, is it created) for each entry that has a fullUrl."""
        self._stored: dict[str, str] = {}
        self._tails: dict[str, str | None] = {}
        for full_url, stored, created in named:
            self._stored[full_url] = stored
            restful = _RESTFUL.fullmatch(full_url)
            if restful and created:  # two servers may both have a Patient/1
                self._tails[restful[2]] = None if restful[2] in self._tails else stored

    def __bool__(self) -> bool:
        return bool(self._stored)

    def named(self, reference: str, within: str | None) -> str | None:
        """`Type/id` of the entry that a reference names in an entry whose fullUrl is `within`; None for no entry.

        A reference may name a version. A relative one starts where the fullUrl around it starts, and where that is a
        URN or missing, it may be the end of the fullUrl of one entry that is created.
        """
        found = self._stored.get(reference)
        if found is not None or reference.startswith("urn:"):
            return found
        reference = _VERSION.sub("", reference)
        if _RELATIVE.fullmatch(reference):
            around = _RESTFUL.fullmatch(within) if within else None
            return self._stored.get(f"{around[1]}/{reference}") if around else self._tails.get(reference)
        return self._stored.get(reference)

    def urn(self, text: str) -> str | None:
        """The same for an element of type uri, canonical, oid or uuid: only URNs name an entry there.

        An http URL there is a name of its own, such as the `url` of a ValueSet, which often is its fullUrl as well.
        """
        if not text.startswith("urn:"):
            return None
        for mark in ("", "|", "#"):
            start, found, rest = text.partition(mark) if mark else (text, "", "")
            if start in self._stored:
                return self._stored[start] + found + rest
        return None


REFERENCE, URL, URI, XHTML = "->reference", "->url", "->uri", "->xhtml"
_KINDS = {"uri": URI, "canonical": URI, "oid": URI, "uuid": URI, "url": URL, "xhtml": XHTML}


NONE = FullUrls(())


def rewritten(resource: Resource, reference: Replace, urls: FullUrls = NONE, within: str | None = None) -> Resource:
    """The resource with its links replaced; parts that stay the same are shared with the original.

    `reference` answers for `Reference.reference`. Elements of the types url, uri, canonical, oid and uuid and the
    links of narratives name entries of `urls`; `within` is the fullUrl of this resource.
    """
    replace: dict[str, Replace] = {
        REFERENCE: reference,
        URL: lambda text: urls.named(text, within),
        URI: urls.urn,
        XHTML: lambda text: _narrative(text, urls, within),
    }
    found: Resource = _rewritten(resource, "Resource", replace)
    return found


def _rewritten(value: Any, kind: str, replace: dict[str, Replace]) -> Any:
    if isinstance(value, str):
        change = replace.get(kind)
        return (change(value) or value) if change else value
    if isinstance(value, list):
        items = [_rewritten(item, kind, replace) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    kinds = _kinds(str(value.get("resourceType")) if kind == "Resource" else kind)
    changed = {
        name: new
        for name, child in value.items()
        if (inner := kinds.get(name)) is not None and (new := _rewritten(child, inner, replace)) is not child
    }
    return {**value, **changed} if changed else value


@lru_cache(maxsize=4096)
def _kinds(owner: str) -> dict[str, str]:
    """Of a type or path: the properties that may hold links, with what they are or whose elements they have."""
    found: dict[str, str] = {}
    for element in elements_of(owner):
        if (owner, element.label) == ("Reference", "reference"):
            found[element.name] = REFERENCE
        elif element.content in _KINDS:
            found[element.name] = _KINDS[element.content]
        elif not element.primitive:
            found[element.name] = element.content
        if element.primitive:
            found[f"_{element.name}"] = "Element"
    return found


def _narrative(text: str, urls: FullUrls, within: str | None) -> str:
    if "=" not in text:
        return text
    return _LINK.sub(lambda link: link[1] + (_linked(link[2], urls, within) or link[2]) + link[3], text)


def _linked(link: str, urls: FullUrls, within: str | None) -> str | None:
    start, mark, rest = link.partition("#")
    found = urls.named(start, within) if start else None
    return None if found is None else found + mark + rest
