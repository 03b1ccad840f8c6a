"""Where a search looks: at one type, at several, at all of them, or at a compartment; as one query for each type.

https://hl7.org/fhir/R4/http.html#search https://hl7.org/fhir/R4/search.html#all
https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import func, select

from fhir_lab.outcomes import BadRequest, Forbidden, Issue, nearest
from fhir_lab.search.access import Reaches
from fhir_lab.search.columns import ANSWERED, DayColumn
from fhir_lab.search.compartments import belongs, check_member, members
from fhir_lab.search.parse import Parameters, parse
from fhir_lab.search.registry import Registry
from fhir_lab.search.terms import Terms
from fhir_lab.search.tree import Or, Query
from fhir_lab.storage.tables import resource
from fhir_lab.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Where:
    """What is searched: resources of `type` ('' for those of every type), in the compartment of one resource if named.

    The compartment of a resource that does not exist, or that the caller may not read, is as empty as any other search
    for what refers to it.
    """

    type: str = ""
    compartment: str = ""
    id: str = ""

    @property
    def path(self) -> str:
        """The path below the base."""
        return f"{self.compartment}/{self.id}/{self.type or '*'}" if self.compartment else self.type


def queries(
    unit: Unit, where: Where, parameters: Parameters, reaches: Reaches, *, lenient: bool = False
) -> list[Query]:
    """One query for each type that can have matches, at least one; all have the same `used` parameters.

    Without `_type` these are the types that the caller may search and that there are resources of. Raises `BadRequest`
    for parameters that not all of the types know (a lenient search leaves them out), and `Forbidden`.
    """
    registry = unit.services.registry
    if where.compartment:
        check_member(registry, where.compartment, where.type or where.compartment)
    read = partial(parse, unit.services, lenient=lenient, terms=Terms(unit.services, unit, reaches))
    if where.type:
        _check_only(where.type, parameters)
        found = [read(where.type, parameters)]
    else:
        types, kept, issues = _of_types(unit, where, parameters, reaches, lenient)
        found = _alike(read, types, kept, issues)
        _check_sort(found)
    return [_placed(registry, where, query) for query in found]


def _placed(registry: Registry, where: Where, query: Query) -> Query:
    if not where.compartment:
        return query if where.type else replace(query, place="*")
    inside = Or(belongs(registry, where.compartment, where.id, query.type))
    return replace(query, place=where.path, criteria=(*query.criteria, inside))


def _check_only(resource_type: str, parameters: Parameters) -> None:
    for name, text in parameters:
        if name == "_type" and text not in ("", resource_type):
            raise BadRequest.of(f"'{text}' is not {resource_type}, the type that is searched.", "http._type")


def _of_types(
    unit: Unit, where: Where, parameters: Parameters, reaches: Reaches, lenient: bool
) -> tuple[Sequence[str], list[tuple[str, str]], list[Issue]]:
    """The types to search, the parameters that all of them have, and an issue for each other parameter."""
    registry = unit.services.registry
    possible = members(registry, where.compartment) if where.compartment else registry.types
    asked = _asked(registry, where, possible, parameters)
    kept, issues = _shared(registry, asked or possible, parameters, lenient)
    types = asked or _there(unit, [name for name in possible if reaches.anywhere(name, "s")])
    return types, kept, issues


def _alike(
    read: Callable[[str, Parameters], Query], types: Sequence[str], kept: list[tuple[str, str]], issues: list[Issue]
) -> list[Query]:
    """A query for each type, with those of the parameters that have an effect on all of them."""
    found = [read(name, kept) for name in types]
    common = set.intersection(*(set(query.used) for query in found))
    if any(set(query.used) != common for query in found):
        issues += [issue for query in found for issue in query.issues]
        kept = [pair for pair in kept if pair in common or pair[0] == "_page"]
        found = [read(name, kept) for name in types]
    told = tuple(dict.fromkeys((*issues, *(issue for query in found for issue in query.issues))))
    return [replace(query, issues=told) for query in found]


def _asked(registry: Registry, where: Where, possible: Sequence[str], parameters: Parameters) -> list[str]:
    """The types that `_type` names, in the order of their names."""
    named = {name for key, text in parameters if key == "_type" for name in text.split(",") if name}
    for name in sorted(named):
        if name not in registry.types:
            raise BadRequest.of(
                f"'{name[:64]}' is not a resource type of FHIR R4.{nearest(name, registry.types)}",
                "http._type",
                code="value",
            )
        if name not in possible:
            check_member(registry, where.compartment, name)
    return sorted(named)


def _codes(name: str, text: str) -> list[str]:
    """The search parameters that a parameter of the request speaks of."""
    if name == "_sort":
        return [part.removeprefix("-") for part in text.split(",") if part]
    return [name.partition(":")[0].partition(".")[0]]


def _shared(
    registry: Registry, types: Sequence[str], parameters: Parameters, lenient: bool
) -> tuple[list[tuple[str, str]], list[Issue]]:
    """The parameters that each of the types has, and an issue for each other one."""
    known = set.intersection(*(set(registry.of(name)) for name in types))
    kept, issues = [], []
    for name, text in parameters:
        strange = [code for code in _codes(name, text) if not code.startswith("_") and code not in known]
        if not strange or not text:
            kept.append((name, text))
            continue
        code = strange[0]
        of = "every type" if len(types) > 5 else "each of " + ", ".join(types)
        details = (
            f"'{code[:64]}' is not a search parameter of {of}.{nearest(code, known)} "
            f"Such are: {', '.join(sorted(known))}."
            f"{'' if len(types) <= 5 else ' _type names the types to search.'}"
        )
        issues.append(Issue("not-supported", details, (f"http.{name[:64]}",)))
    if issues and not lenient:
        raise BadRequest(issues)
    return kept, [replace(issue, details=f"Ignored: {issue.details}", severity="warning") for issue in issues]


def _there(unit: Unit, types: Sequence[str]) -> list[str]:
    """Those of the types that there are resources of; one of them where there is none. Raises `Forbidden` for none."""
    if not types:
        raise Forbidden.of("Your scopes do not grant 's' on any of the resource types that would be searched.")
    # The distinct values of the first column of an index, each found by a probe.
    kinds = select(func.min(resource.c.type).label("type")).cte("kinds", recursive=True)
    following = select(func.min(resource.c.type)).where(resource.c.type > kinds.c.type).scalar_subquery()
    kinds = kinds.union_all(select(following).where(kinds.c.type.is_not(None)))
    stored = set(unit.connection.execute(select(kinds.c.type)).scalars())
    return [name for name in types if name in stored] or [types[0]]


def _check_sort(found: Sequence[Query]) -> None:
    """Raises `BadRequest` when the values of a sort key are not comparable from type to type."""
    if len(found) < 2:
        return
    for keys in zip(*(query.sort for query in found), strict=True):
        days = any(isinstance(ANSWERED.get((key.parameter.type, key.parameter.code)), DayColumn) for key in keys)
        if days or len({key.parameter.kind for key in keys}) > 1:
            code = keys[0].parameter.code
            raise BadRequest.of(
                f"'{code}' does not sort {', '.join(key.parameter.type for key in keys)} together.", "http._sort"
            )


def named_types(registry: Registry, where: Where, parameters: Parameters) -> Sequence[str]:
    """The types that are searched, whether there are resources of them or not."""
    if where.type:
        return (where.type,)
    named = {name for key, text in parameters if key == "_type" for name in text.split(",")}
    return [name for name in registry.types if name in named] or registry.types
