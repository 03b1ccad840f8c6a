"""The functions of FHIRPath that answer true or false, each compiled from its call.

http://hl7.org/fhirpath/N1/#existence, https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from collections.abc import Callable

from fhir_lab.fhirpath import compare
from fhir_lab.fhirpath.closures import Truth, existence, nodes, nodes_or_focus, truth
from fhir_lab.fhirpath.grammar import Call, Literal, Tree, UnsupportedError
from fhir_lab.fhirpath.nodes import Context, EvaluationError, Node
from fhir_lab.fhirpath.patterns import Pattern


def arguments_of(call: Call, low: int, high: int | None = None) -> tuple[Tree, ...]:
    """The arguments of a call. Raises `UnsupportedError` when there are fewer than `low` or more than `high`."""
    if not low <= len(call.arguments) <= (low if high is None else high):
        raise UnsupportedError(f"{call.name}() has another number of arguments")
    return call.arguments


def _exists(call: Call) -> Truth:
    arguments = arguments_of(call, 0, 1)
    return existence(Call(call.source, "where", arguments) if arguments else call.source)


def _empty(call: Call) -> Truth:
    arguments_of(call, 0)
    some = existence(call.source)
    return lambda context, node: not some(context, node)


def _not(call: Call) -> Truth:
    arguments_of(call, 0)
    answer = truth(call.source) if call.source else truth(Call(None, "hasValue", ()))

    def negated(context: Context, node: Node) -> bool | None:
        found = answer(context, node)
        return None if found is None else not found

    return negated


def _all(call: Call) -> Truth:
    find, holds = nodes_or_focus(call.source), truth(arguments_of(call, 1)[0])

    def answer(context: Context, node: Node) -> bool:
        for each in find(context, node):
            context.spend(1)
            if not holds(context, each):
                return False
        return True

    return answer


def _each_is(wanted: bool, some: bool) -> Callable[[Call], Truth]:
    def compile_(call: Call) -> Truth:
        arguments_of(call, 0)
        find, test = nodes_or_focus(call.source), any if some else all
        return lambda context, node: test(each[0] is wanted for each in find(context, node))

    return compile_


def _has_value(call: Call) -> Truth:
    arguments_of(call, 0)
    find = nodes_or_focus(call.source)

    def answer(context: Context, node: Node) -> bool:
        found = find(context, node)
        return len(found) == 1 and found[0][0] is not None and not isinstance(found[0][0], dict)

    return answer


def _is_distinct(call: Call) -> Truth:
    arguments_of(call, 0)
    find = nodes_or_focus(call.source)

    def answer(context: Context, node: Node) -> bool:
        found = find(context, node)
        context.spend(compare.comparisons(found))
        return len(found) < 2 or len(compare.distinct(found)) == len(found)

    return answer


def _subset(reverse: bool) -> Callable[[Call], Truth]:
    def compile_(call: Call) -> Truth:
        one, other = nodes_or_focus(call.source), nodes(arguments_of(call, 1)[0])

        def answer(context: Context, node: Node) -> bool:
            parts, whole = one(context, node), other(context, node)
            if reverse:
                parts, whole = whole, parts
            context.spend(compare.comparisons(parts, whole))
            return all(compare.contains(whole, part) for part in parts)

        return answer

    return compile_


def text_of(found: list[Node]) -> str | None:
    """The one string found; None if there is none. Raises `EvaluationError` for several or for other types."""
    if not found or (len(found) == 1 and found[0][0] is None):
        return None
    if len(found) > 1:
        raise EvaluationError("several items where one string is needed")
    if not isinstance(found[0][0], str):
        raise EvaluationError(f"a {found[0][1]} where a string is needed")
    return found[0][0]


def _on_strings(test: Callable[[str, str], bool]) -> Callable[[Call], Truth]:
    def compile_(call: Call) -> Truth:
        find, argument = nodes_or_focus(call.source), nodes(arguments_of(call, 1)[0])

        def answer(context: Context, node: Node) -> bool | None:
            text, other = text_of(find(context, node)), text_of(argument(context, node))
            return None if text is None or other is None else test(text, other)

        return answer

    return compile_


def literal_pattern(tree: Tree) -> Pattern:
    """The regular expression that an argument is.

    Raises `UnsupportedError` for one that is made from the document, which its sender would choose, and for one that
    may take for ever.
    """
    if not isinstance(tree, Literal) or not isinstance(tree.value, str):
        raise UnsupportedError("a regular expression is written as a string")
    return Pattern(tree.value)


def _matches(call: Call) -> Truth:
    find, pattern = nodes_or_focus(call.source), literal_pattern(arguments_of(call, 1)[0])

    def answer(context: Context, node: Node) -> bool | None:
        text = text_of(find(context, node))
        return None if text is None else pattern.found_in(text, counted=context.counted)

    return answer


PREDICATES: dict[str, Callable[[Call], Truth]] = {
    "exists": _exists,
    "empty": _empty,
    "not": _not,
    "all": _all,
    "allTrue": _each_is(wanted=True, some=False),
    "anyTrue": _each_is(wanted=True, some=True),
    "allFalse": _each_is(wanted=False, some=False),
    "anyFalse": _each_is(wanted=False, some=True),
    "hasValue": _has_value,
    "isDistinct": _is_distinct,
    "subsetOf": _subset(reverse=False),
    "supersetOf": _subset(reverse=True),
    "startsWith": _on_strings(str.startswith),
    "endsWith": _on_strings(str.endswith),
    "contains": _on_strings(str.__contains__),
    "matches": _matches,
}
