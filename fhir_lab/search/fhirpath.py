"""The grammar of the FHIRPath subset that R4's search parameters use: text to a small tree.

http://hl7.org/fhirpath/N1/#grammar. Precedence, loosest first: and; = and !=; union; as and is; steps.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(\d+(?:\.\d+)?)|(`[^`]+`|[A-Za-z_]\w*)|(!=|[|=.()\[\]]))", re.ASCII)


class UnsupportedError(ValueError):
    """The expression goes beyond the subset."""


@dataclass(frozen=True, slots=True)
class Child:
    """A step to an element, or at the start of a path the resource itself."""

    name: str


@dataclass(frozen=True, slots=True)
class OfType:
    """`as T`, `.as(T)` and `.ofType(T)`."""

    type: str


@dataclass(frozen=True, slots=True)
class Index:
    """`[n]`."""

    at: int


@dataclass(frozen=True, slots=True)
class Where:
    """`.where(condition)`."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Resolve:
    """`.resolve()`."""


Step = Child | OfType | Index | Where | Resolve


@dataclass(frozen=True, slots=True)
class Paths:
    """A union of one or more paths."""

    branches: tuple[tuple[Step, ...], ...]

    def then(self, step: Step) -> "Paths":
        """Each path, one step on."""
        return Paths(tuple((*branch, step) for branch in self.branches))


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, boolean or number."""

    value: str | bool | float


@dataclass(frozen=True, slots=True)
class Exists:
    """`.exists()`."""

    paths: Paths


@dataclass(frozen=True, slots=True)
class Compare:
    """`=`, or `!=` when `negated`."""

    paths: Paths
    value: Literal
    negated: bool


@dataclass(frozen=True, slots=True)
class Is:
    """`is T`."""

    paths: Paths
    type: str


@dataclass(frozen=True, slots=True)
class And:
    """`and`."""

    left: "Condition"
    right: "Condition"


Condition = Exists | Compare | Is | And
Tree = Paths | Literal | Condition


def parse(text: str) -> Tree:
    """The tree of an expression. Raises `UnsupportedError` for what is not in the subset."""
    parser = _Parser(text)
    tree = parser.conjunction()
    if parser.peek() is not None:
        raise UnsupportedError(f"unexpected '{parser.peek()}' in {text}")
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._at = 0
        text = text.strip()
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise UnsupportedError(f"cannot read '{text[at:]}'")
            self._tokens.append(match.group().strip())
            at = match.end()

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        token = self.peek()
        if token is None:
            raise UnsupportedError("the expression ends too early")
        self._at += 1
        return token

    def _accept(self, *tokens: str) -> str | None:
        return self._take() if self.peek() in tokens else None

    def _expect(self, token: str) -> None:
        if self._accept(token) is None:
            raise UnsupportedError(f"expected '{token}', found '{self.peek()}'")

    def conjunction(self) -> Tree:
        left = self._comparison()
        while self._accept("and"):
            left = And(_condition(left), _condition(self._comparison()))
        return left

    def _comparison(self) -> Tree:
        left = self._union()
        operator = self._accept("=", "!=")
        if operator is None:
            return left
        right = self._union()
        if not isinstance(right, Literal):
            raise UnsupportedError("only literals are compared with")
        return Compare(_paths(left), right, operator == "!=")

    def _union(self) -> Tree:
        left = self._cast()
        while self._accept("|"):
            left = Paths(_paths(left).branches + _paths(self._cast()).branches)
        return left

    def _cast(self) -> Tree:
        tree = self._steps()
        while operator := self._accept("as", "is"):
            type_ = self._type()
            tree = _paths(tree).then(OfType(type_)) if operator == "as" else Is(_paths(tree), type_)
        return tree

    def _type(self) -> str:
        name = self._take()
        while self._accept("."):
            name = self._take()
        return name

    def _text(self) -> str:
        token = self._take()
        if token[0] != "'":
            raise UnsupportedError(f"expected a text in quotes, found '{token}'")
        return _unquoted(token)

    def _steps(self) -> Tree:
        tree = self._primary()
        while mark := self._accept(".", "["):
            if mark == "[":
                tree = _paths(tree).then(Index(int(self._take())))
                self._expect("]")
            else:
                tree = self._step(_paths(tree), self._take())
        return tree

    def _primary(self) -> Tree:
        token = self._take()
        if token == "(":
            tree = self.conjunction()
            self._expect(")")
            return tree
        if token[0] == "'":
            return Literal(_unquoted(token))
        if token in ("true", "false"):
            return Literal(token == "true")
        if token[0].isdigit():
            return Literal(float(token))
        return self._step(Paths(((),)), token)

    def _step(self, paths: Paths, name: str) -> Paths | Exists:
        if not (name[0].isalpha() or name[0] in "_`"):
            raise UnsupportedError(f"unexpected '{name}'")
        if self.peek() != "(":
            return paths.then(Child(name.strip("`")))
        self._take()
        tree: Paths | Exists
        if name in ("as", "ofType"):
            tree = paths.then(OfType(self._type()))
        elif name == "where":
            tree = paths.then(Where(_condition(self.conjunction())))
        elif name == "extension":
            url = Compare(Paths(((Child("url"),),)), Literal(self._text()), negated=False)
            tree = paths.then(Child("extension")).then(Where(url))
        elif name == "resolve":
            tree = paths.then(Resolve())
        elif name == "exists":
            tree = Exists(paths)
        else:
            raise UnsupportedError(f"the function {name}() is not in the subset")
        self._expect(")")
        return tree


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _paths(tree: Tree) -> Paths:
    if not isinstance(tree, Paths):
        raise UnsupportedError("a path is needed here")
    return tree


def _condition(tree: Tree) -> Condition:
    if isinstance(tree, Paths | Literal):
        raise UnsupportedError("a condition is needed here")
    return tree
