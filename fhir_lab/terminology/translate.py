"""What a ConceptMap says of a code, forwards and in reverse.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html https://hl7.org/fhir/R4/conceptmap.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_lab.documents import Resource

Json = Mapping[str, Any]
# Equivalences that say that there is no translation.
NO_TRANSLATION = frozenset({"unmatched", "disjoint"})
# `equivalence` reads from the target to the source; in reverse the two change places.
REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
LONGEST_WAY = 10  # from map to map, where one says `other-map`


@dataclass(frozen=True, slots=True)
class Sought:
    """A code to translate. `target_system` '' means any; `dependencies` are (element, values that it may have)."""

    system: str
    code: str
    version: str = ""
    target_system: str = ""
    reverse: bool = False
    dependencies: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One translation; `concept` is a Coding, None where the map says that there is none. `source` is the map."""

    equivalence: str
    concept: Json | None
    source: str
    products: tuple[Json, ...] = ()


def translate(
    concept_map: Resource, sought: Sought, other: Callable[[str], Resource | None], way: int = 0
) -> list[Match]:
    """All that the map says of the code, in its order. `other` finds the map of a canonical URL."""
    if sought.reverse:
        return list(_reversed(concept_map, sought))
    found: list[Match] = []
    for group in concept_map.get("group", ()):
        if _fits(group, sought, "source", "target"):
            found += _in_group(concept_map, group, sought, other, way)
    return found


def _fits(group: Json, sought: Sought, near: str, far: str) -> bool:
    versions = (sought.version, group.get(f"{near}Version"))
    return (
        group.get(near, sought.system) == sought.system
        and (not sought.target_system or group.get(far) == sought.target_system)
        and (not all(versions) or versions[0] == versions[1])
    )


def _in_group(
    concept_map: Resource, group: Json, sought: Sought, other: Callable[[str], Resource | None], way: int
) -> Iterator[Match]:
    elements = [each for each in group.get("element", ()) if each.get("code") == sought.code]
    source = canonical(concept_map)
    for element in elements:
        for target in element.get("target", ()):
            if _depends(target.get("dependsOn", ()), sought):
                coding = _coding(group, "target", target) if target.get("code") else None
                products = tuple(target.get("product", ()))
                yield Match(str(target.get("equivalence", "equivalent")), coding, source, products)
    if not elements and group.get("unmapped"):
        yield from _unmapped(group, sought, source, other, way)


def _unmapped(
    group: Json, sought: Sought, source: str, other: Callable[[str], Resource | None], way: int
) -> Iterator[Match]:
    unmapped = group["unmapped"]
    if unmapped.get("mode") == "provided":
        yield Match("equal", _coding(group, "target", {"code": sought.code}), source)
    elif unmapped.get("mode") == "fixed":
        yield Match("inexact", _coding(group, "target", unmapped), source)
    elif unmapped.get("mode") == "other-map" and way < LONGEST_WAY:
        concept_map = other(str(unmapped.get("url", "")))
        if concept_map is not None:
            yield from translate(concept_map, sought, other, way + 1)


def _reversed(concept_map: Resource, sought: Sought) -> Iterator[Match]:
    for group in concept_map.get("group", ()):
        if not _fits(group, sought, "target", "source"):
            continue
        for element in group.get("element", ()):
            for target in element.get("target", ()):
                if target.get("code") == sought.code and _depends(target.get("dependsOn", ()), sought):
                    said = str(target.get("equivalence", "equivalent"))
                    coding = _coding(group, "source", element) if element.get("code") else None
                    yield Match(REVERSED.get(said, said), coding, canonical(concept_map))


def _depends(conditions: Iterable[Json], sought: Sought) -> bool:
    """True when every element that a mapping depends on has the value it needs."""
    given = dict(sought.dependencies)
    return all(str(each.get("value", "")) in given.get(str(each.get("property", "")), ()) for each in conditions)


def _coding(group: Json, side: str, told: Json) -> Json:
    pairs = {
        "system": group.get(side),
        "version": group.get(f"{side}Version"),
        "code": told.get("code"),
        "display": told.get("display"),
    }
    return {name: value for name, value in pairs.items() if value}


def canonical(resource: Resource) -> str:
    """The `url|version` of a resource, '' for one without a URL."""
    url, version = resource.get("url", ""), resource.get("version", "")
    return f"{url}|{version}" if url and version else str(url)


def distinct(matches: Sequence[Match]) -> list[Match]:
    """The matches, those that say the same given once."""
    found: dict[Any, Match] = {}
    for match in matches:
        coding = tuple(sorted((match.concept or {}).items()))
        found.setdefault((match.equivalence, coding, match.source, str(match.products)), match)
    return list(found.values())


def as_coding_only(sought: Sought, coding: Json) -> Sought:
    """The same question for another coding."""
    return replace(
        sought,
        system=str(coding.get("system", "")),
        code=str(coding.get("code", "")),
        version=str(coding.get("version", "")),
    )
