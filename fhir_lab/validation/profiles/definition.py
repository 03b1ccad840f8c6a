"""A StructureDefinition as a tree: elements with their children and slices, found by id or by path and sliceName.

https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/elementdefinition.html#id
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import conformance
from fhir_lab.fhirpath.nodes import table
from fhir_lab.outcomes import Issue, nearest
from fhir_lab.validation.walk import listed, shown

Json = dict[str, Any]
BASE = "http://hl7.org/fhir/StructureDefinition/"


@dataclass
class Element:
    """One element, or one slice of it, as a profile constrains it.

    `name` is the element in its parent (`value` for `value[x]`), `types` the (property, type) pairs that the base
    specification gives it, `card` its cardinality, `bound` what its binding says (strength, value set);
    `says` is the merged ElementDefinition.
    """

    name: str
    path: str
    types: tuple[tuple[str, str], ...]
    card: tuple[int, str]
    bound: frozenset[tuple[str, str]] = frozenset()
    says: Json = field(default_factory=dict)
    slice_name: str = ""
    where: str = "StructureDefinition"
    children: dict[str, "Element"] = field(default_factory=dict)
    slices: dict[str, "Element"] = field(default_factory=dict)

    @property
    def choice(self) -> bool:
        """True for `value[x]` and its like."""
        return len(self.types) > 1 or self.types[0][0] != self.name

    def codes(self) -> list[str]:
        """The codes of the types that it may have."""
        return [each.get("code", "") for each in self.says.get("type", [])]

    def below(self) -> Iterator["Element"]:
        """Itself, and every element and slice below it."""
        yield self
        for each in (*self.children.values(), *self.slices.values()):
            yield from each.below()


class DefinitionError(ValueError):
    """A StructureDefinition that cannot be followed; `issues` say where and why."""

    def __init__(self, issues: list[Issue]) -> None:
        super().__init__("; ".join(issue.details for issue in issues))
        self.issues = issues


def root_of(type_: str) -> Element:
    """The unconstrained element of a resource type or datatype."""
    return Element(type_, type_, ((type_, type_),), (0, "*"))


def add_elements(root: Element, definition: Json) -> list[Issue]:
    """Put the elements of a StructureDefinition into a tree, over what is there; the issues of those with no place.

    The snapshot is taken where there is one, as it says all of the differential.
    """
    view = "snapshot" if definition.get("snapshot") else "differential"
    issues: list[Issue] = []
    named: dict[str, str] = {}
    for index, says in enumerate(definition.get(view, {}).get("element", [])):
        where = f"StructureDefinition.{view}.element[{index}]"
        try:
            element = _place(root, _steps(says, named))
        except LookupError as error:
            issues.append(Issue("value", f"{where}.path: {error.args[0]}", (f"{where}.path",)))
            continue
        _merge(element, says)
        element.where = where
    return issues


def _steps(says: Json, named: dict[str, str]) -> list[tuple[str, str]]:
    """(name, slice) of each step, from the id where it fits the path, else from the slices named before."""
    path, id_ = says.get("path", ""), says.get("id", "")
    parts = [tuple(part.partition(":")[::2]) for part in id_.split(".")]
    if [name for name, _ in parts] == path.split("."):
        return [(name, slice_name) for name, slice_name in parts]
    for other in [other for other in named if other == path or other.startswith(f"{path}.")]:
        del named[other]
    if "sliceName" in says:
        named[path] = says["sliceName"]
    names = path.split(".")
    return [(name, named.get(".".join(names[: index + 1]), "")) for index, name in enumerate(names)]


def _place(root: Element, steps: list[tuple[str, str]]) -> Element:
    """The element at these steps, made where it is not there yet. Raises `LookupError` for what has no place."""
    if not steps or steps[0][0] != root.name:
        raise LookupError(f"{shown(steps[0][0] if steps else '')} found; a path of {root.name} is required.")
    element = root
    for name, slice_name in steps[1:]:
        element = _child(element, name)
        for part in slice_name.split("/") if slice_name else ():
            element = _slice(element, part)
    return element


def _child(parent: Element, step: str) -> Element:
    if step in parent.children:
        return parent.children[step]
    name = step.removesuffix("[x]")
    for type_ in _content_types(parent):
        if name in table(type_):
            return parent.children.setdefault(name, _made(parent, type_, name))
        for label, properties in table(type_).items():
            if step in {property_ for property_, *_ in properties} and label != step:
                # `valueQuantity` is short for the slice of that type.
                choice = parent.children.setdefault(label, _made(parent, type_, label))
                return _slice(choice, step)
    names = [name for type_ in _content_types(parent) for name in table(type_)]
    raise LookupError(f"{parent.path} has no element {shown(step)}.{nearest(name, names)}")


def _content_types(element: Element) -> list[str]:
    """The types whose elements may stand below: one, where the profile leaves one."""
    allowed = element.codes()
    types = [type_ for _, type_ in element.types]
    if types == ["Resource"] and allowed:
        return allowed
    return [type_ for type_ in types if type_ in allowed] or types


def _made(parent: Element, type_: str, name: str) -> Element:
    types = tuple((property_, each) for property_, _, each in table(type_)[name])
    entry = _entry(type_, name)
    low, _, high = entry["card"].partition("..")
    bound = frozenset((strength, entry[strength]) for strength in ("required", "extensible") if strength in entry)
    return Element(name, f"{parent.path}.{name}", types, (int(low), high), bound)


def _entry(type_: str, name: str) -> Json:
    elements = conformance.elements()[type_.partition(".")[0]]["elements"]
    found: Json = elements.get(f"{type_}.{name}") or elements[f"{type_}.{name}[x]"]
    return found


def _slice(element: Element, slice_name: str) -> Element:
    if slice_name not in element.slices:
        types = element.types
        if element.choice:
            types = tuple(each for each in types if each[0] == slice_name) or types
        high = "1" if element.card[1] == "1" else "*"
        element.slices[slice_name] = Element(
            element.name, element.path, types, (0, high), element.bound, slice_name=slice_name
        )
    return element.slices[slice_name]


def _merge(element: Element, says: Json) -> None:
    """What a derived definition says replaces what its base says; constraints add up."""
    constraints = {each.get("key"): each for each in (*element.says.get("constraint", ()), *says.get("constraint", ()))}
    element.says = {**element.says, **says}
    if constraints:
        element.says["constraint"] = list(constraints.values())


def sanity(element: Element) -> Iterator[Issue]:
    """What an element says that the base specification does not allow: it may only be narrower."""
    where = element.where
    low, high = element.says.get("min", element.card[0]), str(element.says.get("max", element.card[1]))
    base_low, base_high = element.card
    label = f"{element.path}:{element.slice_name}" if element.slice_name else element.path
    if high != "*" and (not high.isdecimal() or int(high) < low):
        yield Issue("value", f"{where}: {label} is {low}..{high}; the least is above the most.", (where,))
    elif element.name != element.path and (low < base_low or _wider(high, base_high)):
        yield Issue("value", f"{where}: {label} is {low}..{high}; within {base_low}..{base_high} is allowed.", (where,))
    allowed = [type_ for _, type_ in element.types]
    if element.path == element.name or any("." in each or each == "Resource" for each in allowed):
        return
    for code in element.codes():
        if code not in allowed and not code.startswith("http://hl7.org/fhirpath/"):
            yield Issue("value", f"{where}: {label} is of type {shown(code)}; allowed: {listed(allowed)}.", (where,))


def _wider(high: str, base: str) -> bool:
    return base != "*" and (high == "*" or int(high) > int(base))
