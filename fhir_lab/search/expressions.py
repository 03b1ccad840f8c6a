"""FHIRPath expressions of search parameters, compiled once to Python closures.

The subset that R4's parameters use (see `fhirpath`) becomes closures that know each element's datatype from the
tables in `conformance`; a simple path costs about a microsecond. Anything else goes to fhirpathpy, some twenty times
slower. https://hl7.org/fhir/R4/fhirpath.html, https://hl7.org/fhir/R4/searchparameter.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_lab.documents import Resource
from fhir_lab.search.elements import BACKBONE, Element, below, branches_of, children, ends, root_of
from fhir_lab.search.fhirpath import (
    And,
    Child,
    Compare,
    Condition,
    Exists,
    Index,
    Is,
    OfType,
    Paths,
    Resolve,
    Step,
    Tree,
    UnsupportedError,
    Where,
    parse,
)


class Node(NamedTuple):
    """A value an expression found, as parsed JSON, with the name of its FHIR datatype.

    `group` is the 1-based index of the first repeated element on its path (`component[1].code` is 2), 0 where none
    repeats.
    """

    value: Any
    type: str
    group: int


Reader = Callable[[Any], list[Node]]
Truth = Callable[[Any], bool | None]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: `branches` are (property of the resource, reader of its value); else `whole` reads the
    resource.
    """

    branches: tuple[tuple[str, Reader], ...] = ()
    whole: Reader | None = None

    def evaluate(self, resource: Resource) -> list[Node]:
        """Every node the expression finds in a resource of the type it was compiled for."""
        if self.whole is not None:
            return self.whole(resource)
        return [node for name, read in self.branches if name in resource for node in read(resource[name])]

    def only(self, types: frozenset[str]) -> "Expression":
        """The same, without nodes of other datatypes."""
        whole = None if self.whole is None else _of_types(self.whole, types)
        return Expression(tuple((name, _of_types(read, types)) for name, read in self.branches), whole)


def compile_expression(text: str, resource_type: str) -> Expression:
    """Compile `text` for resources of one type. Raises `ValueError` when not even fhirpathpy can read it."""
    try:
        return _compile(parse(text), root_of(resource_type))
    except UnsupportedError:
        return Expression(whole=_fallback(text, resource_type))


def compile_strictly(text: str, resource_type: str) -> tuple[Expression, frozenset[str]]:
    """An expression of the subset, and the datatypes that it may find, for what a client wrote.

    Raises `UnsupportedError` for anything beyond the subset: nobody outside gets to run FHIRPath on every write.
    """
    root = root_of(resource_type)
    tree = parse(text)
    found = _compile(tree, root)
    if not isinstance(tree, Paths):
        return found, frozenset({"boolean"})
    return found, frozenset(end.type for steps in branches_of(tree, root) for end in ends(steps, root))


def reference_type(reference: Mapping[str, Any]) -> str:
    """The resource type a Reference points to, from its URL or its `type`; '' when neither shows it."""
    segments = reference.get("reference", "").partition("/_history/")[0].split("/")
    if len(segments) > 1 and segments[-2][:1].isupper():
        return str(segments[-2])
    return str(reference.get("type", ""))


def _compile(tree: Tree, root: Element) -> Expression:
    if isinstance(tree, And | Compare | Exists | Is):
        return Expression(whole=_boolean(_condition(tree, root)))
    if not isinstance(tree, Paths):
        raise UnsupportedError("a literal finds nothing")
    branches: list[tuple[str, Reader]] = []
    for steps in branches_of(tree, root):
        if not steps or not isinstance(steps[0], Child):
            return _together(tree, root)
        branches += _properties(steps, root, nested=False)
    return Expression(branches=tuple(branches))


def _together(tree: Paths, root: Element) -> Expression:
    """A union with a branch that needs the resource as a whole."""
    return Expression(whole=_finder(tree, root))


def _boolean(truth: Truth) -> Reader:
    def read(resource: Any) -> list[Node]:
        answer = truth(resource)
        return [] if answer is None else [Node(answer, "boolean", 0)]

    return read


def _properties(steps: Sequence[Step], parent: Element, nested: bool) -> list[tuple[str, Reader]]:
    """(property, reader of its value) for the Child that `steps` begin with, and all that follows it."""
    child, rest = steps[0], steps[1:]
    assert isinstance(child, Child)
    options = children(parent, child.name)
    if rest and isinstance(rest[0], OfType):
        options = [option for option in options if option[1].type == rest[0].type]
        rest = rest[1:]
    if rest and isinstance(rest[0], Index):
        if nested:
            raise UnsupportedError("an index below a repeated element")
        at = rest[0].at
        return [(name, _nth(at, _item(rest[1:], element, nested=True))) for name, element in options]
    if len(options) == 1:
        return [(name, _value(rest, element, nested)) for name, element in options]
    return _fitting_options(options, rest, nested)


def _fitting_options(
    options: Sequence[tuple[str, Element]], rest: Sequence[Step], nested: bool
) -> list[tuple[str, Reader]]:
    """The types of a choice that have what follows. Raises `UnsupportedError` when none has."""
    found: list[tuple[str, Reader]] = []
    reason: UnsupportedError | None = None
    for name, element in options:
        try:
            found.append((name, _value(rest, element, nested)))
        except UnsupportedError as error:
            reason = error
    if not found and reason is not None:
        raise reason
    return found


def _value(steps: Sequence[Step], element: Element, nested: bool) -> Reader:
    """The reader of a property's value: of each item where the element repeats."""
    if not element.repeated:
        return _item(steps, element, nested)
    if not steps:
        type_ = element.type
        return lambda items: [Node(item, type_, n) for n, item in enumerate(items, 1) if item is not None]
    return _each(_item(steps, element, nested=True))


def _each(read: Reader) -> Reader:
    def read_all(items: Any) -> list[Node]:
        return [Node(node[0], node[1], n) for n, item in enumerate(items, 1) if item is not None for node in read(item)]

    return read_all


def _nth(at: int, read: Reader) -> Reader:
    def read_one(items: Any) -> list[Node]:
        return [Node(node[0], node[1], at + 1) for item in items[at : at + 1] for node in read(item)]

    return read_one


def _item(steps: Sequence[Step], element: Element, nested: bool) -> Reader:
    """The reader of one item of an element."""
    if not steps:
        type_ = element.type
        return lambda item: [Node(item, type_, 0)]
    step = steps[0]
    if isinstance(step, Child):
        return _descend(_properties(steps, element, nested))
    if isinstance(step, Where):
        return _filter(_condition(step.condition, element), _item(steps[1:], element, nested))
    if isinstance(step, OfType):
        return _item(steps[1:], element, nested) if step.type == element.type else lambda _item: []
    raise UnsupportedError(f"{step} here")


def _descend(properties: Sequence[tuple[str, Reader]]) -> Reader:
    if len(properties) == 1:
        name, read = properties[0]
        return lambda item: read(item[name]) if name in item else []
    return lambda item: [node for name, read in properties if name in item for node in read(item[name])]


def _of_types(read: Reader, types: frozenset[str]) -> Reader:
    return lambda value: [node for node in read(value) if node.type in types]


def _filter(truth: Truth, read: Reader) -> Reader:
    return lambda item: read(item) if truth(item) else []


def _condition(condition: Condition, element: Element) -> Truth:
    if isinstance(condition, And):
        return _both(_condition(condition.left, element), _condition(condition.right, element))
    if isinstance(condition, Is):
        return _refers_to(condition, element)
    find = _finder(condition.paths, element)
    if isinstance(condition, Exists):
        return lambda item: bool(find(item))
    return _compared(find, condition.value.value, condition.negated)


def _finder(paths: Paths, element: Element) -> Reader:
    readers = [_item(below(steps, element), element, nested=False) for steps in paths.branches]
    return lambda item: [node for read in readers for node in read(item)]


def _both(left: Truth, right: Truth) -> Truth:
    def truth(item: Any) -> bool | None:
        answers = (left(item), right(item))
        if False in answers:
            return False
        return None if None in answers else True

    return truth


def _compared(find: Reader, literal: str | bool | float, negated: bool) -> Truth:
    def truth(item: Any) -> bool | None:
        values = [node.value for node in find(item)]
        if len(values) != 1:
            return None
        same = values[0] == literal and isinstance(values[0], bool) == isinstance(literal, bool)
        return same is not negated

    return truth


def _refers_to(condition: Is, element: Element) -> Truth:
    """`resolve() is T`, answered from the reference itself: no document is fetched."""
    if any(steps[-1:] != (Resolve(),) for steps in condition.paths.branches):
        raise UnsupportedError("only resolve() is asked for its type")
    find = _finder(Paths(tuple(steps[:-1] for steps in condition.paths.branches)), element)
    wanted = condition.type
    return lambda item: any(reference_type(node.value) == wanted for node in find(item))


def _fallback(text: str, resource_type: str) -> Reader:
    """fhirpathpy's reading of an expression, tried once; an error on a document means that nothing is found."""
    import fhirpathpy  # costs 40 ms, which most processes never need to spend
    from fhirpathpy.models import models

    try:
        evaluate = fhirpathpy.compile(text, models["r4"], {"returnRawData": True})
        evaluate({"resourceType": resource_type}, {})
    except Exception as error:
        raise ValueError(f"'{text}' is not FHIRPath: {error}") from None

    def read(resource: Any) -> list[Node]:
        try:
            return [node for found in evaluate(resource, {}) for node in _nodes(found)]
        except Exception:
            return []

    return read


def _nodes(found: Any) -> list[Node]:
    """A result of fhirpathpy, which tells an element's datatype in `path`, computes plain values and reports errors."""
    if hasattr(found, "path"):
        path = found.path or ""
        return [Node(found.data, BACKBONE if "." in path else path, 0)]
    plain = {bool: "boolean", int: "integer", Decimal: "decimal", float: "decimal", str: "string"}.get(type(found))
    return [Node(found, plain, 0)] if plain else []
