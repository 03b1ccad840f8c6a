"""The elements that the paths of a search parameter's expression lead to, as the tables of `conformance` know them.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from conformance import elements, required_codes
from fhir_lab.search.fhirpath import Child, OfType, Paths, Step, UnsupportedError, parse

BACKBONE = "BackboneElement"
ANY_RESOURCE = ("Resource", "DomainResource")
BOOLEAN_SYSTEMS = frozenset(
    {"http://hl7.org/fhir/special-values", "http://terminology.hl7.org/CodeSystem/special-values"}
)


class Element(NamedTuple):
    """An element as the tables know it: the path that defines its children, its datatype, whether it repeats."""

    path: str
    type: str
    repeated: bool
    value_set: str = ""  # of a required binding


def root_of(resource_type: str) -> Element:
    """The resource itself."""
    return Element(resource_type, resource_type, False)


def branches_of(tree: Paths, root: Element) -> list[Sequence[Step]]:
    """The paths of a union from this resource on. Raises `UnsupportedError` when all begin with another type."""
    own = [below(steps, root) for steps in tree.branches if not _elsewhere(steps, root)]
    if not own:
        raise UnsupportedError(f"no path begins at {root.type}")
    return own


def children(parent: Element, name: str) -> list[tuple[str, Element]]:
    """The properties that hold the element `name` of `parent`: one, or one for each type of a choice."""
    table = elements().get(parent.path.partition(".")[0], {"elements": {}})["elements"]
    path = f"{parent.path}.{name}"
    if elements().get(parent.type, {}).get("kind") == "primitive-type":
        raise UnsupportedError(f"a {parent.type} has no element {name}")
    if path in table:
        return [(name, _element(path, table[path], 0))]
    choice = table.get(path + "[x]")
    if choice is None:
        raise UnsupportedError(f"{parent.path} has no element {name}")
    found = [_element(path, choice, index) for index in range(len(choice["types"]))]
    return [(name + element.type[0].upper() + element.type[1:], element) for element in found]


def ends(steps: Sequence[Step], element: Element) -> list[Element]:
    """The elements that a path may end at: several where it leads through a choice."""
    found = [element]
    for step in steps:
        if isinstance(step, Child):
            found = [child for parent in found for _, child in _fitting(parent, step.name, len(found) > 1)]
        elif isinstance(step, OfType):
            found = [candidate for candidate in found if candidate.type == step.type]
    return found


def _fitting(parent: Element, name: str, choice: bool) -> list[tuple[str, Element]]:
    """The children of one type of a choice, which need not have that element."""
    try:
        return children(parent, name)
    except UnsupportedError:
        if choice:
            return []
        raise


def _element(path: str, entry: Mapping[str, Any], index: int) -> Element:
    repeated = entry["card"].rpartition("..")[2] not in ("0", "1")
    if "sameAs" in entry:
        return Element(entry["sameAs"], BACKBONE, repeated)
    type_ = entry["types"][index]
    name = type_ if isinstance(type_, str) else type_[0]
    if name in (BACKBONE, "Element"):
        return Element(path, BACKBONE, repeated)
    return Element(name, name, repeated, entry.get("required", ""))


def _elsewhere(steps: Sequence[Step], root: Element) -> bool:
    """True for a path that begins with another resource type, which finds nothing here."""
    first = steps[0] if steps else None
    if not isinstance(first, Child) or first.name in (root.type, *ANY_RESOURCE):
        return False
    return first.name[:1].isupper() and elements().get(first.name, {}).get("kind") == "resource"


def below(steps: Sequence[Step], element: Element) -> Sequence[Step]:
    """`steps` without the name of the resource itself, which may stand first."""
    first = steps[0] if steps else None
    return steps[1:] if isinstance(first, Child) and first.name in (element.type, *ANY_RESOURCE) else steps


def code_systems(text: str, resource_type: str) -> frozenset[str]:
    """The code systems implied by the `code` and `boolean` elements that an expression ends at, from their bindings."""
    found = _ends_of(text, resource_type)
    systems = {system for end in found if end.type == "code" for system, _ in required_codes().get(end.value_set, ())}
    return BOOLEAN_SYSTEMS | systems if any(end.type == "boolean" for end in found) else frozenset(systems)


@cache
def datatypes(text: str, resource_type: str) -> frozenset[str]:
    """The datatypes of the elements that an expression ends at, as far as the tables show them."""
    return frozenset(end.type for end in _ends_of(text, resource_type))


def levels(text: str, resource_type: str) -> int:
    """How many repeated elements the longest path of an expression leads through. Raises `UnsupportedError`."""
    root, tree = root_of(resource_type), parse(text)
    if not isinstance(tree, Paths):
        raise UnsupportedError("a path is needed here")
    return max(_repeated(steps, root) for steps in branches_of(tree, root))


def _repeated(steps: Sequence[Step], root: Element) -> int:
    found = [ends(steps[: n + 1], root) for n in range(len(steps)) if isinstance(steps[n], Child)]
    return sum(any(end.repeated for end in each) for each in found)


def _ends_of(text: str, resource_type: str) -> list[Element]:
    try:
        tree, root = parse(text), root_of(resource_type)
        if not isinstance(tree, Paths):
            return [Element("boolean", "boolean", False)]
        return [end for steps in branches_of(tree, root) for end in ends(steps, root)]
    except UnsupportedError:
        return []
