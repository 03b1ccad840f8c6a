"""The codes of a value set, as far as they can be known without a terminology server.

https://hl7.org/fhir/R4/valueset.html#compositions
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import conformance
from fhir_lab.validation.walk import listed

Json = dict[str, Any]
# The definition of a value set by its canonical URL, None if it is not stored.
Find = Callable[[str], Json | None]
DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Codes:
    """(system, code) pairs, and systems whose every code belongs."""

    pairs: frozenset[tuple[str, str]]
    systems: frozenset[str] = frozenset()

    def __call__(self, system: str | None, code: str) -> bool:
        """True for a coding of the set; a plain code, whose system is None, may be of any."""
        if system is None:
            return bool(self.systems) or any(code == each for _, each in self.pairs)
        return (system, code) in self.pairs or system in self.systems

    def __str__(self) -> str:
        """What is allowed, for a message."""
        every = [f"every code of {system}" for system in sorted(self.systems)]
        return listed([*(f"{system}|{code}" for system, code in sorted(self.pairs)), *every], most=12)


def codes_of(url: str, find: Find) -> Codes | None:
    """The codes of a value set of the base specification or a stored one; None where they cannot be told."""
    return _codes(url, find, 0)


def _codes(url: str, find: Find, depth: int) -> Codes | None:
    pairs = conformance.required_codes().get(url.partition("|")[0])
    if pairs:
        return Codes(frozenset((system, code) for system, code in pairs))
    value_set = find(url) if depth < DEEPEST else None
    if value_set is None:
        return None
    expansion = value_set.get("expansion", {}).get("contains")
    if expansion and "compose" not in value_set:
        return Codes(frozenset(_contained(expansion)))
    included = _all([_included(part, find, depth) for part in value_set.get("compose", {}).get("include", [])])
    excluded = _all([_included(part, find, depth) for part in value_set.get("compose", {}).get("exclude", [])])
    if included is None or excluded is None or excluded.systems:
        return None
    if any(system in included.systems for system, _ in excluded.pairs):
        return None
    return Codes(included.pairs - excluded.pairs, included.systems)


def _contained(entries: list[Json]) -> list[tuple[str, str]]:
    found = []
    for each in entries:
        if "code" in each and not each.get("abstract"):
            found.append((each.get("system", ""), each["code"]))
        found += _contained(each.get("contains", []))
    return found


def _all(parts: list[Codes | None]) -> Codes | None:
    pairs: frozenset[tuple[str, str]] = frozenset()
    systems: frozenset[str] = frozenset()
    for part in parts:
        if part is None:
            return None
        pairs, systems = pairs | part.pairs, systems | part.systems
    return Codes(pairs, systems)


def _included(part: Json, find: Find, depth: int) -> Codes | None:
    """One include: its codes, those of its value sets, or what is in both. Filters are not evaluated."""
    if "filter" in part:
        return None
    sets = [_codes(url, find, depth + 1) for url in part.get("valueSet", [])]
    if "system" in part:
        concepts = frozenset((part["system"], each["code"]) for each in part.get("concept", []))
        sets.append(Codes(concepts) if concepts else Codes(frozenset(), frozenset({part["system"]})))
    known = [each for each in sets if each is not None]
    if len(known) < len(sets) or not known:
        return None
    common = known[0]
    for other in known[1:]:
        pairs = {pair for pair in common.pairs if other(*pair)} | {pair for pair in other.pairs if common(*pair)}
        common = Codes(frozenset(pairs), common.systems & other.systems)
    return common
