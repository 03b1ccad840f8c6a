"""Literal references: how they are written, and which resource types they may name.

https://hl7.org/fhir/R4/references.html. Whether the target exists is the storage's question, not asked here.
"""

import re
from typing import Any

import conformance
from fhir_lab.validation.walk import Check, Walk, listed, shown

ANY = "Resource"

_LITERAL = re.compile(
    r"(?P<server>https?://[^\s?#]+/)?(?P<type>[A-Z][A-Za-z]*)/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?"
)
_CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]*)\?\S+")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
ALLOWED = "Type/id, an absolute URL, urn:uuid:..., #contained or Type?query is allowed"


def reference_check(content: Check, targets: list[str]) -> Check:
    """A check of a Reference that may name the resource types `targets`; `content` checks its elements."""
    allowed = None if ANY in targets or not targets else frozenset(targets)
    permitted = listed(sorted(targets), most=len(targets))

    def check(value: Any, path: str, walk: Walk, parent: dict[str, Any]) -> None:
        content(value, path, walk, parent)
        if type(value) is not dict:
            return
        literal, told = value.get("reference"), value.get("type")
        named = told.rpartition("/")[2] if type(told) is str else None
        if type(literal) is str and literal:
            found = _target(literal, f"{path}.reference", walk)
            if found is not None and named and named != found:
                said = f"{shown(told)} where the reference names {found}; both say the same."
                walk.add("value", f"{path}.type", said)
        else:
            found = named
        if found is not None and allowed is not None and found not in allowed:
            walk.add("value", path, f"{shown(literal or found)} refers to {found}; allowed: {permitted}.")

    return check


def _target(literal: str, path: str, walk: Walk) -> str | None:
    """The type a literal reference names, None where it cannot be known; notes what is wrong with the text."""
    if literal[0] == "#":
        return _contained(literal, path, walk)
    match = _LITERAL.fullmatch(literal) or _CONDITIONAL.fullmatch(literal)
    if match is None:
        if not _ABSOLUTE.fullmatch(literal):
            walk.add("value", path, f"{shown(literal)} is not a reference; {ALLOWED}.")
        return None
    found: str = match["type"]
    definition = conformance.elements().get(found)
    if definition and definition["kind"] == "resource" and not definition["abstract"]:
        return found
    if match.groupdict().get("server") is None:
        types = (name for name, each in conformance.elements().items() if each["kind"] == "resource")
        walk.add("value", path, f"{shown(literal)} is of no resource type of R4.{walk.near(found, types)}")
    return None


def _contained(literal: str, path: str, walk: Walk) -> str | None:
    name = literal[1:]
    walk.fragments.add(name)
    if not name:
        if walk.inside is None:
            walk.add("value", path, "'#' refers to a container; only a contained resource has one.")
        else:
            walk.pointing_up.add(walk.inside)
        return None
    if name not in walk.contained:
        there = f"contained are {listed(sorted(walk.contained))}" if walk.contained else "nothing is contained"
        walk.add("invariant", path, f"{shown(literal)} names no contained resource; {there} (ref-1).")
    return walk.contained.get(name) or None
