"""Merging two Patients: one goes on, the other becomes inactive and points to it, and what referred to it follows.

https://hl7.org/fhir/R4/patient.html#links, https://build.fhir.org/patient-operation-merge.html

Everything is written by one transaction through the one door for writes, so each document gets a version, an audit row
and its notifications.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_lab.clock import instant
from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import BadRequest, Unprocessable
from fhir_lab.security.access import Caller, system
from fhir_lab.storage.fullurls import rewritten
from fhir_lab.storage.planning import locked
from fhir_lab.storage.referrers import referring
from fhir_lab.storage.repository import Version, check_access, fetch
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]
MERGED = {
    "system": "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    "code": "merge",
    "display": "Merge Record Lifecycle Event",
}


@dataclass(frozen=True, slots=True)
class Merged:
    """`result` is the surviving Patient, as stored or as it would be; `moved` counts what followed it, by type."""

    result: Resource
    moved: Counter[str]


def merge(unit: Unit, source: str, target: str, result: Resource | None = None, *, preview: bool = False) -> Merged:
    """Merge the Patient with the id `source` into `target`; `result` is what the target shall be like.

    With `preview` nothing is written. Raises `Unprocessable` (a patient is missing or merged already, or both are the
    same), `BadRequest` (the result lacks something), `Forbidden`, and what a write raises.
    """
    if source == target:
        raise _refused("source-patient", f"Source and target are both Patient/{source}.")
    # Whoever is writing a reference to one of them is waited for, and whoever comes later waits.
    found = locked(unit, [("Patient", source), ("Patient", target)], keeps_key=False)
    leaving, staying = (_document(unit, found, name, role) for name, role in ((source, "source"), (target, "target")))
    survivor = _survivor(leaving, staying, result, source, target)
    moved = referring(unit, found["Patient", source].pk)
    if not preview:
        _write(unit, found, leaving, survivor, moved)
        survivor = parse(fetch(unit, [found["Patient", target].pk])[0].content or "")
    return Merged(survivor, Counter(version.type for version in moved))


def _refused(where: str, text: str) -> Unprocessable:
    return Unprocessable.of(text, f"Parameters.parameter.where(name='{where}')", code="business-rule")


def _document(unit: Unit, found: dict[tuple[str, str], Version], resource_id: str, role: str) -> Resource:
    version = found.get(("Patient", resource_id))
    if version is None or version.content is None:
        raise _refused(f"{role}-patient", f"There is no Patient with the id '{resource_id}'.")
    check_access(unit, "Patient", "u", version.pk)
    document: Resource = parse(version.content)
    if other := survivor_of(document):
        raise _refused(f"{role}-patient", f"Patient/{resource_id} was merged into {other} already.")
    return document


def survivor_of(patient: Resource) -> str:
    """The reference to the Patient that this one was merged into; empty if it was not."""
    for link in patient.get("link", []):
        if link.get("type") == "replaced-by":
            return str(link.get("other", {}).get("reference", ""))
    return ""


def _survivor(leaving: Resource, staying: Resource, result: Resource | None, source: str, target: str) -> Resource:
    """The target after the merge: with the source's identifiers, marked old, and a link to the source."""
    link = {"other": {"reference": f"Patient/{source}"}, "type": "replaces"}
    if result is not None:
        _check_result(result, leaving, target)
        staying = result
    else:
        staying = {**staying, "identifier": _identifiers(staying, leaving)}
    links = [each for each in staying.get("link", []) if each.get("other", {}).get("reference") != f"Patient/{source}"]
    return {name: value for name, value in {**staying, "link": [*links, link]}.items() if value}


def _identifiers(staying: Resource, leaving: Resource) -> list[Json]:
    own = staying.get("identifier", [])
    known = {(each.get("system"), each.get("value")) for each in own}
    others = leaving.get("identifier", [])
    return [*own, *({**each, "use": "old"} for each in others if (each.get("system"), each.get("value")) not in known)]


def _check_result(result: Resource, leaving: Resource, target: str) -> None:
    where = "Parameters.parameter.where(name='result-patient').resource"
    if result.get("id") != target:
        raise BadRequest.of(f"The id of result-patient is '{result.get('id')}'; it must be '{target}'.", f"{where}.id")
    kept = {(each.get("system"), each.get("value")) for each in result.get("identifier", [])}
    for each in leaving.get("identifier", []):
        if (each.get("system"), each.get("value")) not in kept:
            raise BadRequest.of(
                "result-patient lacks an identifier of the source; all of them must be kept.", f"{where}.identifier"
            )


def _write(
    unit: Unit, found: dict[tuple[str, str], Version], leaving: Resource, survivor: Resource, moved: Sequence[Version]
) -> None:
    source, target = leaving["id"], survivor["id"]
    link = {"other": {"reference": f"Patient/{target}"}, "type": "replaced-by"}
    gone = {**leaving, "active": False, "link": [*leaving.get("link", []), link]}
    documents = [survivor, *_following(unit, moved, source, target), gone]
    entries = [
        Entry("PUT", document["resourceType"], id=document["id"], resource=document, label=_label(document))
        for document in {(each["resourceType"], each["id"]): each for each in documents}.values()
    ]
    apply(unit, entries)
    # Not everybody who may merge patients may write Provenance: the server itself is the witness.
    witness = replace(unit, caller=system(unit.caller.request_id))
    note = _provenance(unit, source, target, found["Patient", source].version)
    apply(witness, [Entry("POST", "Provenance", resource=note)])


def _label(document: Resource) -> str:
    return f"{document['resourceType']}/{document['id']}"


def _following(unit: Unit, moved: Sequence[Version], source: str, target: str) -> list[Resource]:
    """The documents that referred to the source, referring to the target; a named version of it stays named."""
    documents = [parse(version.content) for version in moved if version.content is not None]
    follow = _follow(unit, source, target)
    return [
        rewritten(document, follow)
        for document in documents
        if (document["resourceType"], document["id"]) != ("Patient", target)
    ]


def _follow(unit: Unit, source: str, target: str) -> Callable[[str], str | None]:
    def replacement(reference: str) -> str | None:
        if "/_history/" not in reference and unit.services.locator.local(reference) == ("Patient", source):
            return f"Patient/{target}"
        return None

    return replacement


def _provenance(unit: Unit, source: str, target: str, version: int) -> Resource:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"Patient/{target}"}, {"reference": f"Patient/{source}"}],
        "recorded": instant(unit.services.clock.now()),
        "activity": {"coding": [MERGED]},
        "agent": [{"who": _who(unit.caller)}],
        "entity": [{"role": "source", "what": {"reference": f"Patient/{source}/_history/{version}"}}],
    }


def _who(caller: Caller) -> Json:
    return {"identifier": {"value": caller.subject}, "display": caller.subject}
