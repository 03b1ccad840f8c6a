"""The grammar of FHIRPath: text to a tree. http://hl7.org/fhirpath/N1/#grammar"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


class UnsupportedError(ValueError):
    """The text is not FHIRPath, or goes beyond what the closures can do."""


class UnknownFunctionError(UnsupportedError):
    """A function that the closures do not have."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the expression, with its type: string, boolean, integer, decimal, date, dateTime, time,
    Quantity.
    """

    value: Any
    type: str


@dataclass(frozen=True, slots=True)
class Empty:
    """`{}`."""


@dataclass(frozen=True, slots=True)
class This:
    """`$this`."""


@dataclass(frozen=True, slots=True)
class Index:
    """`$index`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`source.name`; without a source, `name` of the focus."""

    source: "Tree | None"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """`source.name(arguments)`; without a source, called on the focus."""

    source: "Tree | None"
    name: str
    arguments: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class At:
    """`source[index]`."""

    source: "Tree"
    index: "Tree"


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: "Tree"
    right: "Tree"


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`source is type`, `source as type`, and the functions `is`, `as` and `ofType`."""

    operator: str
    source: "Tree | None"
    type: str


Tree = Literal | Empty | This | Index | Variable | Member | Call | At | Binary | TypeTest

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<date>@(?:T[0-9:.]+|[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?(?:T(?:[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?))
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<name>`(?:[^`\\]|\\.)+` | [A-Za-z_][A-Za-z0-9_]*)
      | (?P<external>%(?:`[^`]+` | '[^']+' | [A-Za-z_][A-Za-z0-9_-]*))
      | (?P<special>\$[a-z]+)
      | (?P<mark><=|>=|!=|!~|[<>=~|&+\-*/.()\[\]{},])
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_STRENGTH = {
    **dict.fromkeys(("*", "/", "div", "mod"), 9),
    **dict.fromkeys(("+", "-", "&"), 8),
    **dict.fromkeys(("is", "as"), 7),
    "|": 6,
    **dict.fromkeys((">", "<", ">=", "<="), 5),
    **dict.fromkeys(("=", "~", "!=", "!~"), 4),
    **dict.fromkeys(("in", "contains"), 3),
    "and": 2,
    **dict.fromkeys(("or", "xor"), 1),
    "implies": 0,
}
_PERIODS = frozenset(
    f"{unit}{plural}"
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
)
MOST_CHARACTERS = 20_000


def parse(text: str) -> Tree:
    """The tree of an expression. Raises `UnsupportedError` for what is not FHIRPath."""
    if len(text) > MOST_CHARACTERS:
        raise UnsupportedError(f"{len(text)} characters; an expression has at most {MOST_CHARACTERS}")
    parser = _Parser(text)
    try:
        tree = parser.expression(0)
    except RecursionError:
        raise UnsupportedError("the expression is nested too deeply") from None
    if parser.kind:
        raise UnsupportedError(f"'{parser.text}' is not expected after '{parser.before()}'")
    return tree


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    text = text.rstrip()
    at = 0
    while at < len(text):
        comment = _COMMENT.match(text, at) or _COMMENT.match(text, at + len(text[at:]) - len(text[at:].lstrip()))
        if comment:
            at = comment.end()
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise UnsupportedError(f"'{text[at : at + 20].strip()}' cannot be read")
        kind = match.lastgroup or ""
        yield kind, match[kind], match.start(kind)
        at = match.end()
    yield "", "", len(text)


class _Parser:
    def __init__(self, text: str) -> None:
        self._whole = text
        self._tokens = _tokens(text)
        self._advance()

    def _advance(self) -> None:
        self.kind, self.text, self._start = next(self._tokens)

    def before(self) -> str:
        return self._whole[: self._start].strip()[-30:]

    def _take(self) -> str:
        if not self.kind:
            raise UnsupportedError("the expression ends too early")
        text = self.text
        self._advance()
        return text

    def _accept(self, mark: str) -> bool:
        if self.kind == "mark" and self.text == mark:
            self._advance()
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._accept(mark):
            raise UnsupportedError(f"'{mark}' is expected after '{self.before()}', found '{self.text or 'the end'}'")

    def expression(self, strength: int) -> Tree:
        """An expression whose operators bind at least as strongly as `strength`."""
        left = self._unary()
        while self.kind in ("mark", "name") and _STRENGTH.get(self.text, -1) >= strength:
            operator = self._take()
            if operator in ("is", "as"):
                left = TypeTest(operator, left, self._type())
            else:
                left = Binary(operator, left, self.expression(_STRENGTH[operator] + 1))
        return left

    def _unary(self) -> Tree:
        if self._accept("-"):
            return Binary("-", Literal(0, "integer"), self.expression(10))
        self._accept("+")
        return self._steps()

    def _type(self) -> str:
        name = _unquoted(self._take())
        while self._accept("."):
            name = _unquoted(self._take())
        return name

    def _steps(self) -> Tree:
        tree = self._primary()
        while True:
            if self._accept("."):
                tree = self._invocation(tree)
            elif self._accept("["):
                tree = At(tree, self.expression(0))
                self._expect("]")
            else:
                return tree

    def _primary(self) -> Tree:
        kind, text = self.kind, self.text
        if kind == "mark":
            return self._enclosed()
        if kind == "name":
            if text in ("true", "false"):
                self._advance()
                return Literal(text == "true", "boolean")
            return self._invocation(None)
        self._take()
        if kind == "string":
            return Literal(_unescaped(text[1:-1]), "string")
        if kind == "number":
            return self._number(text)
        if kind == "date":
            return _date(text[1:])
        if kind == "external":
            return Variable(text[1:].strip("`'"))
        return _special(text)

    def _enclosed(self) -> Tree:
        if self._accept("("):
            tree = self.expression(0)
            self._expect(")")
            return tree
        self._expect("{")
        self._expect("}")
        return Empty()

    def _number(self, text: str) -> Tree:
        number: int | Decimal = Decimal(text) if "." in text else int(text)
        if self.kind == "string" or (self.kind == "name" and self.text in _PERIODS):
            unit = self._take()
            return Literal({"value": number, "unit": unit.strip("'")}, "Quantity")
        return Literal(number, "decimal" if "." in text else "integer")

    def _invocation(self, source: Tree | None) -> Tree:
        if self.kind == "special":
            return _special(self._take())
        if self.kind != "name":
            raise UnsupportedError(f"a name is expected after '{self.before()}', found '{self.text or 'the end'}'")
        name = _unquoted(self._take())
        if not self._accept("("):
            return Member(source, name)
        if name in ("is", "as", "ofType"):
            tree: Tree = TypeTest(name, source, self._type())
            self._expect(")")
            return tree
        arguments: list[Tree] = []
        if not self._accept(")"):
            arguments.append(self.expression(0))
            while self._accept(","):
                arguments.append(self.expression(0))
            self._expect(")")
        return Call(source, name, tuple(arguments))


def _special(text: str) -> Tree:
    if text not in ("$this", "$index"):
        raise UnsupportedError(f"{text} is not supported")
    return This() if text == "$this" else Index()


def _date(text: str) -> Tree:
    if text[0] == "T":
        return Literal(text[1:], "time")
    if "T" not in text:
        return Literal(text, "date")
    return Literal(text.removesuffix("T"), "dateTime")


def _unquoted(name: str) -> str:
    return _unescaped(name[1:-1]) if name[0] == "`" else name


def _unescaped(text: str) -> str:
    return re.sub(
        r"\\(u[0-9A-Fa-f]{4}|.)",
        lambda match: chr(int(match[1][1:], 16)) if len(match[1]) > 1 else _ESCAPES.get(match[1], match[1]),
        text,
        flags=re.DOTALL,
    )
