"""The functions of FHIRPath that find nodes, each compiled from its call.

http://hl7.org/fhirpath/N1/#functions, https://hl7.org/fhir/R4/fhirpath.html#functions
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_lab.fhirpath import compare
from fhir_lab.fhirpath.closures import Nodes, nodes, nodes_or_focus, truth
from fhir_lab.fhirpath.grammar import Call, UnsupportedError
from fhir_lab.fhirpath.nodes import (
    LONGEST_TEXT,
    Context,
    EvaluationError,
    Node,
    all_children,
    children,
    descendants,
)
from fhir_lab.fhirpath.predicates import arguments_of, literal_pattern, text_of


def _where(call: Call) -> Nodes:
    find, holds = nodes_or_focus(call.source), truth(arguments_of(call, 1)[0])

    def chosen(context: Context, node: Node) -> list[Node]:
        found = []
        for index, each in enumerate(find(context, node)):
            context.spend(1)
            context.index = index
            if holds(context, each):
                found.append(each)
        return found

    return chosen


def _select(call: Call) -> Nodes:
    find, project = nodes_or_focus(call.source), nodes(arguments_of(call, 1)[0])

    def projected(context: Context, node: Node) -> list[Node]:
        found = []
        for index, each in enumerate(find(context, node)):
            context.spend(1)
            context.index = index
            found += project(context, each)
        return found

    return projected


def _repeat(call: Call) -> Nodes:
    find, project = nodes_or_focus(call.source), nodes(arguments_of(call, 1)[0])

    def repeated(context: Context, node: Node) -> list[Node]:
        found: list[Node] = []
        pending = find(context, node)
        while pending:
            pending = [child for each in pending for child in project(context, each)]
            context.spend(len(pending) * (len(found) + 1))
            pending = [child for child in pending if not any(child[0] is each[0] for each in found)]
            found += pending
        return found

    return repeated


def _iif(call: Call) -> Nodes:
    if call.source is not None:
        raise UnsupportedError("iif() is supported without a collection before it")
    arguments = arguments_of(call, 2, 3)
    condition, then = truth(arguments[0]), nodes(arguments[1])
    otherwise = nodes(arguments[2]) if len(arguments) > 2 else (lambda _context, _node: [])
    return lambda context, node: (then if condition(context, node) else otherwise)(context, node)


def _trace(call: Call) -> Nodes:
    arguments_of(call, 1, 2)
    return nodes_or_focus(call.source)


def _extension(call: Call) -> Nodes:
    find, url = nodes_or_focus(call.source), nodes(arguments_of(call, 1)[0])

    def extensions(context: Context, node: Node) -> list[Node]:
        wanted = text_of(url(context, node))
        return [
            each
            for parent in find(context, node)
            for each in children(parent if isinstance(parent[0], dict) else (None, *parent[1:]), "extension")
            if isinstance(each[0], dict) and each[0].get("url") == wanted
        ]

    return extensions


def _resolve(call: Call) -> Nodes:
    """Contained resources as they are; of others only the type is known, and `_member` refuses to look further."""
    arguments_of(call, 0)
    find = nodes_or_focus(call.source)

    def resolved(context: Context, node: Node) -> list[Node]:
        contained = {
            each[0].get("id"): each for each in children(context.root, "contained") if isinstance(each[0], dict)
        }
        found: list[Node] = []
        for reference, _, _ in find(context, node):
            literal = reference.get("reference") if isinstance(reference, dict) else reference
            if not isinstance(literal, str):
                continue
            if literal.startswith("#"):
                found += [contained[literal[1:]]] if literal[1:] in contained else []
            elif "/" in literal:
                found.append(({}, literal.partition("/_history/")[0].split("/")[-2], None))
        return found

    return resolved


def _listing(change: Callable[[list[Node]], list[Node]]) -> Callable[[Call], Nodes]:
    def compile_(call: Call) -> Nodes:
        arguments_of(call, 0)
        find = nodes_or_focus(call.source)

        def changed(context: Context, node: Node) -> list[Node]:
            found = change(find(context, node))
            context.spend(len(found))
            return found

        return changed

    return compile_


def _distinct(call: Call) -> Nodes:
    arguments_of(call, 0)
    find = nodes_or_focus(call.source)

    def distinct(context: Context, node: Node) -> list[Node]:
        found = find(context, node)
        context.spend(compare.comparisons(found))
        return compare.distinct(found)

    return distinct


def _single(found: list[Node]) -> list[Node]:
    if len(found) > 1:
        raise EvaluationError("several items where single() asks for one")
    return found


def _combining(join: Callable[[list[Node], list[Node]], list[Node]]) -> Callable[[Call], Nodes]:
    def compile_(call: Call) -> Nodes:
        one, other = nodes_or_focus(call.source), nodes(arguments_of(call, 1)[0])

        def joined(context: Context, node: Node) -> list[Node]:
            first, second = one(context, node), other(context, node)
            context.spend(compare.comparisons(first, second))
            return join(first, second)

        return joined

    return compile_


def _cut(cut: Callable[[list[Node], int], list[Node]]) -> Callable[[Call], Nodes]:
    return _combining(lambda found, number: cut(found, max(_whole(number), 0)))


def _whole(found: list[Node]) -> int:
    if len(found) != 1 or not isinstance(found[0][0], int):
        raise EvaluationError("a whole number is needed")
    return found[0][0]


def _converting(type_: str, convert: Callable[[Any], Any]) -> Callable[[Call], Nodes]:
    """A function of one value. `convert` gives None where there is no such value."""

    def compile_(call: Call) -> Nodes:
        arguments_of(call, 0)
        find = nodes_or_focus(call.source)

        def converted(context: Context, node: Node) -> list[Node]:
            found = _single(find(context, node))
            value = convert(found[0][0]) if found and found[0][0] is not None else None
            return [] if value is None else [(value, type_, None)]

        return converted

    return compile_


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value) else None


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(value) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        return None


def _string(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if isinstance(value, dict) else str(getattr(value, "literal", value))


def _of_text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: change(value) if isinstance(value, str) else None


def _edited(low: int, high: int, edit: Callable[..., Any], type_: str = "string") -> Callable[[Call], Nodes]:
    """A function of one string with `low` to `high` arguments; `edit` gives None where there is no such value."""

    def compile_(call: Call) -> Nodes:
        find = nodes_or_focus(call.source)
        arguments = [nodes(each) for each in arguments_of(call, low, high)]

        def edited(context: Context, node: Node) -> list[Node]:
            text = text_of(find(context, node))
            values = [found[0][0] for argument in arguments if (found := argument(context, node))]
            if text is None or len(values) < len(arguments):
                return []
            value = edit(text, *values)
            return [] if value is None else [(value, type_, None)]

        return edited

    return compile_


def _substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + length]


def _replace(text: str, old: str, by: str) -> str:
    if len(text) + (text.count(old) + 1) * len(by) > LONGEST_TEXT:
        raise EvaluationError(f"the text becomes longer than {LONGEST_TEXT} characters")
    return text.replace(old, by)


def _replace_matches(call: Call) -> Nodes:
    pattern = literal_pattern(arguments_of(call, 2)[0])

    def replace(text: str, _: str, by: str) -> str:
        if (len(text) + 1) * (len(by) + 1) > LONGEST_TEXT:
            raise EvaluationError(f"the text becomes longer than {LONGEST_TEXT} characters")
        return pattern.replaced(text, by)

    return _edited(2, 2, replace)(call)


def _constant(make: Callable[[], Node]) -> Callable[[Call], Nodes]:
    def compile_(call: Call) -> Nodes:
        arguments_of(call, 0)
        return lambda _context, _node: [make()]

    return compile_


FUNCTIONS: dict[str, Callable[[Call], Nodes]] = {
    "where": _where,
    "select": _select,
    "repeat": _repeat,
    "iif": _iif,
    "trace": _trace,
    "extension": _extension,
    "resolve": _resolve,
    "first": _listing(lambda found: found[:1]),
    "last": _listing(lambda found: found[-1:]),
    "tail": _listing(lambda found: found[1:]),
    "single": _listing(_single),
    "distinct": _distinct,
    "count": _listing(lambda found: [(len(found), "integer", None)]),
    "children": _listing(lambda found: [child for each in found for child in all_children(each)]),
    "descendants": _listing(lambda found: [child for each in found for child in descendants(each)]),
    "getValue": _listing(lambda found: [(each[0], each[1], None) for each in found if each[0] is not None]),
    "skip": _cut(lambda found, number: found[number:]),
    "take": _cut(lambda found, number: found[:number]),
    "combine": _combining(lambda one, other: one + other),
    "union": _combining(lambda one, other: compare.distinct(one + other)),
    "intersect": _combining(lambda one, other: compare.distinct([n for n in one if compare.contains(other, n)])),
    "exclude": _combining(lambda one, other: [n for n in one if not compare.contains(other, n)]),
    "toInteger": _converting("integer", _integer),
    "toDecimal": _converting("decimal", _decimal),
    "toString": _converting("string", _string),
    "length": _converting("integer", _of_text(len)),
    "upper": _converting("string", _of_text(str.upper)),
    "lower": _converting("string", _of_text(str.lower)),
    "trim": _converting("string", _of_text(str.strip)),
    "abs": _converting("decimal", lambda value: abs(value) if isinstance(value, int | Decimal) else None),
    "indexOf": _edited(1, 1, str.find, "integer"),
    "substring": _edited(1, 2, _substring),
    "replace": _edited(2, 2, _replace),
    "replaceMatches": _replace_matches,
    "today": _constant(compare.today),
    "now": _constant(compare.now),
}
