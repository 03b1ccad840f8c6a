"""Judges a query against the types of FHIR before anything is read: names of fields and fragments, values, size.

https://spec.graphql.org/October2021/#sec-Validation
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from conformance import elements
from fhir_lab.graphql.errors import QueryError
from fhir_lab.graphql.schema import ANY, Field, fields_of
from fhir_lab.outcomes import nearest
from fhir_lab.search.registry import Registry

QUERY = ""  # the type of the root of a system query
CONNECTION, EDGE = "Connection:", "Edge:"
DIRECTIVES = ("include", "skip", "first", "flatten", "singleton", "slice")
MOST_FIELDS = 2000
DEEPEST = 30
LINKS = ("count", "offset", "pagesize", "first", "previous", "next", "last")


@dataclass(slots=True)
class Checked:
    """A query that makes sense: the operation to run, and the fragments it may use."""

    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]


def check(document: DocumentNode, name: str | None, root: str, registry: Registry) -> Checked:
    """Choose the operation and check it; `root` is the resource type of an instance, QUERY for the system.

    Raises `QueryError`.
    """
    operation = _chosen(document, name)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    if operation.operation is not OperationType.QUERY:
        raise QueryError(f"Only queries are answered; this is a {operation.operation.value}.", operation)
    _Check(registry, fragments).selections(operation.selection_set, root, 0, ())
    return Checked(operation, fragments)


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    named = [each for each in found if name is None or (each.name is not None and each.name.value == name)]
    if len(named) == 1:
        return named[0]
    names = ", ".join(each.name.value for each in found if each.name is not None) or "none with a name"
    raise QueryError(f"operationName must name one of the operations of the query: {names}.")


def child(parent: str, name: str, registry: Registry) -> Field | None:
    """The field `name` of a type, None where it has none; those that read or search among them."""
    if parent.startswith(CONNECTION):
        if name == "edges":
            return Field(name, EDGE + parent.removeprefix(CONNECTION), True, False)
        return Field(name, "string", False, True) if name in LINKS else None
    if parent.startswith(EDGE):
        if name == "resource":
            return Field(name, parent.removeprefix(EDGE), False, False)
        return Field(name, "string", False, True) if name in ("mode", "score") else None
    if name in ("__typename", "resourceType") and parent != QUERY:
        return Field(name, "string", False, True)
    found = fields_of(parent).get(name)
    if found is not None:
        return found
    if parent == "Reference" and name == "resource":
        return Field(name, ANY, False, False)
    return _reading(parent, name, registry)


def _reading(parent: str, name: str, registry: Registry) -> Field | None:
    if parent == QUERY and name in registry.types:
        return Field(name, name, False, False)
    if parent not in (QUERY, ANY) and parent not in registry.types:
        return None
    for suffix, repeated in (("List", True), ("Connection", False)):
        kind = name.removesuffix(suffix)
        if kind != name and kind in registry.types:
            return Field(name, kind if repeated else CONNECTION + kind, repeated, False)
    return None


@dataclass(slots=True)
class _Check:
    registry: Registry
    fragments: Mapping[str, FragmentDefinitionNode]
    count: int = field(default=0)

    def selections(self, node: SelectionSetNode, parent: str, depth: int, inside: tuple[str, ...]) -> None:
        if depth > DEEPEST:
            raise QueryError(f"The query is nested deeper than {DEEPEST} levels.", node)
        for each in node.selections:
            self.count += 1
            if self.count > MOST_FIELDS:
                raise QueryError(f"The query has more than {MOST_FIELDS} fields.", each)
            for directive in each.directives or ():
                if directive.name.value not in DIRECTIVES:
                    known = ", ".join(f"@{name}" for name in DIRECTIVES)
                    raise QueryError(f"There is no directive @{directive.name.value}; known are {known}.", directive)
            if isinstance(each, FieldNode):
                self.field(each, parent, depth, inside)
            elif isinstance(each, InlineFragmentNode):
                condition = each.type_condition.name.value if each.type_condition else parent
                self.fragment(each, condition, parent, depth, inside)
            elif isinstance(each, FragmentSpreadNode):
                self.spread(each, parent, depth, inside)

    def field(self, node: FieldNode, parent: str, depth: int, inside: tuple[str, ...]) -> None:
        name = node.name.value
        found = child(parent, name, self.registry)
        if found is None:
            known = [*fields_of(parent), *(self.registry.types if parent == QUERY else ())]
            where = "The query" if parent == QUERY else parent.replace(":", " of ")
            hint = " Its type is not known here: say '... on Patient { }'." if parent == ANY else nearest(name, known)
            raise QueryError(f"{where} has no field '{name}'.{hint}", node)
        if found.primitive and node.selection_set is not None:
            raise QueryError(f"'{name}' is a {found.type} and has no fields.", node)
        if not found.primitive and node.selection_set is None:
            raise QueryError(f"'{name}' needs a selection of its fields, such as '{name} {{ id }}'.", node)
        if node.selection_set is not None:
            self.selections(node.selection_set, found.type, depth + 1, inside)

    def spread(self, node: FragmentSpreadNode, parent: str, depth: int, inside: tuple[str, ...]) -> None:
        name = node.name.value
        fragment = self.fragments.get(name)
        if fragment is None:
            raise QueryError(f"There is no fragment '{name}'.{nearest(name, self.fragments)}", node)
        if name in inside:
            raise QueryError(f"The fragment '{name}' contains itself.", node)
        self.fragment(fragment, fragment.type_condition.name.value, parent, depth, (*inside, name))

    def fragment(
        self,
        node: InlineFragmentNode | FragmentDefinitionNode,
        condition: str,
        parent: str,
        depth: int,
        inside: tuple[str, ...],
    ) -> None:
        if condition != parent and condition not in elements():
            raise QueryError(f"There is no type '{condition}'.{nearest(condition, elements())}", node)
        wider = parent == ANY and condition in self.registry.types
        same = condition in (parent, ANY) and parent != QUERY
        if not (wider or same or condition == parent):
            raise QueryError(f"A fragment on {condition} never fits a {parent or 'query'}.", node)
        self.selections(node.selection_set, condition if wider else parent, depth + 1, inside)
