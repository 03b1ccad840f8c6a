"""From what is asked to what is read: a selection per type, as sets for the database and a judge for older versions.

Access is part of each selection, as it is of every search: the caller's scopes are those of the kick-off.
"""

from collections.abc import Iterable
from functools import partial
from urllib.parse import parse_qsl

from fhir_lab.bulk.asked import Asked
from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.search import compartment
from fhir_lab.search.access import READING, Reaches, permits
from fhir_lab.search.compile import Compiler
from fhir_lab.search.match import satisfies
from fhir_lab.search.parse import parse
from fhir_lab.search.sets import Intersection, Set, union_of
from fhir_lab.search.snapshot import Judge, Selection
from fhir_lab.search.tree import Criterion
from fhir_lab.security.access import Caller
from fhir_lab.services import Services
from fhir_lab.storage.unit import Unit

# What shapes a page of results rather than choosing resources.
RESULT_PARAMETERS = frozenset(
    {
        *("_include", "_revinclude", "_sort", "_count", "_total", "_summary", "_elements", "_contained"),
        *("_containedType", "_format", "_pretty", "_page", "_score", "_query", "__explain"),
    }
)
Part = tuple[Set, Judge]


def readable(caller: Caller, resource_type: str) -> bool:
    """True when the scopes let the caller find and read anything of the type: both, as `system/Patient.rs` does."""
    return not any(caller.access(resource_type, permission).denied for permission in READING)


def criteria_of(services: Services, resource_type: str, query: str) -> tuple[Criterion, ...]:
    """The criteria of one `_typeFilter` query. Raises `BadRequest` when it is not a search that a document alone can
    be judged by: chains, `_has` and result parameters are refused."""
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _ in pairs:
        if name.partition(":")[0] in RESULT_PARAMETERS:
            raise BadRequest.of(
                f"'{name[:64]}' has no place in _typeFilter, which only chooses resources.",
                "http._typeFilter",
                code="not-supported",
            )
    criteria = parse(services, resource_type, pairs).criteria
    if not criteria:
        raise BadRequest.of(f"'{resource_type}?{query[:200]}' has no criterion with a value.", "http._typeFilter")
    for criterion in criteria:
        satisfies(services, {"resourceType": resource_type}, criterion)
    return criteria


class Selections:
    """The selections of one export, made for one statement's unit after another."""

    def __init__(self, unit: Unit, asked: Asked, job_id: str, patients: frozenset[str], groups: Iterable[str]) -> None:
        self._unit = unit
        self._services = unit.services
        self._asked = asked
        self._job_id = job_id
        self._patients = patients if asked.limited else None
        self._groups = frozenset(groups)
        self._reaches = Reaches(unit)

    def of(self, types: tuple[str, ...]) -> Selection:
        """What is exported of these types, which are several only where nothing limits them."""
        parts = [] if len(types) > 1 else self._parts(types[0])
        judges = [judge for _, judge in parts]
        return Selection(
            types,
            tuple(found for found, _ in parts),
            (lambda document: all(judge(document) for judge in judges)) if judges else None,
            self._asked.since,
            self._asked.until,
        )

    def limited(self, resource_type: str) -> bool:
        """True when not everything of the type is exported."""
        return bool(self._parts(resource_type))

    def takes(self, document: Resource) -> bool:
        """True when a resource that others refer to may be exported, and passes the filters of its type."""
        resource_type = document["resourceType"]
        queries = self._asked.filters.get(resource_type)
        filtered = queries is None or self._any(resource_type, queries)[1](document)
        return filtered and all(permits(self._unit, document, permission) for permission in READING)

    def _parts(self, resource_type: str) -> list[Part]:
        parts = [*self._access(resource_type), *self._compartment(resource_type)]
        filters = self._asked.filters.get(resource_type)
        return [*parts, self._any(resource_type, filters)] if filters else parts

    def _access(self, resource_type: str) -> list[Part]:
        parts: list[Part] = []
        for permission in READING:
            allowed = self._reaches.allowed(resource_type, permission)
            if allowed is not None:
                parts.append((allowed, partial(permits, self._unit, permission=permission)))
        return parts

    def _compartment(self, resource_type: str) -> list[Part]:
        if self._asked.level == "system":
            return []
        registry = self._services.registry
        if resource_type == "Group" and self._asked.limited:
            # A group of others that a patient happens to be in is not the patient's.
            return [self._any(resource_type, [f"_id={','.join(sorted(self._groups)) or '-'}"])]
        judge = compartment.judge(self._services, resource_type, self._patients)
        if self._patients is not None:
            return [(compartment.of_job(registry, resource_type, self._job_id), judge)]
        return [] if resource_type == "Patient" else [(compartment.of_all(registry, resource_type), judge)]

    def _any(self, resource_type: str, queries: list[str]) -> Part:
        ways = [criteria_of(self._services, resource_type, query) for query in queries]
        compiler = Compiler(self._unit, self._reaches.readable)
        sets = [Intersection(resource_type, tuple(compiler.sets(resource_type, way))) for way in ways]

        def judge(found: Resource) -> bool:
            return any(all(satisfies(self._services, found, one) for one in way) for way in ways)

        return union_of(sets), judge
