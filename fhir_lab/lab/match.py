"""How likely two Patient resources are the same person. https://hl7.org/fhir/R4/patient.html#match

Each attribute that both have is compared and weighed; an attribute that one of them lacks says nothing. An identifier
that both have decides, unless family name and birth date both contradict it: then it belongs to somebody else. Names
are compared by Jaro-Winkler and by how they sound, dates also with day and month, or two digits, mixed up.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jellyfish import jaro_winkler_similarity, metaphone

from fhir_lab.documents import Resource

Json = dict[str, Any]
# Grades of http://hl7.org/fhir/StructureDefinition/match-grade by the lowest score that earns them.
CERTAIN, PROBABLE, POSSIBLE = 0.95, 0.8, 0.5
NOT_SAME = 0.6  # a similarity below this contradicts
_LEAST_EVIDENCE = 0.65  # of the weights: fewer attributes than name and birth date never make a match certain


@dataclass(frozen=True, slots=True)
class Likeness:
    """`score` from 0 to 1, and its `grade`: certain, probable, possible or certainly-not."""

    score: float
    grade: str


def likeness(asked: Resource, stored: Resource) -> Likeness:
    """How alike a Patient that is asked for, perhaps incomplete, and a stored one are."""
    compared = {
        name: (weight, similarity)
        for name, (weight, compare) in _ATTRIBUTES.items()
        if (similarity := compare(asked, stored)) is not None
    }
    evidence = sum(weight for weight, _ in compared.values())
    score = sum(weight * similarity for weight, similarity in compared.values()) / evidence if evidence else 0.0
    if _share_identifier(asked, stored):
        contradicted = all(name in compared and compared[name][1] < NOT_SAME for name in ("family", "birth date"))
        score = min(score, 0.79) if contradicted else 1.0
        return Likeness(round(score, 4), "possible" if contradicted else "certain")
    if evidence < _LEAST_EVIDENCE:
        score = min(score, CERTAIN - 0.01)
    return Likeness(round(score, 4), _grade(score))


def _grade(score: float) -> str:
    if score >= CERTAIN:
        return "certain"
    return "probable" if score >= PROBABLE else "possible" if score >= POSSIBLE else "certainly-not"


def _share_identifier(asked: Resource, stored: Resource) -> bool:
    return not _identifiers(asked).isdisjoint(_identifiers(stored))


def _identifiers(patient: Resource) -> set[tuple[str, str]]:
    return {(each["system"], each["value"]) for each in patient.get("identifier", []) if {"system", "value"} <= {*each}}


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(mark for mark in plain if mark.isalnum() or mark == " ").strip()


def _families(patient: Resource) -> set[str]:
    return {_folded(name["family"]) for name in patient.get("name", []) if name.get("family")}


def _givens(patient: Resource) -> list[list[str]]:
    lists = ([_folded(given) for given in name.get("given", []) if given] for name in patient.get("name", []))
    return [names for names in lists if names]


def _best(ones: Iterable[Any], others: Iterable[Any], compare: Callable[[Any, Any], float]) -> float | None:
    others = list(others)
    return max((compare(one, other) for one in ones for other in others), default=None)


def _alike(one: str, other: str) -> float:
    if one == other:
        return 1.0
    similarity = jaro_winkler_similarity(one, other)
    sounds = metaphone(one) if one.isascii() else ""
    return max(similarity, 0.9) if sounds and other.isascii() and sounds == metaphone(other) else similarity


def _given_alike(ones: list[str], others: list[str]) -> float:
    """The first names decide; an initial fits the name it begins."""
    one, other = ones[0], others[0]
    if 1 in (len(one), len(other)) and one[:1] == other[:1]:
        return 0.85
    if one in others or other in ones:
        return 0.95 if one != other else 1.0
    return _alike(one, other)


def _same_birth_date(asked: Resource, stored: Resource) -> float | None:
    one, other = asked.get("birthDate"), stored.get("birthDate")
    if not (isinstance(one, str) and isinstance(other, str)):
        return None
    if one == other:
        return 1.0
    if len(one) != len(other):
        return 0.8 if one.startswith(other) or other.startswith(one) else 0.0
    if len(one) == 10 and (one[:4], one[5:7], one[8:]) == (other[:4], other[8:], other[5:7]):
        return 0.75
    differing = [n for n in range(len(one)) if one[n] != other[n]]
    mixed_up = len(differing) == 2 and [one[n] for n in differing] == [other[n] for n in reversed(differing)]
    return 0.7 if len(differing) == 1 or mixed_up else 0.0


def _same_gender(asked: Resource, stored: Resource) -> float | None:
    one, other = asked.get("gender"), stored.get("gender")
    if one is None or other is None or "unknown" in (one, other):
        return None
    return float(one == other)


def _contacts(patient: Resource) -> Iterator[str]:
    for contact in patient.get("telecom", []):
        value = str(contact.get("value", ""))
        if contact.get("system") in ("phone", "sms", "fax"):
            # The last digits are the same with and without the prefix of the country.
            digits = "".join(mark for mark in value if mark.isdigit())
            if len(digits) >= 6:
                yield digits[-8:]
        elif value:
            yield value.casefold()


def _addresses(patient: Resource) -> Iterator[str]:
    for address in patient.get("address", []):
        words = [*address.get("line", []), address.get("postalCode"), address.get("city")]
        if folded := _folded(" ".join(word for word in words if word)):
            yield folded


# Name -> (weight, similarity from 0 to 1, or None where one of the two does not say it).
_ATTRIBUTES: dict[str, tuple[float, Callable[[Resource, Resource], float | None]]] = {
    "family": (0.3, lambda asked, stored: _best(_families(asked), _families(stored), _alike)),
    "given": (0.2, lambda asked, stored: _best(_givens(asked), _givens(stored), _given_alike)),
    "birth date": (0.3, _same_birth_date),
    "gender": (0.05, _same_gender),
    "contact": (0.1, lambda asked, stored: _best(_contacts(asked), _contacts(stored), lambda a, b: float(a == b))),
    "address": (0.05, lambda asked, stored: _best(_addresses(asked), _addresses(stored), jaro_winkler_similarity)),
}
