"""A CodeSystem read into concepts by code, with the hierarchy that nesting and parent properties make.

https://hl7.org/fhir/R4/codesystem.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fhir_lab.documents import Resource

PROPERTIES = "http://hl7.org/fhir/concept-properties#"
UPWARDS = frozenset({"parent", "subsumedBy"})
# Hierarchies in which what stands below is not a kind of what stands above.
NOT_KINDS = frozenset({"part-of", "classified-with"})
RETIRED = frozenset({"retired", "inactive"})


@dataclass(slots=True)
class Concept:
    """One concept. `parents` and `children` are codes; `properties` and `designations` are as the document has them."""

    code: str
    display: str = ""
    definition: str = ""
    designations: list[dict[str, Any]] = field(default_factory=list)
    properties: list[dict[str, Any]] = field(default_factory=list)
    parents: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    abstract: bool = False
    inactive: bool = False

    def values(self, name: str) -> list[str]:
        """The values of a property as text. `code`, `display`, `definition`, `parent`, `child` are properties too."""
        own = {"code": [self.code], "display": [self.display], "definition": [self.definition]}
        if name in own:
            return [text for text in own[name] if text]
        if name in ("parent", "child"):
            return list(self.parents if name == "parent" else self.children)
        return [text for entry in self.properties if entry.get("code") == name for text in _texts(entry)]


class System:
    """A CodeSystem. `complete`: a code that is not in `concepts` does not exist; otherwise nobody here can tell."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.url = str(resource.get("url", ""))
        self.version = str(resource.get("version", ""))
        self.content = str(resource.get("content", ""))
        self.complete = self.content == "complete"
        self.concepts: dict[str, Concept] = {}
        self._names = _names(resource)
        for parent, item in _walk(resource.get("concept", [])):
            self._add(parent, item)
        self._link()

    def find(self, code: str) -> Concept | None:
        """The concept of a code; the case of its letters matters unless the system says that it does not."""
        found = self.concepts.get(code)
        if found is None and self.resource.get("caseSensitive") is False:
            found = self._folded.get(code.casefold())
        return found

    def below(self, code: str) -> dict[str, None]:
        """The codes that a code subsumes, itself first; empty for an unknown one."""
        return self._closure(code, downwards=True)

    def above(self, code: str) -> dict[str, None]:
        """The codes that subsume a code, itself first; empty for an unknown one."""
        return self._closure(code, downwards=False)

    @cached_property
    def _folded(self) -> dict[str, Concept]:
        return {code.casefold(): concept for code, concept in reversed(self.concepts.items())}

    def _closure(self, code: str, *, downwards: bool) -> dict[str, None]:
        if code not in self.concepts:
            return {}
        found, waiting = {code: None}, [code]
        while waiting:
            concept = self.concepts[waiting.pop()]
            for near in concept.children if downwards else concept.parents:
                if near not in found:
                    found[near] = None
                    waiting.append(near)
        return found

    def _add(self, parent: str, item: Mapping[str, Any]) -> None:
        code = str(item.get("code", ""))
        concept = self.concepts.setdefault(code, Concept(code))
        concept.display = concept.display or item.get("display", "")
        concept.definition = concept.definition or item.get("definition", "")
        concept.designations += item.get("designation", ())
        concept.properties += item.get("property", ())
        if parent and self.resource.get("hierarchyMeaning") not in NOT_KINDS:
            concept.parents[parent] = None

    def _link(self) -> None:
        for concept in self.concepts.values():
            for entry in concept.properties:
                name = self._names.get(entry.get("code", ""), entry.get("code", ""))
                for text in _texts(entry):
                    self._read(concept, name, text)
        for concept in self.concepts.values():
            concept.parents = {code: None for code in concept.parents if code in self.concepts}
            for parent in concept.parents:
                self.concepts[parent].children[concept.code] = None

    def _read(self, concept: Concept, name: str, text: str) -> None:
        if name in UPWARDS:
            concept.parents[text] = None
        elif name == "child" and text in self.concepts:
            self.concepts[text].parents[concept.code] = None
        elif name == "notSelectable":
            concept.abstract = concept.abstract or text == "true"
        elif name == "inactive":
            concept.inactive = concept.inactive or text == "true"
        elif name == "status":
            concept.inactive = concept.inactive or text in RETIRED


def _walk(items: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(code of the concept around it, concept) in the order of the document."""
    waiting = [("", item) for item in reversed(items)]
    while waiting:
        parent, item = waiting.pop()
        yield parent, item
        waiting += [(str(item.get("code", "")), inner) for inner in reversed(item.get("concept", []))]


def _names(resource: Resource) -> dict[str, str]:
    """The code that the system gives a standard property -> its standard name."""
    found = {}
    for entry in resource.get("property", []):
        uri = str(entry.get("uri", ""))
        if uri.startswith(PROPERTIES):
            found[str(entry.get("code", ""))] = uri.removeprefix(PROPERTIES)
    return found


def _texts(entry: Mapping[str, Any]) -> list[str]:
    for name, value in entry.items():
        if name.startswith("value"):
            return [_text(value)]
    return []


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)
