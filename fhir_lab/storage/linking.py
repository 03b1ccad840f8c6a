"""Links among the resources of a transaction and to stored ones: rewritten, resolved, refused when they lead nowhere.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Sequence

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest, Issue, Unprocessable
from fhir_lab.storage.conditions import Condition, only, resolve
from fhir_lab.storage.planning import Plan
from fhir_lab.storage.references import Target, path_of, references, rewritten, rows_of, survivors_of
from fhir_lab.storage.unit import Unit

# What may refer to a merged patient: the links of patients, and what records how it came about.
TELLING_OF_MERGES = ("Patient", "Provenance", "AuditEvent")


def link(unit: Unit, plans: Sequence[Plan]) -> dict[Target, int]:
    """Rewrite fullUrls and conditional references in every plan, and note the local target of each reference.

    Returns the pks of targets outside the plans, which are locked against deletion until the transaction ends.

    Raises `BadRequest` (a urn that no entry has), `PreconditionFailed` (a conditional reference that matches several)
    and `Unprocessable` (no match, or a target that does not exist), each with the FHIRPath of the reference.
    """
    locator = unit.services.locator
    urls = {item.entry.full_url: f"{item.type}/{item.id}" for item in plans if item.entry.full_url and item.id}
    written = [item for item in plans if item.resource is not None and not item.settled]
    found = {id(item): list(dict.fromkeys(references(item.resource))) for item in written}
    conditional = _conditional(unit, written, found)
    replacements = {**urls, **conditional}
    for item in written:
        assert item.resource is not None
        if urls or any(reference in conditional for reference in found[id(item)]):
            item.resource = rewritten(item.resource, replacements.get, urls)
        for reference in found[id(item)]:
            target = locator.local(replacements.get(reference, reference))
            if target is not None:
                item.targets[replacements.get(reference, reference)] = target
    if len(plans) > 1 or urls:
        _refuse_dangling(written, found, replacements)
    return _known(unit, plans, written)


def _conditional(unit: Unit, written: Sequence[Plan], found: dict[int, list[str]]) -> dict[str, str]:
    """`Practitioner?identifier=...` -> `Practitioner/id`, for every conditional reference."""
    where: dict[str, Plan] = {}
    for item in written:
        for reference in found[id(item)]:
            if "?" in reference and reference.partition("?")[0] in unit.services.registry.types:
                where.setdefault(reference, item)
    conditions: dict[str, Condition] = {}
    for reference in where:
        resource_type, _, query = reference.partition("?")
        conditions[reference] = (resource_type, query)
    places = {condition: _where(where[reference], reference) for reference, condition in conditions.items()}
    matches = resolve(unit, places) if places else {}
    resolved: dict[str, str] = {}
    for reference, condition in conditions.items():
        path = places[condition]
        match = only(condition, matches[condition] or _among(unit, written, condition), path)
        if match is None:
            raise Unprocessable.of(f"Nothing matches the conditional reference '{reference}'.", path, code="not-found")
        resolved[reference] = f"{condition[0]}/{match}"
    return resolved


def _among(unit: Unit, written: Sequence[Plan], condition: Condition) -> list[str]:
    """The same transaction may create what its references look for."""
    from fhir_lab.search.match import matches

    resource_type, query = condition
    return [
        item.id
        for item in written
        if item.type == resource_type
        and item.resource is not None
        and matches(unit.services, item.resource, resource_type, query)
    ][:2]


def _refuse_dangling(written: Sequence[Plan], found: dict[int, list[str]], replacements: dict[str, str]) -> None:
    issues = [
        Issue("not-found", f"No entry of this transaction has the fullUrl '{reference}'.", (_where(item, reference),))
        for item in written
        for reference in found[id(item)]
        if reference.startswith(("urn:uuid:", "urn:oid:")) and reference not in replacements
    ]
    if issues:
        raise BadRequest(issues)


def _known(unit: Unit, plans: Sequence[Plan], written: Sequence[Plan]) -> dict[Target, int]:
    deleted = {item.key for item in plans if item.entry.method == "DELETE"}
    here = {item.key for item in plans if item.resource is not None or item.settled} - deleted
    outside = {target for item in written for target in item.targets.values()} - here
    rows = rows_of(unit, outside)
    _refuse_merged(unit, written, rows)
    missing = {target for target in outside if target in deleted or target not in rows or not rows[target][1]}
    if not missing or not unit.services.settings.referential_integrity:
        return {target: pk for target, (pk, _) in rows.items()}
    issues = [
        Issue("not-found", f"The reference '{reference}' leads to nothing: there is no {_named(target)}.", (path,))
        for item in written
        for reference, target in item.targets.items()
        if target in missing
        for path in [_where(item, reference)]
    ]
    raise Unprocessable(issues)


def _refuse_merged(unit: Unit, written: Sequence[Plan], rows: dict[Target, tuple[int, bool]]) -> None:
    """Nothing new is said of a patient who was merged into another, or the two would come apart again."""
    patients = {pk: target for target, (pk, _) in rows.items() if target[0] == "Patient"}
    if not patients:
        return
    merged = {patients[pk]: survivor for pk, survivor in survivors_of(unit, list(patients)).items()}
    issues = [
        Issue(
            "business-rule",
            f"{_named(target)} was merged into Patient/{merged[target]}; refer to that one.",
            (_where(item, reference),),
        )
        for item in written
        if merged and item.type not in TELLING_OF_MERGES
        for reference, target in item.targets.items()
        if target in merged
    ]
    if issues:
        raise Unprocessable(issues)


def _named(target: Target) -> str:
    return f"{target[0]} with the id '{target[1]}'"


def _where(item: Plan, reference: str) -> str:
    resource: Resource = item.resource or {"resourceType": item.type}
    path = path_of(resource, reference)
    if not item.entry.label:
        return path
    return f"{item.entry.label}.resource" + path[len(item.type) :]
