"""Index rows of a document: every search parameter of its type, evaluated and turned into narrow rows.

A resource is walked once: the parameters of a type are kept by the property their expression begins with, so that
what a resource does not have costs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from fhir_lab.documents import Resource
from fhir_lab.search.expressions import Node, Reader
from fhir_lab.search.kinds import MALFORMED, date, number, phonetic, position, quantity, reference, string, token, uri
from fhir_lab.search.registry import Registry
from fhir_lab.search.values import Place

Row = tuple[Any, ...]
Extractor = Callable[[Node, Place], Sequence[Row]]

# Answered from the columns of `resource` itself.
OF_THE_RESOURCE = frozenset({"_id", "_lastUpdated"})
# The group is a small integer in the database. Beyond it, composites no longer tell elements apart.
LAST_GROUP = 32_767


@dataclass(slots=True)
class IndexRows:
    """The index rows of one resource by table, each row beginning with (parameter id, group); see `kinds` for the rest.

    A reference row has the target's id, which the writer turns into its pk.
    """

    token: list[Row] = field(default_factory=list)
    string: list[Row] = field(default_factory=list)
    date: list[Row] = field(default_factory=list)
    number: list[Row] = field(default_factory=list)
    quantity: list[Row] = field(default_factory=list)
    reference: list[Row] = field(default_factory=list)
    uri: list[Row] = field(default_factory=list)
    position: list[Row] = field(default_factory=list)


EXTRACTORS: dict[str, Extractor] = {
    "token": token.extract,
    "text": token.texts,  # what `:text` finds of a token, beside the strings
    "typed": token.typed,  # what `:of-type` finds of an identifier, beside the tokens
    "string": string.extract,
    "date": date.extract,
    "number": number.extract,
    "quantity": quantity.extract,
    "reference": reference.extract,
    "uri": uri.extract,
    "position": position.extract,
    "phonetic": phonetic.extract,  # beside the strings as well
}

# One search parameter's share of a property: (parameter id, kind, reader of the value).
Task = tuple[int, str, Reader]


@dataclass(slots=True)
class Plan:
    """What to read of a resource type: by property, and as a whole."""

    by_property: dict[str, list[Task]]
    of_whole: list[Task]


_plans: WeakKeyDictionary[Registry, dict[tuple[str, frozenset[int]], Plan]] = WeakKeyDictionary()


def extract(
    registry: Registry, resource: Resource, *, zone: ZoneInfo, base: str, skip: frozenset[int] = frozenset()
) -> IndexRows:
    """The index rows of a valid resource, each once. `skip` holds the ids of parameters that lab columns answer.

    `zone` reads dates without an offset, `base` is the server's FHIR URL. A malformed value gives no row.
    """
    plan = _plan(registry, resource["resourceType"], skip)
    place = Place(zone, base)
    rows: dict[str, list[Row]] = {kind: [] for kind in EXTRACTORS}
    for task in plan.of_whole:
        _collect(task, resource, place, rows)
    for name, value in resource.items():
        for task in plan.by_property.get(name, ()):
            _collect(task, value, place, rows)
    rows["string"] += rows.pop("text") + rows.pop("phonetic")
    rows["token"] += rows.pop("typed")
    return IndexRows(**{kind: list(dict.fromkeys(found)) for kind, found in rows.items()})


def _collect(task: Task, value: Any, place: Place, rows: Mapping[str, list[Row]]) -> None:
    parameter_id, kind, read = task
    extractor, found = EXTRACTORS[kind], rows[kind]
    try:
        for node in read(value):
            group = min(node.group, LAST_GROUP)
            found += [(parameter_id, group, *row) for row in extractor(node, place)]
    except MALFORMED:
        return


def _plan(registry: Registry, resource_type: str, skip: frozenset[int]) -> Plan:
    plans = _plans.setdefault(registry, {})
    plan = plans.get((resource_type, skip))
    if plan is None:
        plan = plans[resource_type, skip] = _make_plan(registry, resource_type, skip)
    return plan


def _make_plan(registry: Registry, resource_type: str, skip: frozenset[int]) -> Plan:
    plan = Plan({}, [])
    for parameter in registry.indexed(resource_type):
        if parameter.id in skip or parameter.code in OF_THE_RESOURCE or parameter.kind not in EXTRACTORS:
            continue
        expression = registry.compiled(parameter)
        # The texts of a combo- parameter are those of the two parameters it combines.
        kinds = {parameter.kind: parameter.id}
        if parameter.kind == "token" and not parameter.combines:
            kinds["text"] = parameter.id
        if registry.identifies(parameter):
            kinds["typed"] = token.of_type(parameter.id)
        for kind, parameter_id in kinds.items():
            if expression.whole is not None:
                plan.of_whole.append((parameter_id, kind, expression.whole))
            for name, read in expression.branches:
                plan.by_property.setdefault(name, []).append((parameter_id, kind, read))
    return plan
