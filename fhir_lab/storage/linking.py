"""Links among the resources of a transaction and to stored ones: rewritten, resolved, refused when they lead nowhere.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Mapping, Sequence

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest, Issue, Unprocessable
from fhir_lab.storage.coming import Coming, Condition
from fhir_lab.storage.conditions import only, resolve
from fhir_lab.storage.fullurls import FullUrls, rewritten
from fhir_lab.storage.planning import Plan
from fhir_lab.storage.references import Target, path_of, references, rows_of, survivors_of
from fhir_lab.storage.unit import Unit

# What may refer to a merged patient: the links of patients, and what records how it came about.
TELLING_OF_MERGES = ("Patient", "Provenance", "AuditEvent")


def link(unit: Unit, plans: Sequence[Plan]) -> dict[Target, int]:
    """Rewrite fullUrls and conditional references in every plan, and note the local target of each reference.

    Returns the pks of targets outside the plans, which are locked against deletion until the transaction ends.

    Raises `BadRequest` (a urn that no entry has), `PreconditionFailed` (a conditional reference that matches several)
    and `Unprocessable` (no match, or a target that does not exist), each with the FHIRPath of the reference.
    """
    urls = FullUrls(
        (item.entry.full_url, f"{item.type}/{item.id}", item.entry.method == "POST")
        for item in plans
        if item.entry.full_url and item.id
    )
    written = [item for item in plans if item.resource is not None and not item.settled]
    found = {id(item): list(dict.fromkeys(references(item.resource))) for item in written}
    conditional = _conditional(unit, plans, written, found)
    bundled = len(plans) > 1 or any(item.entry.label or item.entry.full_url for item in plans)
    for item in written:
        _link(unit, item, found[id(item)], conditional, urls)
    if bundled:
        _refuse_dangling(written, found, urls)
    return _known(unit, plans, written)


def _link(unit: Unit, item: Plan, found: list[str], conditional: Mapping[str, str], urls: FullUrls) -> None:
    within = item.entry.full_url

    def named(reference: str) -> str | None:
        return conditional.get(reference) or urls.named(reference, within)

    assert item.resource is not None
    if urls or any(reference in conditional for reference in found):
        item.resource = rewritten(item.resource, named, urls, within)
    for reference in found:
        stored = named(reference) or reference
        target = unit.services.locator.local(stored)
        if target is not None:
            item.targets[stored] = target


def _conditional(
    unit: Unit, plans: Sequence[Plan], written: Sequence[Plan], found: dict[int, list[str]]
) -> dict[str, str]:
    """`Practitioner?identifier=...` -> `Practitioner/id`, for every conditional reference.

    They are resolved last: what the transaction writes counts as it will be, not as it was.
    """
    where: dict[str, Plan] = {}
    for item in written:
        for reference in found[id(item)]:
            if "?" in reference and reference.partition("?")[0] in unit.services.registry.types:
                where.setdefault(reference, item)
    if not where:
        return {}
    conditions: dict[str, Condition] = {}
    for reference in where:
        resource_type, _, query = reference.partition("?")
        conditions[reference] = (resource_type, query)
    places = {condition: _where(where[reference], reference) for reference, condition in conditions.items()}
    matches = resolve(unit, places)
    coming = Coming(unit, ((item.id, item.resource) for item in written if item.resource is not None))
    rewritten_here = {item.key for item in plans if not item.settled}
    resolved: dict[str, str] = {}
    for reference, condition in conditions.items():
        path = places[condition]
        stored = [each for each in matches[condition] if (condition[0], each) not in rewritten_here]
        match = only(condition, [*stored, *coming.matching(condition)], path)
        if match is None:
            raise Unprocessable.of(f"Nothing matches the conditional reference '{reference}'.", path, code="not-found")
        resolved[reference] = f"{condition[0]}/{match}"
    return resolved


def _refuse_dangling(written: Sequence[Plan], found: dict[int, list[str]], urls: FullUrls) -> None:
    issues = [
        Issue("not-found", f"No entry of this transaction has the fullUrl '{reference}'.", (_where(item, reference),))
        for item in written
        for reference in found[id(item)]
        if reference.startswith(("urn:uuid:", "urn:oid:")) and urls.named(reference, None) is None
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
