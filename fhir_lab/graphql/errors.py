"""Errors as GraphQL tells them. https://spec.graphql.org/October2021/#sec-Errors"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLSyntaxError
from graphql.language import Node, get_location


@dataclass
class QueryError(Exception):
    """What is wrong with a query, or with one field of its answer: `path` are names and indexes."""

    message: str
    node: Node | None = None
    path: Sequence[str | int] = ()

    def as_json(self) -> dict[str, Any]:
        """This error as an entry of `errors`."""
        told: dict[str, Any] = {"message": self.message}
        if self.node is not None and self.node.loc is not None:
            place = get_location(self.node.loc.source, self.node.loc.start)
            told["locations"] = [{"line": place.line, "column": place.column}]
        if self.path:
            told["path"] = list(self.path)
        return told


def of_syntax(error: GraphQLSyntaxError) -> dict[str, Any]:
    """A syntax error as an entry of `errors`."""
    places = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    return {"message": error.message, "locations": places}
