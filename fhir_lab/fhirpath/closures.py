"""From trees to closures: `truth` compiles what answers true, false or unknown (None), `nodes` what finds nodes.

A closure takes the context and the node in focus, which is `$this`. http://hl7.org/fhirpath/N1/#operations
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_lab.fhirpath import compare
from fhir_lab.fhirpath.grammar import (
    At,
    Binary,
    Call,
    Empty,
    Index,
    Literal,
    Member,
    This,
    Tree,
    TypeTest,
    UnknownFunctionError,
    UnsupportedError,
    Variable,
)
from fhir_lab.fhirpath.nodes import LONGEST_TEXT, Context, EvaluationError, Node, children, has, is_a

Nodes = Callable[[Context, Node], list[Node]]
Truth = Callable[[Context, Node], bool | None]

_CONSTANTS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
_LOGIC = frozenset({"and", "or", "xor", "implies"})
_ORDER: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
_ARITHMETIC = frozenset({"+", "-", "*", "/", "div", "mod"})


def boolean(answer: bool | None) -> list[Node]:
    """An answer as a collection."""
    return [] if answer is None else [(answer, "boolean", None)]


def single(found: list[Node]) -> bool | None:
    """A collection where a boolean is expected: one item that is no boolean is true.

    Raises `EvaluationError` for several items.
    """
    if not found:
        return None
    if len(found) > 1:
        raise EvaluationError("several items where true or false is needed")
    value, type_, _ = found[0]
    if isinstance(value, bool):
        return value
    return None if type_ == "boolean" else True


def truth(tree: Tree) -> Truth:
    """The closure that answers a condition. Raises `UnsupportedError`."""
    from fhir_lab.fhirpath.predicates import PREDICATES

    if isinstance(tree, Binary):
        if tree.operator in _LOGIC:
            return _logic(tree)
        if tree.operator in ("=", "!=", "~", "!~"):
            return _equality(tree)
        if tree.operator in _ORDER:
            return _ordered(tree)
        if tree.operator in ("in", "contains"):
            return _membership(tree)
    if isinstance(tree, TypeTest) and tree.operator == "is":
        return _is(nodes_or_focus(tree.source), tree.type)
    if isinstance(tree, Call) and tree.name in PREDICATES:
        return PREDICATES[tree.name](tree)
    if isinstance(tree, Literal) and tree.type == "boolean":
        value = tree.value
        return lambda _context, _node: value
    find = nodes(tree)
    return lambda context, node: single(find(context, node))


def nodes(tree: Tree) -> Nodes:
    """The closure that finds nodes. Raises `UnsupportedError`."""
    from fhir_lab.fhirpath.functions import FUNCTIONS
    from fhir_lab.fhirpath.predicates import PREDICATES

    if isinstance(tree, Member):
        return _member(tree)
    if isinstance(tree, Literal):
        found = [(tree.value, tree.type, None)]
        return lambda _context, _node: found
    if isinstance(tree, Empty):
        return lambda _context, _node: []
    if isinstance(tree, This):
        return lambda _context, node: [node]
    if isinstance(tree, Index):
        return lambda context, _node: [(context.index, "integer", None)]
    if isinstance(tree, Variable):
        return _variable(tree.name)
    if isinstance(tree, At):
        return _at(tree)
    if isinstance(tree, TypeTest) and tree.operator != "is":
        find, wanted = nodes_or_focus(tree.source), tree.type
        return lambda context, node: [each for each in find(context, node) if is_a(each, wanted)]
    if isinstance(tree, Call) and tree.name not in PREDICATES:
        if tree.name not in FUNCTIONS:
            raise UnknownFunctionError(f"the function {tree.name}() is not supported")
        return FUNCTIONS[tree.name](tree)
    if isinstance(tree, Binary) and (tree.operator in _ARITHMETIC or tree.operator in ("|", "&")):
        return _computed(tree)
    answer = truth(tree)
    return lambda context, node: boolean(answer(context, node))


def nodes_or_focus(tree: Tree | None) -> Nodes:
    """`nodes`; without a tree, the node in focus."""
    return nodes(tree or This())


def _member(tree: Member) -> Nodes:
    name, source = tree.name, tree.source

    def own(context: Context, node: Node) -> list[Node]:
        found = children(node, name)
        context.steps -= len(found)
        return found

    if source is None:
        if name[:1].isupper():
            # At the start of a path the name of its type means the node itself.
            return lambda _context, node: [node] if is_a(node, name) else children(node, name)
        return own
    if isinstance(source, Call) and source.name == "resolve":
        raise UnsupportedError("the content of what a reference names is not looked up")
    find = nodes(source)
    if isinstance(source, This):
        return own

    def members(context: Context, node: Node) -> list[Node]:
        found = [child for each in find(context, node) for child in children(each, name)]
        context.steps -= len(found)
        return found

    return members


def existence(tree: Tree | None) -> Callable[[Context, Node], bool]:
    """The closure that tells whether anything is found, without collecting it where that is easy."""
    if isinstance(tree, Member) and not tree.name[:1].isupper():
        name = tree.name
        if tree.source is None:
            return lambda _context, node: has(node, name)
        if not isinstance(tree.source, Call):
            find = nodes(tree.source)

            def some(context: Context, node: Node) -> bool:
                return any(has(each, name) for each in find(context, node))

            return some
    found = nodes_or_focus(tree)
    return lambda context, node: bool(found(context, node))


def _variable(name: str) -> Nodes:
    if name == "resource":
        return lambda context, _node: [context.resource]
    if name == "rootResource":
        return lambda context, _node: [context.root]
    if name == "context":
        return lambda context, _node: [context.context]
    if name not in _CONSTANTS:
        raise UnsupportedError(f"%{name} is not known")
    found: list[Node] = [(_CONSTANTS[name], "string", None)]
    return lambda _context, _node: found


def _at(tree: At) -> Nodes:
    find, at = nodes(tree.source), nodes(tree.index)

    def item(context: Context, node: Node) -> list[Node]:
        index = at(context, node)
        found = find(context, node)
        number = index[0][0] if len(index) == 1 else None
        return [found[number]] if isinstance(number, int) and 0 <= number < len(found) else []

    return item


def _logic(tree: Binary) -> Truth:
    left, right = truth(tree.left), truth(tree.right)

    def both(context: Context, node: Node) -> bool | None:
        one = left(context, node)
        if one is False:
            return False
        other = right(context, node)
        return False if other is False else (True if one and other else None)

    def either(context: Context, node: Node) -> bool | None:
        one = left(context, node)
        if one:
            return True
        other = right(context, node)
        return True if other else (False if one is False and other is False else None)

    def only_one(context: Context, node: Node) -> bool | None:
        one, other = left(context, node), right(context, node)
        return None if one is None or other is None else one is not other

    def implies(context: Context, node: Node) -> bool | None:
        one = left(context, node)
        if one is False:
            return True
        other = right(context, node)
        return True if other else (other if one else None)

    return {"and": both, "or": either, "xor": only_one, "implies": implies}[tree.operator]


def _equality(tree: Binary) -> Truth:
    left, right, negated = nodes(tree.left), nodes(tree.right), tree.operator[0] == "!"
    equivalent = tree.operator[-1] == "~"

    def same(context: Context, node: Node) -> bool | None:
        one, other = left(context, node), right(context, node)
        if equivalent and not (one and other):
            return (not one and not other) is not negated
        if isinstance(one[0][0] if one else None, dict | list):
            context.spend(compare.weight(one))
        answer = compare.equal(one, other)
        if equivalent and not answer:
            answer = [_folded(each) for each in one] == [_folded(each) for each in other]
        return None if answer is None else answer is not negated

    return same


def _folded(node: Node) -> Any:
    return " ".join(node[0].lower().split()) if isinstance(node[0], str) else node[0]


def _ordered(tree: Binary) -> Truth:
    left, right, accept = nodes(tree.left), nodes(tree.right), _ORDER[tree.operator]

    def ordered(context: Context, node: Node) -> bool | None:
        order = compare.order(left(context, node), right(context, node))
        return None if order is None else accept(order)

    return ordered


def _membership(tree: Binary) -> Truth:
    items, element = (tree.right, tree.left) if tree.operator == "in" else (tree.left, tree.right)
    find, find_one = nodes(items), nodes(element)

    def member(context: Context, node: Node) -> bool | None:
        one = find_one(context, node)
        if not one:
            return None
        if len(one) > 1:
            raise EvaluationError("several items where one is looked for")
        found = find(context, node)
        context.spend(len(found))
        return compare.contains(found, one[0])

    return member


def _is(find: Nodes, wanted: str) -> Truth:
    def answer(context: Context, node: Node) -> bool | None:
        found = find(context, node)
        if len(found) > 1:
            raise EvaluationError("several items where one is asked for its type")
        return is_a(found[0], wanted) if found else None

    return answer


def _computed(tree: Binary) -> Nodes:
    left, right, operator = nodes(tree.left), nodes(tree.right), tree.operator
    if operator == "|":

        def union(context: Context, node: Node) -> list[Node]:
            found = left(context, node) + right(context, node)
            context.spend(compare.comparisons(found))
            return compare.distinct(found)

        return union

    def compute(context: Context, node: Node) -> list[Node]:
        one, other = left(context, node), right(context, node)
        if len(one) > 1 or len(other) > 1:
            raise EvaluationError("several items where one is computed with")
        if operator == "&":
            return [(_joined(_text(one), _text(other)), "string", None)]
        return arithmetic(operator, one[0], other[0]) if one and other else []

    return compute


def _text(found: list[Node]) -> str:
    return str(found[0][0]) if found and found[0][0] is not None else ""


def _joined(one: str, other: str) -> str:
    if len(one) + len(other) > LONGEST_TEXT:
        raise EvaluationError(f"the text becomes longer than {LONGEST_TEXT} characters")
    return one + other


def arithmetic(operator: str, left: Node, right: Node) -> list[Node]:
    """`left operator right` for numbers, strings (+) and dates with a quantity of time (+ and -)."""
    one, other = left[0], right[0]
    if isinstance(one, str) and isinstance(other, dict) and operator in "+-":
        return compare.shifted(left, other, 1 if operator == "+" else -1)
    if isinstance(one, str) and isinstance(other, str) and operator == "+":
        return [(_joined(one, other), "string", None)]
    if not all(isinstance(each, int | Decimal) and not isinstance(each, bool) for each in (one, other)):
        raise EvaluationError(f"'{operator}' does not work on a {left[1]} and a {right[1]}")
    if operator in ("/", "div", "mod") and other == 0:
        return []
    if operator in ("/", "div", "mod"):
        quotient = Decimal(one) / Decimal(other)
        whole = int(quotient)
        value: Any = quotient if operator == "/" else (whole if operator == "div" else one - whole * other)
    else:
        value = one + other if operator == "+" else (one - other if operator == "-" else one * other)
    return [(value, "integer" if isinstance(value, int) else "decimal", None)]
