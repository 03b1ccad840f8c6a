"""A compiled condition, and on which elements it depends: most documents lack what most invariants speak of.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from dataclasses import dataclass

from fhir_lab.fhirpath.closures import Truth, truth
from fhir_lab.fhirpath.fallback import fallback
from fhir_lab.fhirpath.grammar import (
    At,
    Binary,
    Call,
    Index,
    Member,
    This,
    Tree,
    TypeTest,
    UnknownFunctionError,
    UnsupportedError,
    Variable,
    parse,
)
from fhir_lab.fhirpath.nodes import Context, EvaluationError, Node, table

_CONSTANTS = ("ucum", "sct", "loinc")
# Functions whose argument is evaluated on each item, and so speaks of other elements than the focus.
_ITERATING = frozenset({"where", "select", "all", "exists", "repeat"})


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition compiled for one type.

    It holds wherever none of the properties `triggers` is present; None when that is not known.
    """

    text: str
    truth: Truth
    triggers: frozenset[str] | None

    def holds(self, node: Node, context: Context) -> bool | None:
        """The answer on a node, None for an empty one. Raises `EvaluationError`."""
        try:
            return self.truth(context, node)
        except (TypeError, AttributeError, RecursionError, ArithmeticError) as error:
            # An element of a wrong JSON type, which other checks report.
            raise EvaluationError(f"it cannot be evaluated here ({type(error).__name__})") from None


def condition(text: str, type_: str, *, counted: bool = False) -> Condition:
    """Compile `text` for nodes of a type (`Observation`, `Observation.component`, `string`).

    With `counted`, what would not count its steps is refused. Raises `UnsupportedError` for what is not FHIRPath, or
    cannot be evaluated.
    """
    try:
        tree = parse(text)
        answer = truth(tree)
        return Condition(text, answer, _triggers(tree, answer, type_))
    except UnknownFunctionError as error:
        if counted:
            raise
        return Condition(text, fallback(text, str(error)), None)
    except RecursionError:
        raise UnsupportedError("the expression is nested too deeply") from None


def _triggers(tree: Tree, answer: Truth, type_: str) -> frozenset[str] | None:
    names = _names(tree)
    if names is None or not names <= table(type_).keys():
        return None
    nothing: Node = ({}, type_, None)
    try:
        if answer(Context(nothing), nothing) is not True:
            return None
    except EvaluationError:
        return None
    return frozenset(
        each
        for name in names
        for property_, primitive, _ in table(type_)[name]
        for each in (property_, primitive)
        if each is not None
    )


def _names(tree: Tree | None) -> set[str] | None:
    """The elements of the focus that an expression reads; None when it reads more than elements of the focus."""
    if isinstance(tree, Member):
        if tree.source is None or isinstance(tree.source, This):
            return {tree.name}
        return _names(tree.source)
    if tree is None or isinstance(tree, This | Index) or (isinstance(tree, Variable) and tree.name not in _CONSTANTS):
        return None
    if isinstance(tree, Binary):
        return _joined(tree.left, tree.right)
    if isinstance(tree, At):
        return _joined(tree.source, tree.index)
    if isinstance(tree, TypeTest):
        return _names(tree.source)
    if isinstance(tree, Call):
        return _names_of_call(tree)
    return set()


def _names_of_call(tree: Call) -> set[str] | None:
    if tree.name in _ITERATING:
        own = _names(tree.source)
        return own if all(_closed(each) for each in tree.arguments) else None
    if tree.name == "iif" and tree.source is None:
        return _joined(*tree.arguments)
    if tree.source is None:
        return set() if tree.name in ("today", "now") else None
    return _joined(tree.source, *tree.arguments)


def _closed(tree: Tree | None) -> bool:
    """True for an expression that reads nothing but its own focus, so nothing where there is none."""
    if isinstance(tree, Variable):
        return tree.name in _CONSTANTS
    parts: tuple[Tree | None, ...] = ()
    if isinstance(tree, Binary):
        parts = (tree.left, tree.right)
    elif isinstance(tree, At):
        parts = (tree.source, tree.index)
    elif isinstance(tree, Member | TypeTest):
        parts = (tree.source,)
    elif isinstance(tree, Call):
        parts = (tree.source, *tree.arguments)
    return all(_closed(part) for part in parts)


def _joined(*trees: Tree) -> set[str] | None:
    found: set[str] = set()
    for tree in trees:
        names = _names(tree)
        if names is None:
            return None
        found |= names
    return found
