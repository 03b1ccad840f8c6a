"""The expansion of a value set as a ValueSet resource: filtered, paged, nested, with what it was made from.

https://hl7.org/fhir/R4/valueset-operation-expand.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fhir_lab.documents import Resource
from fhir_lab.search.values import normalise
from fhir_lab.terminology.compose import Composer, Entry
from fhir_lab.terminology.source import TooCostly

Json = dict[str, Any]
UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
MOST_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks of an expansion. `count` None: everything; `parameters` are told back in the answer."""

    text: str = ""
    offset: int = 0
    count: int | None = None
    active_only: bool = False
    designations: bool = False
    definition: bool = False
    nested: bool = False
    for_ui: bool = False
    language: str = ""
    without_systems: frozenset[str] = frozenset()
    parameters: tuple[tuple[str, Any], ...] = ()


def expand(value_set: Resource, composer: Composer, wish: Wish, now: str) -> Resource:
    """The value set with its expansion. Raises what `Composer.entries` raises, and `TooCostly` for too much at once."""
    found = [entry for entry in composer.entries(value_set) if _wanted(entry, wish)]
    page = found[wish.offset :] if wish.count is None else found[wish.offset : wish.offset + wish.count]
    if len(page) > MOST_AT_ONCE:
        raise TooCostly.of(
            f"The expansion has {len(found)} codes. Ask for at most {MOST_AT_ONCE} at once with 'count' and 'offset', "
            "or for those that match a 'filter'."
        )
    whole = wish.count is None and not wish.offset and not wish.text
    listed = _nested(page, wish) if wish.nested and whole else [_contains(entry, wish) for entry in page]
    expansion: Json = {
        **({"extension": [{"url": UNCLOSED, "valueBoolean": True}]} if composer.unclosed else {}),
        "identifier": f"urn:uuid:{uuid4()}",
        "timestamp": now,
        "total": len(found),
        **({} if wish.count is None and not wish.offset else {"offset": wish.offset}),
    }
    if parameters := [*_parameters(wish.parameters), *_used(composer.used)]:
        expansion["parameter"] = parameters
    if listed:
        expansion["contains"] = listed
    left_out = ("text", "expansion", *(() if wish.definition else ("compose",)))
    return {**{name: value for name, value in value_set.items() if name not in left_out}, "expansion": expansion}


def display_in(entry: Entry, language: str) -> str:
    """The display in a language if there is one, else the usual one."""
    wanted = language.lower()
    for designation in entry.designations if wanted else ():
        told = str(designation.get("language", "")).lower()
        if told and (told == wanted or told.partition("-")[0] == wanted or wanted.partition("-")[0] == told):
            return str(designation.get("value", ""))
    return entry.display


def _wanted(entry: Entry, wish: Wish) -> bool:
    if (wish.active_only and entry.inactive) or (wish.for_ui and entry.abstract):
        return False
    return entry.system not in wish.without_systems and (not wish.text or _mentions(entry, wish.text))


def _mentions(entry: Entry, text: str) -> bool:
    """True when the code begins with the text, or each of its words is in one display or designation."""
    sought = normalise(text)
    if normalise(entry.code).startswith(sought):
        return True
    texts = [entry.display, *(str(designation.get("value", "")) for designation in entry.designations)]
    words = sought.split()
    return any(all(word in known for word in words) for known in map(normalise, texts))


def _contains(entry: Entry, wish: Wish) -> Json:
    found: Json = {"system": entry.system} if entry.system else {}
    if entry.abstract:
        found["abstract"] = True
    if entry.inactive:
        found["inactive"] = True
    if entry.version:
        found["version"] = entry.version
    found["code"] = entry.code
    if display := display_in(entry, wish.language):
        found["display"] = display
    if wish.designations and entry.designations:
        found["designation"] = entry.designations
    return found


def _nested(entries: Sequence[Entry], wish: Wish) -> list[Json]:
    """Each concept below the first of its parents that is listed before it."""
    made: dict[tuple[str, str], Json] = {}
    roots: list[Json] = []
    for entry in entries:
        item = made[entry.system, entry.code] = _contains(entry, wish)
        parents = entry.concept.parents if entry.concept else ()
        above = next((made[entry.system, code] for code in parents if (entry.system, code) in made), None)
        if above is None:
            roots.append(item)
        else:
            above.setdefault("contains", []).append(item)
    return roots


def _parameters(pairs: Iterable[tuple[str, Any]]) -> list[Json]:
    kinds = {bool: "valueBoolean", int: "valueInteger"}
    return [{"name": name, kinds.get(type(value), "valueString"): value} for name, value in pairs]


def _used(systems: Mapping[str, None]) -> list[Json]:
    return [{"name": "used-codesystem", "valueUri": canonical} for canonical in systems]
