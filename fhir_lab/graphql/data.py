"""What a query reads: resources by reference and by search, under the caller's access, each once.

https://hl7.org/fhir/R4/graphql.html#search
"""

from collections.abc import Mapping
from typing import Any

from fhir_lab.documents import Resource, parse
from fhir_lab.graphql.errors import QueryError
from fhir_lab.graphql.schema import parameter_name
from fhir_lab.outcomes import FhirError
from fhir_lab.search import run
from fhir_lab.storage import repository
from fhir_lab.storage.unit import Unit

MOST_READS = 2000
MOST_SEARCHES = 200
CURSOR = "_cursor"  # the place of a page, from the link of another
Json = dict[str, Any]


class Data:
    """The resources of one query. Bounded: a query is one request."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._read: dict[tuple[str, str], Resource] = {}
        self._searches = 0

    def resource(self, resource_type: str, resource_id: str) -> Resource:
        """The current version. Raises `NotFound`, `Gone`, `Forbidden`, and `QueryError` when too much is read."""
        key = (resource_type, resource_id)
        if key not in self._read:
            if len(self._read) >= MOST_READS:
                raise QueryError(f"The query reads more than {MOST_READS} resources.")
            found = repository.read(self._unit, resource_type, resource_id)
            assert found.content is not None
            self._read[key] = parse(found.content)
        return self._read[key]

    def referred(self, reference: Mapping[str, Any], owner: Resource) -> Resource | None:
        """What a Reference leads to: a contained resource or one of this server; None for anything else."""
        literal = reference.get("reference", "")
        if literal.startswith("#"):
            contained = owner.get("contained", [])
            return next((each for each in contained if each.get("id") == literal[1:]), None)
        target = self._unit.services.locator.local(literal)
        try:
            return None if target is None else self.resource(*target)
        except FhirError:
            return None

    def search(self, resource_type: str, arguments: Mapping[str, Any], owner: Resource | None) -> run.SearchPage:
        """A page of a search. `_reference` names the parameter by which the matches refer to `owner`.

        Raises `QueryError` for what is not a search, with the words of the search.
        """
        self._searches += 1
        if self._searches > MOST_SEARCHES:
            raise QueryError(f"The query searches more than {MOST_SEARCHES} times.")
        registry = self._unit.services.registry
        pairs: list[tuple[str, str]] = []
        for name, value in arguments.items():
            if name == "_reference":
                continue
            code = "_page" if name == CURSOR else parameter_name(name, registry, resource_type)
            pairs += [(code, _text(each)) for each in (value if isinstance(value, list) else [value])]
        if owner is not None:
            pairs.append(self._to(resource_type, arguments, owner))
        try:
            return run.search(self._unit, resource_type, pairs)
        except FhirError as error:
            raise QueryError("; ".join(issue.details for issue in error.issues)) from None

    def _to(self, resource_type: str, arguments: Mapping[str, Any], owner: Resource) -> tuple[str, str]:
        code = arguments.get("_reference")
        if not isinstance(code, str):
            raise QueryError(
                f"A list inside of a resource needs _reference, the search parameter by which {resource_type} refers "
                f"to {owner['resourceType']}."
            )
        name = parameter_name(code, self._unit.services.registry, resource_type)
        return name, f"{owner['resourceType']}/{owner['id']}"


def documents(page: run.SearchPage) -> list[Resource]:
    """The matches of a page as JSON values."""
    return [parse(version.content) for version in page.matches if version.content is not None]


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
