"""$graphql: fields of resources, and of what they refer to, in one query. https://hl7.org/fhir/R4/graphql.html

https://hl7.org/fhir/R4/resource-operation-graphql.html. The answer is GraphQL's own JSON, no FHIR resource.
"""

from typing import Any

from graphql import GraphQLSyntaxError
from graphql.language import DocumentNode, OperationDefinitionNode
from graphql.language import parse as parse_query
from graphql.utilities import value_from_ast_untyped

from fhir_lab.documents import dumps, parse
from fhir_lab.graphql.check import QUERY, check
from fhir_lab.graphql.data import Data
from fhir_lab.graphql.errors import QueryError, of_syntax
from fhir_lab.graphql.execute import Execution
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import ANY, HL7, Operation, Parameter
from fhir_lab.outcomes import BadRequest
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]
JSON = "application/json"
LONGEST = 100_000
MOST_TOKENS = 10_000


def graphql(request: Request) -> Response:
    """200 with `data`, and `errors` for fields that could not be answered; 400 with `errors` for a query that is none.

    The query comes in the URL, as GraphQL's JSON, or as it is (application/graphql). Raises `BadRequest` when there is
    none, and for an instance what a read raises.
    """
    text, name, variables = _asked(request)
    try:
        document = parse_query(text, max_tokens=MOST_TOKENS)
        checked = check(document, name, request.type or QUERY, request.services.registry)
        given = _variables(document, checked.operation, variables)
    except GraphQLSyntaxError as error:
        return _answer(400, {"errors": [of_syntax(error)]})
    except QueryError as error:
        return _answer(400, {"errors": [error.as_json()]})
    with request.reading() as unit:
        return _answer(200, _run(unit, request, Execution(checked, given, Data(unit), request.services.registry)))


def _run(unit: Unit, request: Request, execution: Execution) -> Json:
    resource = Data(unit).resource(request.type, request.id) if request.id else None
    answer: Json = {"data": execution.run(resource)}
    if execution.errors:
        answer["errors"] = [error.as_json() for error in execution.errors]
    return answer


def _answer(status: int, body: Json) -> Response:
    return Response(status, dumps(body), media_type=JSON)


def _asked(request: Request) -> tuple[str, str | None, Json]:
    given: Json = dict(request.parameters)
    body = request.body
    if isinstance(body, dict):
        given |= _of_parameters(body) if body.get("resourceType") == "Parameters" else body
    for each in given:
        if each not in ("query", "operationName", "variables", "extensions"):
            raise BadRequest.of(
                f"$graphql has no parameter '{each[:64]}'; it has query, operationName and variables.",
                f"http.{each[:64]}",
                code="not-supported",
            )
    text, variables = given.get("query"), given.get("variables") or {}
    if not isinstance(text, str) or not text.strip():
        raise BadRequest.of("There is no query.", "http.query", code="required")
    if len(text) > LONGEST:
        raise BadRequest.of(f"The query has more than {LONGEST} characters.", "http.query", code="too-long")
    if isinstance(variables, str):
        variables = parse(variables)
    if not isinstance(variables, dict):
        raise BadRequest.of("variables is not a JSON object.", "http.variables", code="value")
    name = given.get("operationName")
    return text, name if isinstance(name, str) and name else None, variables


def _of_parameters(body: Json) -> Json:
    """https://hl7.org/fhir/R4/resource-operation-graphql.html has `query` as its one parameter."""
    entries = body.get("parameter", [])
    return {
        str(each.get("name")): each.get("valueString")
        for each in (entries if isinstance(entries, list) else [])
        if isinstance(each, dict)
    }


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


OPERATIONS = (
    Operation(
        "graphql",
        graphql,
        "Resource-graphql",
        "Execute a graphql statement",
        "Fields of resources, and of what they refer to, in one query; the answer is GraphQL's own JSON.",
        HL7 + "Resource-graphql",
        system=True,
        on_instance=ANY,
        media_type=JSON,
        parameters=(
            Parameter("query", "string", "The query.", min=1),
            Parameter("operationName", "string", "Which operation of the query, where it has several."),
            Parameter("variables", "string", "A JSON object of variables."),
            Parameter("result", "Binary", "GraphQL's JSON.", 1, "1", "out"),
        ),
    ),
)
