"""Profiles: StructureDefinitions that are shipped or stored, compiled when they are first claimed.

https://hl7.org/fhir/R4/profiling.html. `docs/validation.md` lists what of a profile is checked.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import conformance
from fhir_lab.fhirpath import Node
from fhir_lab.fhirpath.nodes import is_a, resource_node
from fhir_lab.outcomes import Issue
from fhir_lab.terminology.codes import Members
from fhir_lab.validation.profiles.check import Compiler, ItemCheck
from fhir_lab.validation.profiles.definition import (
    BASE,
    DefinitionError,
    Element,
    add_elements,
    root_of,
    sanity,
)
from fhir_lab.validation.profiles.valuesets import Allowed, allowed_by
from fhir_lab.validation.walk import Walk, shown

__all__ = [
    "BASE",
    "DefinitionError",
    "Library",
    "Profile",
    "Profiles",
    "Source",
    "check_profiles",
    "compile_profile",
]

Json = dict[str, Any]
DEEPEST = 12
# Base definitions that constrain a type, which the guard sees to.
QUANTITIES = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}
# A server has some dozens of profiles; definitions that are written anew replace each other.
MOST_COMPILED = 500


class Source(Protocol):
    """Where stored definitions are found. A stamp changes whenever the definition does, and is cheap to ask for."""

    def stamp(self, url: str, version: str) -> Hashable | None:
        """What tells one state of a StructureDefinition from another; None where none is stored."""

    def load(self, url: str, version: str) -> Json | None:
        """The StructureDefinition."""

    def members(self, value_set: str) -> Members | None:
        """The codes of a value set; None where it is not known, or nobody here can list them."""


class Nothing:
    """A source that has nothing stored."""

    def stamp(self, _url: str, _version: str) -> Hashable | None:
        """None."""
        return None

    def load(self, _url: str, _version: str) -> Json | None:
        """None."""
        return None

    def members(self, _value_set: str) -> Members | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Profile:
    """A compiled profile. `problems` are what of it cannot be checked here."""

    url: str
    version: str
    name: str
    type: str
    root: Element
    check: ItemCheck
    problems: tuple[str, ...]

    def must_support(self) -> list[str]:
        """The elements that systems must support, as `Observation.category:laboratory`."""
        return [
            f"{each.path}:{each.slice_name}" if each.slice_name else each.path
            for each in self.root.below()
            if each.says.get("mustSupport")
        ]


@dataclass
class Library:
    """The shipped definitions, and what has been compiled; one for the life of the process."""

    shipped: dict[str, Json] = field(default_factory=lambda: {each["url"]: each for each in conformance.profiles()})
    compiled: dict[tuple[str, str], tuple[tuple[tuple[str, Hashable], ...], Profile]] = field(default_factory=dict)


class Profiles:
    """The profiles as one request sees them: the shipped ones, and those of a source."""

    def __init__(self, library: Library, source: Source | None = None) -> None:
        self._library = library
        self._source: Source = source or Nothing()
        self._found: dict[str, Profile | None] = {}
        self._codes: dict[str, Allowed | None] = {}

    def get(self, canonical: str) -> Profile | None:
        """The profile of a canonical URL, with `|version` or without; None where it is not known or has mistakes."""
        if canonical not in self._found:
            self._found[canonical] = None  # a profile that needs itself is taken as not known meanwhile
            try:
                self._found[canonical] = self._get(canonical)
            except DefinitionError:
                self._found[canonical] = None
        return self._found[canonical]

    def _get(self, canonical: str) -> Profile | None:
        url, _, version = canonical.partition("|")
        cached = self._library.compiled.get((url, version))
        if cached and all(self._stamp(each) == stamp for each, stamp in cached[0]):
            return cached[1]
        definition = self.definition(canonical)
        if definition is None:
            return None
        profile, needed = compile_profile(definition, self.definition)
        if len(self._library.compiled) >= MOST_COMPILED:
            self._library.compiled.clear()
        stamps = tuple((each, self._stamp(each)) for each in (canonical, *needed))
        self._library.compiled[url, version] = (stamps, profile)
        return profile

    def _stamp(self, canonical: str) -> Hashable | None:
        url, _, version = canonical.partition("|")
        return "shipped" if self._shipped(url, version) else self._source.stamp(url, version)

    def _shipped(self, url: str, version: str) -> Json | None:
        found = self._library.shipped.get(url)
        return found if found and version in ("", found.get("version")) else None

    def definition(self, canonical: str) -> Json | None:
        """The StructureDefinition of a canonical URL; None where it is not known."""
        url, _, version = canonical.partition("|")
        return self._shipped(url, version) or self._source.load(url, version)

    def codes(self, value_set: str) -> Allowed | None:
        """The codes of a value set; None where they are not known."""
        if value_set not in self._codes:
            self._codes[value_set] = allowed_by(value_set, self._source.members)
        return self._codes[value_set]

    def type_of(self, canonical: str) -> str:
        """The type that a profile is for, also of the base definitions; '' where it is not known."""
        url = canonical.partition("|")[0]
        name = QUANTITIES.get(url.removeprefix(BASE), url.removeprefix(BASE))
        if name in conformance.elements():
            return name
        profile = self.get(canonical)
        return profile.type if profile else ""


def compile_profile(definition: Json, find: Callable[[str], Json | None]) -> tuple[Profile, list[str]]:
    """A profile, and the canonical URLs of the profiles that it builds on. Raises `DefinitionError` for mistakes."""
    url = str(definition.get("url", ""))
    needed: list[str] = []
    problems: list[str] = []
    issues: list[Issue] = []
    root = _tree(definition, find, needed, problems, issues)
    issues += [issue for each in root.below() for issue in sanity(each)]
    if issues:
        raise DefinitionError(issues)
    name = str(definition.get("name") or url)
    compiler = Compiler(name)
    check = compiler.root(root)
    problems += compiler.problems
    return Profile(url, str(definition.get("version", "")), name, root.path, root, check, tuple(problems)), needed


def _tree(
    definition: Json, find: Callable[[str], Json | None], needed: list[str], problems: list[str], issues: list[Issue]
) -> Element:
    type_ = str(definition.get("type", ""))
    if type_ not in conformance.elements():
        where = "StructureDefinition.type"
        raise DefinitionError([Issue("value", f"{where}: {shown(type_)} is no resource or data type of R4.", (where,))])
    if definition.get("derivation") != "constraint":
        where = "StructureDefinition.derivation"
        raise DefinitionError([Issue("not-supported", f"{where}: only a constraint is a profile.", (where,))])
    root, base = root_of(type_), str(definition.get("baseDefinition", ""))
    if not definition.get("snapshot") and not (
        base.startswith(BASE) and base.removeprefix(BASE) in conformance.elements()
    ):
        parent = find(base) if len(needed) < DEEPEST else None
        if parent is None:
            problems.append(f"The base {base} is not known here; what it asks is not checked.")
        elif parent.get("type") != type_:
            where = "StructureDefinition.baseDefinition"
            said = f"{where}: {base} is a profile of {shown(parent.get('type'))}, not of {type_}."
            raise DefinitionError([Issue("value", said, (where,))])
        else:
            needed.append(base)
            root = _tree(parent, find, needed, problems, [])
    issues += add_elements(root, definition)
    return root


class Checking:
    """One check of one resource against profiles; see `check.Run`."""

    def __init__(self, walk: Walk, profiles: Profiles) -> None:
        self.walk = walk
        self._profiles = profiles
        self._asked: dict[tuple[int, str], bool] = {}
        self._active: list[tuple[int, str]] = []

    def codes(self, value_set: str) -> Allowed | None:
        """The codes of a value set; None where they are not known."""
        return self._profiles.codes(value_set)

    def type_of(self, url: str) -> str:
        """The type that a profile is for; '' where it is not known."""
        return self._profiles.type_of(url)

    def conforms(self, node: Node, url: str) -> bool:
        """True when a node is valid against a profile, or the profile is not known."""
        key = (id(node[0]), url)
        if key not in self._asked:
            self._asked[key] = True  # while it is being asked
            around, self.walk = self.walk, Walk([], resource=self.walk.resource)
            self.walk.root = around.root
            self._apply(node, node[1], url)
            self._asked[key] = not self.walk.issues
            self.walk = around
        return self._asked[key]

    def check(self, node: Node, path: str, urls: Iterable[str]) -> None:
        """Note what is wrong with a node that must be valid against one of these profiles."""
        urls = list(urls)
        if len(urls) == 1:
            self._apply(node, path, urls[0])
        elif not any(self.conforms(node, url) for url in urls):
            self.walk.add("structure", path, f"it is valid against none of {', '.join(urls)}.")

    def _apply(self, node: Node, path: str, url: str) -> None:
        if (id(node[0]), url) in self._active:
            return
        self._active.append((id(node[0]), url))
        self._apply_once(node, path, url)
        self._active.pop()

    def _apply_once(self, node: Node, path: str, url: str) -> None:
        type_ = self._profiles.type_of(url)
        if not type_:
            if self.walk.thorough:
                self.walk.add("not-found", path, f"the profile {url} is not known here; it is not checked.", "warning")
        elif not is_a(node, type_):
            self.walk.add("structure", path, f"{node[1]} found; {url} is a profile of {type_}.")
        elif profile := self._profiles.get(url):
            if self.walk.thorough:
                for problem in profile.problems:
                    self.walk.add("not-supported", path, f"{profile.name}: {problem}", "warning")
            profile.check(node, path, self)


def check_profiles(
    resource: Json, wanted: Iterable[str], profiles: Profiles, issues: list[Issue], *, thorough: bool
) -> None:
    """Add to `issues` what is wrong with a resource against the profiles `wanted` and those that are claimed in it.

    Contained resources and those in the entries of a Bundle have claims of their own.
    """
    type_ = str(resource.get("resourceType", ""))
    for path, part, around, claimed in _claims(resource, resource, type_):
        urls = dict.fromkeys([*wanted, *claimed] if part is resource else claimed)
        if urls:
            node = resource_node(part)
            walk = Walk(issues, thorough=thorough, resource=node)
            walk.root = resource_node(around)
            checking = Checking(walk, profiles)
            for url in urls:
                checking.check(node, path, [url])


def _claims(resource: Json, around: Json, path: str) -> Iterator[tuple[str, Json, Json, list[str]]]:
    """(path, resource, its container or itself, what it claims) of a resource and of those in it.

    What is broken otherwise claims nothing.
    """
    meta = resource.get("meta")
    claimed = meta.get("profile") if isinstance(meta, dict) else None
    yield path, resource, around, [each for each in _listed(claimed) if isinstance(each, str)]
    for index, part in enumerate(_listed(resource.get("contained"))):
        if isinstance(part, dict):
            yield from _claims(part, resource, f"{path}.contained[{index}]")
    entries = _listed(resource.get("entry")) if resource.get("resourceType") == "Bundle" else []
    for index, entry in enumerate(entries):
        part = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(part, dict):
            yield from _claims(part, part, f"{path}.entry[{index}].resource")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
