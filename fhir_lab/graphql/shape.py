"""Arguments and directives: which items of a list are asked for, and how they stand in the answer.

https://hl7.org/fhir/R4/graphql.html: @first, @singleton, @flatten and @slice are FHIR's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from graphql.language import ArgumentNode, DirectiveNode, FieldNode
from graphql.pyutils import Undefined
from graphql.utilities import value_from_ast_untyped

from fhir_lab.documents import Resource
from fhir_lab.fhirpath import Condition, Context, EvaluationError, UnsupportedError, condition
from fhir_lab.fhirpath.nodes import STEPS, resource_node
from fhir_lab.graphql.errors import QueryError
from fhir_lab.graphql.schema import Field, fields_of
from fhir_lab.outcomes import nearest

Json = dict[str, Any]
LIST_ARGUMENTS = ("fhirpath", "_offset", "_count")
LONGEST_PATH = 500


def arguments_of(nodes: Iterable[ArgumentNode] | None, variables: Mapping[str, Any]) -> Json:
    """The values of arguments by name; one that is a variable without a value is left out."""
    found = {node.name.value: value_from_ast_untyped(node.value, dict(variables)) for node in nodes or ()}
    return {name: value for name, value in found.items() if value is not Undefined and value is not None}


def included(directives: Iterable[DirectiveNode] | None, variables: Mapping[str, Any]) -> bool:
    """False where @skip or @include leaves something out. Raises `QueryError` for one without a condition."""
    for directive in directives or ():
        name = directive.name.value
        if name in ("skip", "include"):
            value = arguments_of(directive.arguments, variables).get("if")
            if not isinstance(value, bool):
                raise QueryError(f"@{name} needs a condition, such as @{name}(if: true).", directive)
            if value is (name == "skip"):
                return False
    return True


def filtered(items: Sequence[Any], field: Field, arguments: Mapping[str, Any], owner: Resource | None) -> list[Any]:
    """The items of a list that the arguments ask for: equal values of their fields, or a FHIRPath condition.

    Raises `QueryError` for an argument that the items do not have.
    """
    known = fields_of(field.type)
    found = [each for each in items if each is not None]
    for name, value in arguments.items():
        if name in LIST_ARGUMENTS:
            continue
        if name not in known:
            raise QueryError(f"'{field.name}' has no argument '{name}'.{nearest(name, [*known, *LIST_ARGUMENTS])}")
        found = [each for each in found if isinstance(each, dict) and _same(each.get(name), value)]
    if "fhirpath" in arguments:
        found = _where(found, field.type, str(arguments["fhirpath"]), owner)
    start = _number(arguments, "_offset") or 0
    count = _number(arguments, "_count")
    return found[start:] if count is None else found[start : start + count]


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return found is not None and str(found) == str(wanted)


def _number(arguments: Mapping[str, Any], name: str) -> int | None:
    value = arguments.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise QueryError(f"{name} is a whole number from 0.")
    return value


def _where(items: Sequence[Any], kind: str, text: str, owner: Resource | None) -> list[Any]:
    if len(text) > LONGEST_PATH:
        raise QueryError(f"A FHIRPath may have {LONGEST_PATH} characters.")
    try:
        compiled = _condition(text, kind)
        context = Context(resource_node(owner or {}), steps=STEPS)
        return [each for each in items if compiled.holds((each, kind, None), context) is True]
    except (UnsupportedError, EvaluationError) as error:
        raise QueryError(f"The FHIRPath cannot be evaluated: {error}.") from None


@lru_cache(maxsize=256)
def _condition(text: str, kind: str) -> Condition:
    return condition(text, kind, counted=True)


def placed(parent: Json, key: str, node: FieldNode, value: Any, variables: Mapping[str, Any]) -> None:
    """Put the value of a field into the object it belongs to, shaped by the directives of the field.

    A field without a value is left out, as FHIR leaves out what is not there.
    """
    directives = {each.name.value: arguments_of(each.arguments, variables) for each in node.directives or ()}
    if "first" in directives and isinstance(value, list):
        value = value[:1]
    if value is None:
        return
    if "slice" in directives:
        _sliced(parent, key, directives, value)
    elif "flatten" in directives:
        _flattened(parent, node, value if isinstance(value, list) else [value])
    else:
        parent[key] = _single(key, value) if "singleton" in directives else value


def _single(key: str, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if len(value) > 1:
        raise QueryError(f"'{key}' is marked @singleton but has {len(value)} values.")
    return value[0] if value else None


def _sliced(parent: Json, key: str, directives: Mapping[str, Json], value: Any) -> None:
    """Each item under a name of its own: the key, and what is found at the path inside of it, or its index."""
    path = directives["slice"].get("path")
    if not isinstance(path, str):
        raise QueryError('@slice needs a path, such as @slice(path: "use").')
    groups: dict[str, list[Any]] = {}
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        label = index if path == "$index" else item.get(path, "") if isinstance(item, dict) else ""
        groups.setdefault(f"{key}.{label}" if label != "" else key, []).append(item)
    for name, items in groups.items():
        parent[name] = _single(name, items) if "singleton" in directives else items


def _flattened(parent: Json, node: FieldNode, items: Sequence[Any]) -> None:
    """The fields of the items instead of the items, each a list unless it is marked @singleton."""
    singletons = set()
    if node.selection_set is not None:
        for each in node.selection_set.selections:
            if isinstance(each, FieldNode) and any(d.name.value == "singleton" for d in each.directives or ()):
                singletons.add(each.alias.value if each.alias else each.name.value)
    for item in items:
        for name, value in item.items() if isinstance(item, dict) else ():
            if name in singletons:
                if name in parent:
                    raise QueryError(f"'{name}' is marked @singleton but has several values.")
                parent[name] = value
            else:
                parent.setdefault(name, []).extend(value if isinstance(value, list) else [value])
