"""The patients of a Group at the mark: its active members, those of member groups included.

https://hl7.org/fhir/R4/group.html https://hl7.org/fhir/uv/bulkdata/STU2/export.html#group-of-patients
"""

from typing import Any

from fhir_lab.documents import Resource, parse
from fhir_lab.search import snapshot
from fhir_lab.search.values import date_range
from fhir_lab.storage.settled import Snapshot
from fhir_lab.storage.unit import Unit

MOST_GROUPS = 1000


def members(unit: Unit, mark: Snapshot, groups: list[str], patients: list[str]) -> tuple[dict[int, str], list[str]]:
    """(pk -> id of the patients, ids of the groups): those named, and the members of the groups named.

    A member counts unless it is inactive or the mark lies outside its period; one that does not exist is left out.
    """
    found, opened, waiting = set(patients), list[str](), list(groups)
    while waiting and len(opened) < MOST_GROUPS:
        step = [group for group in dict.fromkeys(waiting) if group not in opened]
        opened += step
        waiting = []
        for version in snapshot.versions_of(unit, mark, [("Group", group) for group in step]):
            active = _active(unit, mark, parse(version.content or ""))
            waiting += [member for kind, member in active if kind == "Group"]
            found.update(member for kind, member in active if kind == "Patient")
    living = snapshot.versions_of(unit, mark, [("Patient", patient) for patient in sorted(found)])
    return {version.pk: version.id for version in living}, opened


def _active(unit: Unit, mark: Snapshot, group: Resource) -> list[tuple[str, str]]:
    found = []
    for member in group.get("member", []):
        target = unit.services.locator.local(member.get("entity", {}).get("reference", ""))
        active = not member.get("inactive", False) and _covers(unit, member.get("period", {}), mark.at)
        if active and target is not None and target[0] in ("Patient", "Group"):
            found.append(target)
    return found


def _covers(unit: Unit, period: dict[str, Any], at: int) -> bool:
    zone = unit.services.settings.zone
    start, end = period.get("start"), period.get("end")
    return (start is None or date_range(start, zone)[0] <= at) and (end is None or at < date_range(end, zone)[1])
