"""The tree of a search judged on one document in memory: for subscriptions, and for what is about to be written.

The values come from the extractors that fill the index, so a document matches here exactly when the database finds it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.search.current import current
from fhir_lab.search.extract import EXTRACTORS, LAST_GROUP
from fhir_lab.search.kinds import MALFORMED, date, number, position, quantity, reference, string, text, token, uri
from fhir_lab.search.kinds.composite import CompositeValue
from fhir_lab.search.parse import parse
from fhir_lab.search.registry import SearchParameter
from fhir_lab.search.tree import And, Chain, Condition, Criterion, Has, Missing, Not, Or, Query
from fhir_lab.search.values import Place, date_range
from fhir_lab.search.words import words_of
from fhir_lab.services import Services
from fhir_lab.storage.unit import Unit

if TYPE_CHECKING:
    from fhir_lab.search.terms import Terms

MATCHERS: dict[str, Callable[[Any, Any], bool]] = {
    "token": token.match,
    "string": string.match,
    "date": date.match,
    "number": number.match,
    "quantity": quantity.match,
    "reference": reference.match,
    "uri": uri.match,
    "position": position.match,
    "phonetic": string.match,
}
# A row of the index: its group, and its values in the order of `kinds`.
Row = tuple[int, tuple[Any, ...]]


def matches(where: Unit | Services, resource: Resource, resource_type: str, query: str) -> bool:
    """True when the document satisfies a query such as `status=final&code=718-7`; result parameters don't count.

    Raises `BadRequest` for a query that is not a search of the type, or that needs other documents (chains, `_has`).
    """
    unit = where if isinstance(where, Unit) else None
    services = where.services if isinstance(where, Unit) else where
    pairs, terms = parse_qsl(query, keep_blank_values=True), _terms(services, unit)

    def read() -> list[Query]:
        return [parse(services, resource_type, pairs, terms=terms)]

    (asked,) = read() if unit is None else current(unit, read)
    criteria = asked.criteria
    for criterion in criteria:
        _refuse_links(criterion)
    return resource.get("resourceType") == resource_type and all(
        satisfies(services, resource, criterion) for criterion in criteria
    )


def _terms(services: Services, unit: Unit | None) -> "Terms":
    from fhir_lab.search.terms import Terms  # which needs this module

    return Terms(services, unit)


def satisfies(services: Services, resource: Resource, criterion: Criterion) -> bool:
    """True when the document satisfies one criterion. Raises `BadRequest` for chains and `_has`."""
    if isinstance(criterion, Missing):
        return criterion.missing is not any(indexed(services, resource, criterion.parameter))
    if _recursive(criterion):
        raise _links_refused(criterion)
    if isinstance(criterion, Condition):
        found = any(_has_value(services, resource, criterion, value) for value in criterion.values)
        return found is not (criterion.modifier in token.NEGATIONS)
    if isinstance(criterion, And):
        return all(satisfies(services, resource, part) for part in criterion.criteria)
    if isinstance(criterion, Or):
        return any(satisfies(services, resource, part) for part in criterion.criteria)
    if isinstance(criterion, Not):
        return not satisfies(services, resource, criterion.criterion)
    raise _links_refused(criterion)


def alone(criterion: Criterion) -> bool:
    """True when the document itself tells whether it satisfies the criterion; False for chains and `_has`."""
    try:
        _refuse_links(criterion)
    except BadRequest:
        return False
    return True


def _refuse_links(criterion: Criterion) -> None:
    if isinstance(criterion, And | Or):
        for part in criterion.criteria:
            _refuse_links(part)
    elif isinstance(criterion, Not):
        _refuse_links(criterion.criterion)
    elif isinstance(criterion, Chain | Has) or _recursive(criterion):
        raise _links_refused(criterion)


def _recursive(criterion: Criterion) -> bool:
    """True for `:above` and `:below` of a reference, which ask for a hierarchy of other resources."""
    return (
        isinstance(criterion, Condition)
        and criterion.parameter.kind == "reference"
        and criterion.modifier in reference.RECURSIVE
    )


def _links_refused(criterion: Criterion) -> BadRequest:
    code = f"_has:{criterion.source}" if isinstance(criterion, Has) else ""
    if isinstance(criterion, Chain | Condition):
        code = criterion.parameter.code
    return BadRequest.of(
        f"'{code}' looks at other resources; here only the resource itself can be judged.",
        f"http.{code}",
        code="not-supported",
    )


def _has_value(services: Services, resource: Resource, condition: Condition, value: Any) -> bool:
    parameter = condition.parameter
    if isinstance(value, CompositeValue):
        return _together(services, resource, value)
    if parameter.kind == "fulltext":
        return text.match(value, parameter.code, words_of(resource))
    match = string.match if condition.modifier == "text" else MATCHERS[parameter.kind]
    return any(match(value, row) for _, row in indexed(services, resource, parameter, condition.modifier))


def _together(services: Services, resource: Resource, value: CompositeValue) -> bool:
    """True when the parts hold in one group; a shared part holds in any."""
    groups: list[set[int]] = []
    for part in value.parts:
        match = MATCHERS[part.parameter.kind]
        found = {group for group, row in indexed(services, resource, part.parameter) if match(part.value, row)}
        if not found:
            return False
        if not part.shared:
            groups.append(found)
    return not groups or bool(set.intersection(*groups))


def indexed(services: Services, resource: Resource, parameter: SearchParameter, modifier: str = "") -> Sequence[Row]:
    """What the index would hold of a document for one parameter."""
    settings = services.settings
    if parameter.code == "_id":
        return [(0, ("", resource["id"]))] if "id" in resource else []
    if parameter.code == "_lastUpdated":
        updated = resource.get("meta", {}).get("lastUpdated")
        return [(0, date_range(updated, settings.zone))] if updated else []
    kind = {"text": "text", "of-type": "typed"}.get(modifier, parameter.kind)
    return list(_extracted(services, resource, parameter, kind))


def _extracted(services: Services, resource: Resource, parameter: SearchParameter, kind: str) -> Iterator[Row]:
    place = Place(services.settings.zone, services.settings.fhir_base)
    try:
        for node in services.registry.evaluate(parameter, resource):
            for row in EXTRACTORS[kind](node, place):
                yield min(node.group, LAST_GROUP), tuple(row)
    except MALFORMED:
        return
