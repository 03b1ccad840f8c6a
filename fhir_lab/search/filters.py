"""`_filter`: an expression of comparisons, `and`, `or`, `not (..)` and parentheses, as a criterion of the tree.

Logical operators have no precedence, they are read from left to right. A path goes from reference to reference, and
may say in brackets what the resource there must be: `subject[gender eq female].name co "mil"`.
https://hl7.org/fhir/R4/search_filter.html
"""

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fhir_lab.outcomes import BadRequest, nearest
from fhir_lab.search.escapes import escape
from fhir_lab.search.kinds.string import StringValue
from fhir_lab.search.registry import SearchParameter
from fhir_lab.search.tree import And, Chain, Condition, Criterion, Missing, Not, Or
from fhir_lab.search.values import normalise

if TYPE_CHECKING:
    from fhir_lab.search.criteria import Reader

_RANGES = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr")
OPERATORS = (*_RANGES, "co", "sw", "ew", "po", "ss", "sb", "in", "ni", "re")
# What makes sense of each kind of parameter.
OF_KIND: dict[str, tuple[str, ...]] = {
    "string": ("eq", "ne", "co", "sw", "ew", "pr"),
    "token": ("eq", "ne", "in", "ni", "ss", "sb", "pr"),
    "date": (*_RANGES, "po"),
    "number": _RANGES,
    "quantity": _RANGES,
    "reference": ("eq", "ne", "re", "pr"),
    "uri": ("eq", "ne", "pr"),
    "phonetic": ("eq", "pr"),
    "composite": ("eq",),
}
_MODIFIERS = {"in": "in", "ni": "not-in", "ss": "below", "sb": "above"}
_TEXTS = {"eq": "is", "ne": "is-not", "co": "contains", "sw": "", "ew": "ends"}
MOST = 50  # comparisons
DEEPEST = 20  # parentheses and brackets inside of each other
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)(?::([A-Za-z]+))?")
_WORD = re.compile(r"[^\s()\[\]\"]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOKEN = re.compile(r"[^\s()\"]+")
_TOKEN_INSIDE = re.compile(r"[^\s()\"\]]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One parameter of a path; `type` and `filter` say what the resource that it refers to must be."""

    name: str
    type: str
    filter: "Expression | None"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A path, an operator and a value."""

    path: tuple[Step, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Logical:
    """`and`, `or` and `not` of one or two expressions."""

    operator: str
    parts: "tuple[Expression, ...]"


Expression = Comparison | Logical


def read(reader: "Reader", resource_type: str, text: str) -> Criterion:
    """The criterion that an expression means for a resource type.

    Raises `BadRequest` for what is not an expression or has an operator that does not suit, `UnknownParameter`.
    """
    return _criterion(reader, resource_type, _Parser(text).whole())


def _criterion(reader: "Reader", resource_type: str, expression: Expression) -> Criterion:
    if isinstance(expression, Comparison):
        return _path(reader, resource_type, expression.path, expression)
    parts = tuple(_criterion(reader, resource_type, part) for part in expression.parts)
    if expression.operator == "not":
        return Not(parts[0])
    return And(parts) if expression.operator == "and" else Or(parts)


def _path(reader: "Reader", resource_type: str, path: tuple[Step, ...], asked: Comparison) -> Criterion:
    step, rest = path[0], path[1:]
    parameter = reader.parameter(resource_type, step.name, "_filter")
    if not rest:
        return _compared(reader, parameter, asked.operator, asked.value)
    targets = []
    for name in reader.able(parameter, step.type, rest[0].name, "_filter"):
        found = _path(reader, name, rest, asked)
        inside = [] if step.filter is None else [_criterion(reader, name, step.filter)]
        targets.append((name, And((*inside, found)) if inside else found))
    return Chain(parameter, tuple(targets))


def _compared(reader: "Reader", parameter: SearchParameter, operator: str, text: str) -> Criterion:
    known = OF_KIND.get(parameter.kind, ())
    if operator not in known:
        raise _refused(
            f"'{operator}' does not compare '{parameter.code}' ({parameter.kind}). "
            f"Supported: {', '.join(known) or 'none'}."
        )
    if operator == "pr":
        if text not in ("true", "false"):
            raise _refused(f"'{parameter.code} pr {text}': write true or false.")
        return Missing(parameter, text == "false")
    if parameter.kind == "string":
        return Condition(parameter, "", (_string(parameter, text, _TEXTS[operator]),))
    value = text.replace("\\", "\\\\").replace(",", "\\,")
    if parameter.kind in ("date", "number", "quantity"):
        if operator == "po":
            return _overlapping(_condition(reader, parameter, "", f"eq{value}"))
        return _condition(reader, parameter, "", operator + value)
    found = _condition(reader, parameter, _MODIFIERS.get(operator, ""), value)
    # What a resource has several of is unequal when none of them is equal: of codes, two often mean the same.
    return And((Missing(parameter, False), Not(found))) if operator == "ne" else found


def _condition(reader: "Reader", parameter: SearchParameter, modifier: str, value: str) -> Criterion:
    name = f"{parameter.code}:{modifier}" if modifier else parameter.code
    found = reader.named(parameter.type, name, value, "_filter")
    if found is None:
        raise _refused(f"'{parameter.code}' is compared with nothing.")
    return found


def _overlapping(equal: Criterion) -> Criterion:
    """Periods that share a moment: what `ap` means without what it adds on both sides."""
    assert isinstance(equal, Condition)
    return replace(equal, values=tuple(replace(each, prefix="ap") for each in equal.values))


def _string(parameter: SearchParameter, text: str, how: str) -> StringValue:
    norm = normalise(text)
    if not norm:
        raise _refused(f"'{parameter.code}' is compared with '{escape(text)}', which has no character to search for.")
    return StringValue(norm, text, how)


def _refused(details: str) -> BadRequest:
    return BadRequest.of(f"_filter: {details}", "http._filter", code="invalid")


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._count = 0
        self._brackets = 0

    def whole(self) -> Expression:
        """The expression, which is all of the text."""
        found = self._expression()
        if self._next():
            raise self._unexpected("and, or, or the end")
        return found

    def _expression(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused(f"parentheses are nested more than {DEEPEST} deep.")
        found = self._term()
        while self._word() in ("and", "or"):
            operator = self._take(_WORD, "and or or")
            found = Logical(operator, (found, self._term()))
        self._depth -= 1
        return found

    def _term(self) -> Expression:
        if self._next() == "(":
            return self._group()
        if self._word() == "not" and self._text[self._at + 3 :].lstrip()[:1] == "(":
            self._at += 3
            self._next()
            return Logical("not", (self._group(),))
        return self._comparison()

    def _group(self) -> Expression:
        self._at += 1
        found = self._expression()
        self._close(")")
        return found

    def _comparison(self) -> Comparison:
        self._count += 1
        if self._count > MOST:
            raise BadRequest.of(f"_filter: {MOST} comparisons are allowed.", "http._filter", code="too-costly")
        path = [self._step()]
        while self._text[self._at : self._at + 1] == ".":
            self._at += 1
            path.append(self._step())
        place = self._at
        operator = self._take(_WORD, "an operator")
        if operator not in OPERATORS:
            raise _refused(
                f"at character {place + 1}, '{operator[:20]}' is not an operator.{nearest(operator, OPERATORS)} "
                f"These are: {', '.join(OPERATORS)}."
            )
        return Comparison(tuple(path), operator, self._value())

    def _step(self) -> Step:
        self._next()
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._unexpected("the name of a search parameter")
        self._at = found.end()
        inside: Expression | None = None
        if self._text[self._at : self._at + 1] == "[":
            self._at += 1
            self._brackets += 1
            inside = self._expression()
            self._close("]")
            self._brackets -= 1
            if self._text[self._at : self._at + 1] != ".":
                raise self._unexpected("a dot and a parameter of the resource that is referred to")
        return Step(found[1], found[2] or "", inside)

    def _value(self) -> str:
        if self._next() == '"':
            written = self._take(_STRING, 'the closing "')
            try:
                return str(json.loads(written, strict=False))
            except ValueError:
                raise _refused(f"{written[:40]} is not a JSON string.") from None
        return self._take(_TOKEN_INSIDE if self._brackets else _TOKEN, "a value")

    def _take(self, pattern: re.Pattern[str], wanted: str) -> str:
        self._next()
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._unexpected(wanted)
        self._at = found.end()
        return found[0]

    def _close(self, sign: str) -> None:
        if self._next() != sign:
            raise self._unexpected(f"'{sign}'")
        self._at += 1

    def _word(self) -> str:
        self._next()
        found = _WORD.match(self._text, self._at)
        return found[0] if found else ""

    def _next(self) -> str:
        """The next character that is not white space, or nothing at the end."""
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _unexpected(self, wanted: str) -> BadRequest:
        found = self._text[self._at : self._at + 20]
        return _refused(f"at character {self._at + 1}, {wanted} is expected, not '{found}'.")
