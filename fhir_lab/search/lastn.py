"""The newest Observations of each kind: what `Observation/$lastn` answers.

https://hl7.org/fhir/R4/observation-operation-lastn.html

Observations are of one kind when they share a coding of `code`, directly or through others among the matches that have
both; those without any coding when they share its text. "Newest" goes by the effective date, as `_sort=-date` does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, desc, exists, func, literal, or_, select, union_all
from sqlalchemy.sql.selectable import CTE

from fhir_lab.outcomes import Issue
from fhir_lab.search.access import Reaches
from fhir_lab.search.aliases import fresh
from fhir_lab.search.current import current
from fhir_lab.search.include import MOST, included
from fhir_lab.search.parse import Parameters, parse
from fhir_lab.search.plan import Plan
from fhir_lab.search.run import ANEW, sets_of
from fhir_lab.search.terms import Terms
from fhir_lab.storage.repository import Version, fetch
from fhir_lab.storage.tables import idx_string, observation, observation_coding
from fhir_lab.storage.unit import Unit

Kind = tuple[str, str]  # system and code, or no system and a text
_TRUNCATED = Issue("incomplete", f"There are more than {MOST} results; the rest is left out.", severity="warning")


@dataclass(frozen=True, slots=True)
class Newest:
    """The matches, kind by kind and newest first; what they include; and what there is to tell."""

    matches: list[Version]
    included: list[Version]
    outcomes: list[Issue]


def last_n(unit: Unit, criteria: Parameters, most: int, *, lenient: bool = False) -> Newest:
    """The newest `most` Observations of each kind among those that match a search.

    Raises what a search raises.
    """
    reaches = Reaches(unit)
    terms = Terms(unit.services, unit, reaches)
    (query,) = current(unit, lambda: [parse(unit.services, "Observation", criteria, lenient=lenient, terms=terms)])
    matches = _matches(unit, query.type, sets_of(unit, query, reaches))
    rows = unit.connection.execute(_newest(unit, matches, most), execution_options=ANEW).all()
    linked = unit.connection.execute(_linked(unit, matches), execution_options=ANEW).all()
    pks = _by_kind(rows, [((row[0], row[1]), (row[2], row[3])) for row in linked], most)
    outcomes = [*query.issues, *([_TRUNCATED] if len(pks) > MOST else [])]
    found = fetch(unit, pks[:MOST])
    also, issues = included(unit, query.includes, found, reaches) if query.includes else ([], [])
    return Newest(found, also, [*outcomes, *issues])


def _code(unit: Unit) -> int:
    return unit.services.registry.of("Observation")["code"].id


def _matches(unit: Unit, resource_type: str, sets: Sequence[Any]) -> CTE:
    plan = Plan(resource_type, sets)
    return plan.select(plan.row(observation).c.sort_key.label("at")).cte("matches")


def _newest(unit: Unit, matches: CTE, most: int) -> Select[Any]:
    """(pk, at, system, code) of the newest of each coding, and of each text where there is no coding."""
    codings, texts, any_coding = fresh(observation_coding), fresh(idx_string), fresh(observation_coding)
    coded = and_(codings.c.pk == matches.c.pk, codings.c.param == _code(unit))
    has_coding = exists().where(any_coding.c.pk == matches.c.pk, any_coding.c.param == _code(unit))
    worded = and_(texts.c.pk == matches.c.pk, texts.c.param == _code(unit), ~has_coding)
    each = union_all(
        _numbered(matches, codings.c.system, codings.c.code).join_from(matches, codings, coded),
        _numbered(matches, literal(""), texts.c.norm).join_from(matches, texts, worded),
    ).subquery()
    return select(each.c.pk, each.c.at, each.c.system, each.c.code).where(each.c.place <= most)


def _numbered(matches: CTE, system: ColumnElement[str], code: ColumnElement[str]) -> Select[Any]:
    place = func.row_number().over(partition_by=(system, code), order_by=(desc(matches.c.at), desc(matches.c.pk)))
    return select(matches.c.pk, matches.c.at, system.label("system"), code.label("code"), place.label("place"))


def _linked(unit: Unit, matches: CTE) -> Select[Any]:
    """Pairs of codings that one of the matches has both of."""
    one, other = fresh(observation_coding), fresh(observation_coding)
    later = or_(other.c.system > one.c.system, and_(other.c.system == one.c.system, other.c.code > one.c.code))
    return (
        select(one.c.system, one.c.code, other.c.system, other.c.code)
        .join_from(matches, one, and_(one.c.pk == matches.c.pk, one.c.param == _code(unit)))
        .join(other, and_(other.c.pk == one.c.pk, other.c.param == _code(unit), later))
        .distinct()
    )


def _by_kind(rows: Iterable[Any], linked: Iterable[tuple[Kind, Kind]], most: int) -> list[int]:
    """The pks to show, kinds in the order of their newest."""
    parent: dict[Kind, Kind] = {}
    for one, other in linked:
        parent[_root(parent, other)] = _root(parent, one)
    kinds: dict[Kind, dict[int, int]] = {}
    for pk, at, system, code in rows:
        kinds.setdefault(_root(parent, (system, code)), {})[pk] = at
    newest = [sorted(found.items(), key=lambda item: (-item[1], -item[0]))[:most] for found in kinds.values()]
    newest.sort(key=lambda found: (-found[0][1], -found[0][0]))
    return [pk for found in newest for pk, _ in found]


def _root(parent: dict[Kind, Kind], kind: Kind) -> Kind:
    while (above := parent.get(kind, kind)) != kind:
        kind = above
    return kind
