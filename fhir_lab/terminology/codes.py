"""Sets of codes, also of systems whose codes nobody here can list: a finite set, or all codes but a finite set.

Such sets are closed under union, intersection and difference, so every ValueSet.compose becomes one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of one system: those `listed`, or with `others` all codes but those listed."""

    listed: frozenset[str] = frozenset()
    others: bool = False

    def __contains__(self, code: str) -> bool:
        return (code in self.listed) is not self.others

    def __bool__(self) -> bool:
        return self.others or bool(self.listed)

    def __invert__(self) -> "Codes":
        return Codes(self.listed, not self.others)

    def __and__(self, other: "Codes") -> "Codes":
        if self.others and other.others:
            return Codes(self.listed | other.listed, others=True)
        if self.others:
            return Codes(other.listed - self.listed)
        return Codes(self.listed - other.listed if other.others else self.listed & other.listed)

    def __or__(self, other: "Codes") -> "Codes":
        return ~(~self & ~other)

    def __sub__(self, other: "Codes") -> "Codes":
        return self & ~other


NONE = Codes()
ALL = Codes(others=True)


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a value set: codes by system, '' for codes without one. Systems without members are left out."""

    systems: tuple[tuple[str, Codes], ...] = ()

    @classmethod
    def of(cls, codes: Mapping[str, Codes]) -> "Members":
        """The members that a mapping of system to codes names."""
        return cls(tuple(sorted((system, found) for system, found in codes.items() if found)))

    def __contains__(self, coding: tuple[str, str]) -> bool:
        system, code = coding
        return code in dict(self.systems).get(system, NONE)

    def __or__(self, other: "Members") -> "Members":
        mine, theirs = dict(self.systems), dict(other.systems)
        return Members.of({name: mine.get(name, NONE) | theirs.get(name, NONE) for name in mine | theirs})

    def __and__(self, other: "Members") -> "Members":
        mine, theirs = dict(self.systems), dict(other.systems)
        return Members.of({name: mine[name] & theirs[name] for name in mine if name in theirs})

    def __sub__(self, other: "Members") -> "Members":
        theirs = dict(other.systems)
        return Members.of({name: found - theirs.get(name, NONE) for name, found in self.systems})

    @property
    def size(self) -> int:
        """How many codes are listed."""
        return sum(len(found.listed) for _, found in self.systems)


def union(parts: Iterable[Members]) -> Members:
    """The members of any of them."""
    found: dict[str, Codes] = {}
    for part in parts:
        for system, codes in part.systems:
            found[system] = found.get(system, NONE) | codes
    return Members.of(found)
