"""What a ValueSet contains: its members as a set, and its concepts in order.

Within an include all conditions hold (system, filters, each of the value sets); includes are added up, and excludes
taken away. Imports may form a diamond, never a circle. Where a compose needs a code system that nobody here has, or
there is no compose, a stored expansion says what the members are. https://hl7.org/fhir/R4/valueset.html#composition
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fhir_lab.documents import Resource
from fhir_lab.outcomes import Unprocessable
from fhir_lab.terminology.codes import ALL, Codes, Members, union
from fhir_lab.terminology.filters import selected
from fhir_lab.terminology.source import Source, TooCostly, UnknownCanonical, split, unknown
from fhir_lab.terminology.systems import Concept, System

MOST = 50_000
DEEPEST = 80  # value sets that import one another
Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One concept of a value set. `own` is what the value set says of it, `concept` what the code system says."""

    system: str
    code: str
    own: Json
    concept: Concept | None = None
    version: str = ""

    @property
    def display(self) -> str:
        """The display of the value set, else that of the code system."""
        return str(self.own.get("display") or (self.concept.display if self.concept else ""))

    @property
    def designations(self) -> list[dict[str, Any]]:
        """The designations of both."""
        return [*self.own.get("designation", ()), *(self.concept.designations if self.concept else ())]

    @property
    def abstract(self) -> bool:
        """True when the code may not be used in data."""
        return self.own.get("abstract") is True or (self.concept is not None and self.concept.abstract)

    @property
    def inactive(self) -> bool:
        """True when the code is not to be used any more."""
        return self.own.get("inactive") is True or (self.concept is not None and self.concept.inactive)


class Composer:
    """Reads the value sets of one request from `source`; each that is imported is read once.

    `versions` says which version of a code system to take where the value set does not, `forced` whatever it says.
    `unclosed` is true once something was listed of which the code system here is only a part; `used` are the code
    systems that were looked at.
    """

    def __init__(
        self,
        source: Source,
        versions: Mapping[str, str] | None = None,
        forced: Mapping[str, str] | None = None,
        most: int = MOST,
    ) -> None:
        self._source = source
        self._versions = versions or {}
        self._forced = forced or {}
        self._most = most
        self._members: dict[str, Members] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._open: list[str] = []
        self.unclosed = False
        self.used: dict[str, None] = {}

    def members(self, value_set: Resource) -> Members:
        """The members of a value set.

        Raises `UnknownCanonical` for an import or a system that it takes and nobody here has, `Unprocessable` for a
        filter that cannot be applied or imports in a circle, `TooCostly` beyond the bound.
        """
        found = self._either(value_set, self._composed, _expanded)
        if found.size > self._most:
            raise TooCostly.of(f"The value set has more than {self._most} codes, more than this server lists.")
        return found

    def entries(self, value_set: Resource) -> list[Entry]:
        """The concepts of a value set in order, each once. Raises what `members` raises."""
        return self._either(value_set, self._listed, lambda expansion: list(_of_expansion(expansion)))

    def _either(self, value_set: Resource, composed: Callable[[Json], T], expanded: Callable[[Json], T]) -> T:
        compose, expansion = value_set.get("compose"), value_set.get("expansion") or {}
        if not compose:
            return expanded(expansion)
        try:
            return composed(compose)
        except UnknownCanonical:
            if not _whole(expansion):
                raise
        return expanded(expansion)

    def _composed(self, compose: Json) -> Members:
        active = compose.get("inactive") is False
        included = union(self._part(part, active) for part in compose.get("include", ()))
        return included - union(self._part(part, False) for part in compose.get("exclude", ()))

    def _part(self, part: Json, active: bool) -> Members:
        found = Members(((part["system"], self._of_system(part, active)),)) if part.get("system") else None
        for canonical in part.get("valueSet", ()):
            imported = self._imported(canonical)
            found = imported if found is None else found & imported
        return found or Members()

    def _of_system(self, part: Json, active: bool) -> Codes:
        if part.get("concept"):
            codes = Codes(frozenset(concept["code"] for concept in part["concept"] if "code" in concept))
            system = self.system(part) if active else None
        elif part.get("filter"):
            system = self._needed(part)
            sets = [selected(system, entry) for entry in part["filter"]]
            codes = Codes(frozenset.intersection(*sets))
        else:
            system = self.system(part)
            codes = Codes(frozenset(system.concepts)) if system is not None and system.complete else ALL
        if active and system is not None:
            codes -= Codes(frozenset(code for code, concept in system.concepts.items() if concept.inactive))
        return codes

    def system(self, part: Json) -> System | None:
        """The code system that an include names, None when nobody here has it."""
        url = str(part.get("system", ""))
        version = self._forced.get(url) or part.get("version") or self._versions.get(url)
        found = self._source.system(url, str(version or ""))
        if found is not None:
            self.used[f"{url}|{found.version}" if found.version else url] = None
        return found

    def _needed(self, part: Json) -> System:
        found = self.system(part)
        if found is None:
            raise unknown("CodeSystem", str(part["system"]))
        if not found.concepts:
            raise UnknownCanonical.of(
                f"Of the CodeSystem '{found.url}' only the description is here, not its codes (content "
                f"'{found.content}'), so what is chosen from it cannot be listed."
            )
        self.unclosed = self.unclosed or not found.complete
        return found

    def _imported(self, canonical: str) -> Members:
        if canonical not in self._members:
            with self._opened(canonical) as value_set:
                self._members[canonical] = self.members(value_set)
        return self._members[canonical]

    @contextmanager
    def _opened(self, canonical: str) -> Iterator[Resource]:
        if canonical in self._open:
            circle = " -> ".join([*self._open[self._open.index(canonical) :], canonical])
            raise Unprocessable.of(f"The value sets import one another in a circle: {circle}.", "ValueSet.compose")
        if len(self._open) == DEEPEST:
            raise TooCostly.of(f"More than {DEEPEST} value sets import one another; '{canonical}' is too deep.")
        value_set = self._source.value_set(*split(canonical))
        if value_set is None:
            raise unknown("ValueSet", canonical)
        self._open.append(canonical)
        try:
            yield value_set
        finally:
            self._open.pop()

    def _listed(self, compose: Json) -> list[Entry]:
        members = self._composed(compose)
        found: dict[tuple[str, str], Entry] = {}
        for part in compose.get("include", ()):
            inside = self._part(part, compose.get("inactive") is False)
            for entry in self._candidates(part):
                key = (entry.system, entry.code)
                if key not in found and key in members and key in inside:
                    found[key] = entry
                    if len(found) > self._most:
                        raise TooCostly.of(
                            f"The value set has more than {self._most} codes. Ask for less with 'filter'."
                        )
        return list(found.values())

    def _candidates(self, part: Json) -> Iterable[Entry]:
        """Concepts in order, every one that the include selects among them."""
        if part.get("concept"):
            return self._chosen(part)
        if part.get("system") and not (part.get("valueSet") and self.system(part) is None):
            system = self._needed(part)
            version = str(part.get("version", ""))
            return [Entry(part["system"], code, {}, concept, version) for code, concept in system.concepts.items()]
        return self._imported_entries(part["valueSet"][0]) if part.get("valueSet") else ()

    def _chosen(self, part: Json) -> Iterator[Entry]:
        system = self.system(part)
        for own in part["concept"]:
            code = str(own.get("code", ""))
            concept = system.find(code) if system is not None else None
            yield Entry(part["system"], code, own, concept, str(part.get("version", "")))

    def _imported_entries(self, canonical: str) -> list[Entry]:
        if canonical not in self._entries:
            with self._opened(canonical) as value_set:
                self._entries[canonical] = self.entries(value_set)
        return self._entries[canonical]


def _whole(expansion: Json) -> bool:
    """True when a stored expansion says that it lists everything."""
    if "contains" not in expansion:
        return False
    total, listed = expansion.get("total"), sum(1 for _ in _of_expansion(expansion))
    return not expansion.get("offset") and (total is None or int(total) <= listed)


def _of_expansion(expansion: Json) -> Iterator[Entry]:
    """The concepts of a stored expansion, without those that only head a group."""
    waiting = list(reversed(expansion.get("contains", ())))
    while waiting:
        item = waiting.pop()
        if item.get("code") and item.get("abstract") is not True:
            yield Entry(str(item.get("system", "")), str(item["code"]), item, None, str(item.get("version", "")))
        waiting += reversed(item.get("contains", ()))


def _expanded(expansion: Json) -> Members:
    codes: dict[str, set[str]] = {}
    for entry in _of_expansion(expansion):
        codes.setdefault(entry.system, set()).add(entry.code)
    return Members.of({system: Codes(frozenset(found)) for system, found in codes.items()})
