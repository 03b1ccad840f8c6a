"""Answers a checked query from documents. https://spec.graphql.org/October2021/#sec-Execution

FHIR adds lists and connections of what refers to a resource, and `resource` of a Reference.
https://hl7.org/fhir/R4/graphql.html
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)

from fhir_lab.documents import Resource
from fhir_lab.graphql.check import CONNECTION, QUERY, Checked, child
from fhir_lab.graphql.data import Data, documents
from fhir_lab.graphql.errors import QueryError
from fhir_lab.graphql.schema import ANY
from fhir_lab.graphql.shape import arguments_of, filtered, included, placed
from fhir_lab.outcomes import FhirError
from fhir_lab.search.registry import Registry
from fhir_lab.search.run import SearchPage

Json = dict[str, Any]
Path = tuple[str | int, ...]


class Place(NamedTuple):
    """Where the execution is: a value, the type whose fields it has, the resource it is part of, and the path to it."""

    value: Any
    type: str
    owner: Resource | None
    path: Path


class Execution:
    """One query being answered. `errors` are the fields that could not be: they are null in the answer."""

    def __init__(self, checked: Checked, variables: Mapping[str, Any], data: Data, registry: Registry) -> None:
        self._checked = checked
        self._variables = variables
        self._data = data
        self._registry = registry
        self.errors: list[QueryError] = []

    def run(self, resource: Resource | None) -> Json:
        """The `data` of the answer, for the system or for one resource."""
        kind = resource["resourceType"] if resource is not None else QUERY
        return self._object(Place(resource or {}, kind, resource, ()), self._checked.operation.selection_set)

    def _object(self, place: Place, selections: SelectionSetNode) -> Json:
        found: Json = {}
        for node in self._fields(place, selections):
            key = node.alias.value if node.alias else node.name.value
            here = place._replace(path=(*place.path, key))
            try:
                placed(found, key, node, self._field(here, place, node), self._variables)
            except QueryError as error:
                self.errors.append(QueryError(error.message, error.node or node, error.path or here.path))
                found[key] = None
            except FhirError as error:
                self.errors.append(QueryError("; ".join(each.details for each in error.issues), node, here.path))
                found[key] = None
        return found

    def _fields(self, place: Place, selections: SelectionSetNode) -> Iterator[FieldNode]:
        """The fields to answer, those of fragments that fit the type among them."""
        for node in selections.selections:
            if not included(node.directives, self._variables):
                continue
            if isinstance(node, FieldNode):
                yield node
                continue
            fragment: SelectionNode | FragmentDefinitionNode = node
            if isinstance(node, FragmentSpreadNode):
                fragment = self._checked.fragments[node.name.value]
            assert isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode)
            condition = fragment.type_condition.name.value if fragment.type_condition else place.type
            if condition in (place.type, ANY):
                yield from self._fields(place, fragment.selection_set)

    def _field(self, here: Place, place: Place, node: FieldNode) -> Any:
        name = node.name.value
        field = child(place.type, name, self._registry)
        if field is None:
            raise QueryError(f"{place.type} has no field '{name}'.", node)
        arguments = arguments_of(node.arguments, self._variables)
        if name in ("__typename", "resourceType"):
            return place.value.get("resourceType", place.type)
        if place.type == QUERY and field.type == name:
            return self._read(here, node, arguments)
        if field.type.startswith(CONNECTION):
            return self._connection(here, field.type.removeprefix(CONNECTION), node, arguments)
        if field.repeated and name == f"{field.type}List":
            page = self._data.search(field.type, arguments, place.owner)
            return [self._complete(here, n, each, node) for n, each in enumerate(documents(page))]
        if place.type == "Reference" and name == "resource":
            return self._referred(here, place, node, arguments)
        value = place.value.get(name)
        if field.repeated:
            items = filtered(value or [], field, arguments, place.owner)
            return [self._complete(here, n, each, node, field.type) for n, each in enumerate(items)] or None
        if arguments:
            raise QueryError(f"'{name}' is no list, so it takes no arguments.", node)
        return None if value is None else self._value(here._replace(value=value, type=field.type), node)

    def _complete(self, here: Place, index: int, value: Any, node: FieldNode, kind: str = ANY) -> Any:
        place = here._replace(value=value, type=kind, path=(*here.path, index))
        return self._value(place, node)

    def _value(self, place: Place, node: FieldNode) -> Any:
        if node.selection_set is None or place.value is None:
            return place.value
        value, kind = place.value, place.type
        if isinstance(value, dict) and "resourceType" in value:
            place = place._replace(type=value["resourceType"], owner=value)
        elif kind == ANY:
            raise QueryError("This is not a resource.", node)
        return self._object(place, node.selection_set)

    def _read(self, here: Place, node: FieldNode, arguments: Json) -> Any:
        kind = node.name.value
        resource_id = arguments.get("id", arguments.get("_id"))
        if not isinstance(resource_id, str):
            raise QueryError(f'{kind} needs an id, such as {kind}(id: "1"); {kind}List searches.', node)
        return self._value(here._replace(value=self._data.resource(kind, resource_id), type=kind), node)

    def _referred(self, here: Place, place: Place, node: FieldNode, arguments: Json) -> Any:
        found = self._data.referred(place.value, place.owner or {})
        wanted = arguments.get("type")
        if found is not None and wanted is not None and found["resourceType"] != wanted:
            return None
        if found is None:
            if arguments.get("optional") is True or wanted is not None:
                return None
            literal = place.value.get("reference", "A reference without a URL")
            raise QueryError(f"'{literal}' leads to nothing here.", node)
        return self._value(here._replace(value=found, type=ANY), node)

    def _connection(self, here: Place, kind: str, node: FieldNode, arguments: Json) -> Any:
        page = self._data.search(kind, {"_total": "accurate", **arguments}, here.owner)
        edges = [{"mode": "match", "score": None, "resource": each} for each in documents(page)]
        value = {"count": page.total, "offset": None, "pagesize": len(edges), **_cursors(page), "edges": edges}
        return self._value(here._replace(value=value, type=CONNECTION + kind, owner=None), node)


def _cursors(page: SearchPage) -> Json:
    queries = {"first": page.first_query, "previous": page.previous_query, "next": page.next_query, "last": None}
    return {name: None if query is None else dict(parse_qsl(query)).get("_page", "") for name, query in queries.items()}
