"""`:above` and `:below` of references: what stands above or below a resource in the hierarchy of its own type.

A Location is part of a Location, an Organization of an Organization, a Specimen has a parent. The way leads through
resources that the caller may read only, and a circle ends it. https://hl7.org/fhir/R4/search.html#recursive
"""

from collections.abc import Sequence

from sqlalchemy import Select, select

from fhir_lab.outcomes import BadRequest
from fhir_lab.search.aliases import fresh
from fhir_lab.search.registry import SearchParameter
from fhir_lab.search.sets import Set, holds
from fhir_lab.storage.tables import idx_reference, resource
from fhir_lab.storage.unit import Unit

MOST = 10_000


def closure(unit: Unit, upward: SearchParameter, how: str, pks: Sequence[int], reach: Set | None) -> list[int]:
    """These resources and all that is `above` or `below` them by references of `upward`, each once.

    Raises `BadRequest` when it is more than the bound.
    """
    rows = fresh(resource)
    found = select(rows.c.pk.label("pk")).where(rows.c.pk.in_(pks)).cte("found", recursive=True)
    links = fresh(idx_reference)
    near, far = (links.c.target_pk, links.c.pk) if how == "below" else (links.c.pk, links.c.target_pk)
    step: Select[tuple[int]] = (
        select(far)
        .join_from(found, links, near == found.c.pk)
        .where(links.c.param == upward.id, links.c.target_type == upward.type, links.c.target_pk.is_not(None))
    )
    if reach is not None:
        step = step.where(holds(reach, far))
    found = found.union(step)
    reached = list(unit.connection.execute(select(found.c.pk).limit(MOST + 1)).scalars())
    if len(reached) > MOST:
        raise BadRequest.of(
            f"More than {MOST} {upward.type} resources are {how} this one; name one further down.",
            f"http.{upward.code}",
            code="too-costly",
        )
    return reached
