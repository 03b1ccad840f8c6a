"""$graphql: fields of resources, and of what they refer to, in one query. https://hl7.org/fhir/R4/graphql.html

https://hl7.org/fhir/R4/resource-operation-graphql.html. The answer is GraphQL's own JSON, no FHIR resource.
"""

from typing import Any

from fhir_lab.documents import dumps, parse
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import ANY, HL7, Operation, Parameter
from fhir_lab.outcomes import BadRequest

Json = dict[str, Any]
JSON = "application/json"
LONGEST = 100_000


def graphql(request: Request) -> Response:
    """200 with `data`, and `errors` for fields that could not be answered; 400 with `errors` for a query that is none.

    The query comes in the URL, as GraphQL's JSON, or as it is (application/graphql). Raises `BadRequest` when there is
    none, and for an instance what a read raises.
    """
    # graphql-core takes 70 ms to load, which most processes never need to spend.
    from fhir_lab.graphql.answer import GraphQLSyntaxError, Query, QueryError, told

    text, name, variables = _asked(request)
    try:
        query = Query(text, name, variables, request.type, request.services.registry)
    except (GraphQLSyntaxError, QueryError) as error:
        return _answer(400, told(error))
    with request.reading() as unit:
        return _answer(200, query.answer(unit, request.type, request.id))


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
