"""A query from its text to its answer. https://spec.graphql.org/October2021/#sec-Response"""

from typing import Any

from graphql import GraphQLSyntaxError
from graphql.language import DocumentNode, OperationDefinitionNode, parse
from graphql.utilities import value_from_ast_untyped

from fhir_lab.graphql.check import QUERY, Checked, check
from fhir_lab.graphql.data import Data
from fhir_lab.graphql.errors import QueryError, of_syntax
from fhir_lab.graphql.execute import Execution
from fhir_lab.search.registry import Registry
from fhir_lab.storage.unit import Unit

__all__ = ["GraphQLSyntaxError", "Query", "QueryError", "told"]

Json = dict[str, Any]
MOST_TOKENS = 10_000


class Query:
    """A query that makes sense, for the system or for resources of one type."""

    def __init__(self, text: str, name: str | None, variables: Json, resource_type: str, registry: Registry) -> None:
        """Raises `QueryError`, and graphql-core's `GraphQLSyntaxError`."""
        document = parse(text, max_tokens=MOST_TOKENS)
        self._registry = registry
        self._checked: Checked = check(document, name, resource_type or QUERY, registry)
        self._variables = _variables(document, self._checked.operation, variables)

    def answer(self, unit: Unit, resource_type: str, resource_id: str) -> Json:
        """`data`, and `errors` for fields that could not be answered. Raises what reading the resource raises."""
        data = Data(unit)
        resource = data.resource(resource_type, resource_id) if resource_id else None
        execution = Execution(self._checked, self._variables, data, self._registry)
        answer: Json = {"data": execution.run(resource)}
        if execution.errors:
            answer["errors"] = [error.as_json() for error in execution.errors]
        return answer


def told(error: QueryError | GraphQLSyntaxError) -> Json:
    """The answer to a query that is none."""
    return {"errors": [of_syntax(error) if isinstance(error, GraphQLSyntaxError) else error.as_json()]}


def _variables(document: DocumentNode, operation: OperationDefinitionNode, given: Json) -> Json:
    """The variables that the operation declares. Raises `QueryError` for one that is needed and not given."""
    found: Json = {}
    for each in operation.variable_definitions or ():
        name = each.variable.name.value
        if name in given:
            found[name] = given[name]
        elif each.default_value is not None:
            found[name] = value_from_ast_untyped(each.default_value)
        elif each.type.kind == "non_null_type":
            raise QueryError(f"The variable ${name} needs a value.", each)
    return found
