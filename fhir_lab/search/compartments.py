"""What belongs to a compartment: the resources that refer to one Patient, Encounter, Practitioner, RelatedPerson or
Device by the parameters that R4 names for their type.

https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from fhir_lab.outcomes import BadRequest, nearest
from fhir_lab.search.kinds.reference import ReferenceValue
from fhir_lab.search.kinds.token import TokenValue
from fhir_lab.search.registry import Registry
from fhir_lab.search.tree import Condition, Criterion


def members(registry: Registry, compartment: str) -> tuple[str, ...]:
    """The resource types that a compartment may hold, its own among them; empty where R4 defines no compartment."""
    if compartment not in registry.compartments:
        return ()
    return tuple(sorted({compartment, *registry.compartment(compartment)}))


def belongs(registry: Registry, compartment: str, resource_id: str, member: str) -> tuple[Criterion, ...]:
    """The criteria of which a resource of type `member` satisfies one if it is in the compartment; empty: never."""
    return referring(registry, compartment, resource_id, member, registry.compartment(compartment).get(member, ()))


def referring(
    registry: Registry, target: str, resource_id: str, member: str, codes: tuple[str, ...]
) -> tuple[Criterion, ...]:
    """The criteria that `member` refers to a resource by one of these parameters, or is it."""
    value, parameters = ReferenceValue(target, resource_id), registry.of(member)
    criteria: list[Criterion] = [Condition(parameters[code], "", (value,)) for code in codes if code in parameters]
    if member == target:
        criteria.insert(0, Condition(parameters["_id"], "", (TokenValue(None, resource_id),)))
    return tuple(criteria)


def check_member(registry: Registry, compartment: str, member: str) -> None:
    """Raises `BadRequest` when there is no such compartment, or it never holds this type; it names what there is."""
    known = members(registry, compartment)
    if not known:
        raise BadRequest.of(
            f"{compartment} is not a compartment; those of R4 are {', '.join(sorted(registry.compartments))}.",
            code="not-supported",
        )
    if member not in known:
        raise BadRequest.of(
            f"{member} is not in the compartment of a {compartment}.{nearest(member, known)} "
            f"It holds: {', '.join(known)}.",
            code="not-supported",
        )
