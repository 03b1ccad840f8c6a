"""The codes that a binding allows: those of the base specification's required value sets, else what the source knows.

https://hl7.org/fhir/R4/terminologies.html#binding
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import conformance
from fhir_lab.terminology.codes import Codes, Members
from fhir_lab.validation.walk import listed


@dataclass(frozen=True, slots=True)
class Allowed:
    """The members of a value set, as a binding asks for them."""

    members: Members

    def __call__(self, system: str | None, code: str) -> bool:
        """True for a coding of the set; a plain code, whose system is None, may be of any."""
        if system is None:
            return any(code in codes for _, codes in self.members.systems)
        return (system, code) in self.members

    def __str__(self) -> str:
        """What is allowed, for a message."""
        plain = [f"{system}|{code}" for system, codes in self.members.systems for code in _listed(codes)]
        every = [f"every code of {system}{_but(codes)}" for system, codes in self.members.systems if codes.others]
        return listed([*plain, *every], most=12)


def _listed(codes: Codes) -> list[str]:
    return [] if codes.others else sorted(codes.listed)


def _but(codes: Codes) -> str:
    return f" but {listed(sorted(codes.listed), most=3)}" if codes.listed else ""


def allowed_by(url: str, find: Callable[[str], Members | None]) -> Allowed | None:
    """What a value set allows; None where nobody here can tell."""
    members = _required(url.partition("|")[0]) or find(url)
    return None if members is None else Allowed(members)


@cache
def _required(url: str) -> Members | None:
    pairs = conformance.required_codes().get(url)
    if not pairs:
        return None
    systems: dict[str, set[str]] = {}
    for system, code in pairs:
        systems.setdefault(system, set()).add(code)
    return Members.of({system: Codes(frozenset(codes)) for system, codes in systems.items()})
