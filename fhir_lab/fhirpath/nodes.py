"""What expressions walk over: nodes of parsed JSON that know their FHIR type, from the 4.0.1 definitions."""

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import conformance

Json = dict[str, Any]
# A value, the type that defines its children (`Observation.component`, `Quantity`, `code`), and for a primitive what
# stands beside it under `_name`. The value is None where only an id or extensions stand for a primitive.
Node = tuple[Any, str, Any]

_PARENTS = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "oid", "uuid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"), "Quantity"),
}
_NO_DOMAIN = frozenset({"Bundle", "Binary", "Parameters"})


# What an expression of a client may take, and how long a text it may make: a few tenths of a second.
STEPS = 300_000
LONGEST_TEXT = 1_000_000


class EvaluationError(ValueError):
    """The expression cannot be evaluated on this document, such as several items where one is asked for."""


class Context:
    """What `%resource`, `%rootResource` and `%context` mean in one evaluation, and how many steps it may take.

    A step is about an item that is found or compared. Expressions of clients get few, ours as many as they need.
    """

    __slots__ = ("context", "index", "resource", "root", "steps")

    def __init__(
        self, resource: Node, root: Node | None = None, context: Node | None = None, steps: int = sys.maxsize
    ) -> None:
        self.steps = steps
        self.resource = resource
        self.root = root or resource
        self.context = context or resource
        self.index = 0

    @property
    def counted(self) -> bool:
        """True for the expression of a client."""
        return self.steps <= STEPS

    def spend(self, steps: int) -> None:
        """Count steps. Raises `EvaluationError` when there are none left."""
        self.steps -= steps
        if self.steps < 0:
            raise EvaluationError("it takes too many steps")


def resource_node(resource: Json) -> Node:
    """The node of a resource."""
    return (resource, str(resource.get("resourceType", "")), None)


@cache
def table(type_: str) -> dict[str, tuple[tuple[str, str | None, str], ...]]:
    """Element name -> (property, its `_property` if it is primitive, type) for each JSON name it may have."""
    definition = conformance.elements().get(type_.partition(".")[0])
    if definition is None:
        return {}
    start, found = f"{type_}.", {}
    for path, element in definition["elements"].items():
        label = path[len(start) :]
        if path.startswith(start) and "." not in label:
            found[label.removesuffix("[x]")] = tuple(_properties(path, label, element))
    return found


def _properties(path: str, label: str, element: Json) -> Iterator[tuple[str, str | None, str]]:
    if "sameAs" in element:
        yield label, None, element["sameAs"]
        return
    for each in element["types"]:
        type_ = each if isinstance(each, str) else each[0]
        name = label[:-3] + type_[0].upper() + type_[1:] if label.endswith("[x]") else label
        if type_ in ("BackboneElement", "Element"):
            yield name, None, path
        else:
            yield name, f"_{name}" if type_[0].islower() else None, type_


def children(node: Node, name: str) -> list[Node]:
    """The children of a node under an element name, whichever type a choice has; [] for what is not there."""
    value, type_, beside = node
    if type(value) is not dict:
        if type(beside) is not dict:
            return []
        value, type_ = beside, "Element"
    found: list[Node] = []
    for property_, primitive, child_type in table(type_).get(name, ()):
        if property_ in value:
            _spread(found, value[property_], value.get(primitive), child_type)
        elif primitive is not None and primitive in value:
            _spread(found, None, value[primitive], child_type)
    return found


def has(node: Node, name: str) -> bool:
    """True where `children` would find something."""
    value, type_, beside = node
    if type(value) is not dict:
        return bool(children(node, name)) if beside is not None else False
    for property_, primitive, _ in table(type_).get(name, ()):
        if property_ in value or (primitive is not None and primitive in value):
            return True
    return False


def _spread(found: list[Node], value: Any, beside: Any, type_: str) -> None:
    if type(value) is list or type(beside) is list:
        values = value if type(value) is list else [value]
        others = beside if type(beside) is list else [beside]
        for index in range(max(len(values), len(others))):
            item = values[index] if index < len(values) else None
            other = others[index] if index < len(others) else None
            if item is not None or other is not None:
                found.append((item, _actual(item, type_), other))
    elif value is not None or beside is not None:
        found.append((value, _actual(value, type_), beside))


def _actual(value: Any, type_: str) -> str:
    if type_ == "Resource" and type(value) is dict:
        return str(value.get("resourceType", type_))
    return type_


def all_children(node: Node) -> list[Node]:
    """`children()`."""
    value, type_, beside = node
    if type(value) is not dict:
        return all_children((beside, "Element", None)) if type(beside) is dict else []
    return [child for name in table(type_) for child in children(node, name)]


def descendants(node: Node) -> list[Node]:
    """`descendants()`."""
    found: list[Node] = []
    pending = all_children(node)
    while pending:
        found += pending
        pending = [child for each in pending for child in all_children(each)]
    return found


def is_a(node: Node, wanted: str) -> bool:
    """True when a node is of a type or of one that derives from it; System types are those of the same name."""
    type_ = node[1]
    if "." in type_:
        return wanted in ("BackboneElement", "Element")
    if wanted == type_ or _PARENTS.get(type_) == wanted:
        return True
    if wanted in ("Resource", "DomainResource"):
        definition = conformance.elements().get(type_)
        return (
            definition is not None
            and definition["kind"] == "resource"
            and not (wanted == "DomainResource" and type_ in _NO_DOMAIN)
        )
    plain = wanted[:1].lower() + wanted[1:]
    return wanted in _SYSTEM and (plain == type_ or _PARENTS.get(type_) == plain)


_SYSTEM = frozenset({"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time"})
