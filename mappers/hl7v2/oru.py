"""ORU^R01 -> one transaction Bundle. Every OBX is stored or held back with a reason; nothing is lost in silence.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-message-oru-r01-to-bundle.html. docs/hl7v2.md tells why it is so.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.documents import Resource
from fhir_lab.ingest.hl7v2.message import Message, Reason, Segment
from fhir_lab.ingest.hl7v2.walk import Group, Structure, walk
from mappers.hl7v2 import msh, obr, obx, orc, pid, pv1, spm
from mappers.hl7v2.context import Context, Subject
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.identity import Key
from mappers.hl7v2.matching import foreign, match, match_patient
from mappers.hl7v2.micro import relate
from mappers.hl7v2.nte import NOTE_EXTENSION, annotations
from mappers.hl7v2.obr import Filed, Panel, joined, panel
from mappers.hl7v2.reconcile import entry, reachable

__all__ = ["Conversion", "Key", "Lookup", "Reason", "convert"]

# The current resources (with id and meta) that have any of these identifiers; a key without one may be left out.
Lookup = Callable[[Collection[Key]], Mapping[Key, Sequence[Resource]]]

_MAPPED = {"PID": pid.MAPPED, "PV1": pv1.MAPPED, "ORC": orc.MAPPED, "OBR": obr.MAPPED, "OBX": obx.MAPPED}
_MAPPED |= {"SPM": spm.MAPPED, "NTE": frozenset((1, 2, 3, 5, 6)), "PD1": frozenset((3, 4)), "TQ1": frozenset((1, 9))}
_MAPPED |= {"NK1": frozenset((1, 2, 3, 4, 5, 6, 13, 40)), "PRT": frozenset((1, 2, 5, 10))}


@dataclass(slots=True)
class Conversion:
    """What became of a message.

    `bundle` is the transaction to apply, empty when nothing changes; `places` gives the segment that an entry was made
    from. `obx_in` is always `obx_stored + obx_quarantined`; a result that is stored already, or that something newer
    is stored for, counts as stored. `reasons` say what is held back; `warnings` what was put right or left out;
    `unmapped` which segments and fields are kept in the journal only. `unchanged` lists stored resources of the message
    that stay as they are, as `{reference, version}`.
    """

    bundle: Resource
    obx_in: int = 0
    obx_stored: int = 0
    obx_quarantined: int = 0
    reasons: list[Reason] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    patient_identifier: str | None = None
    order_number: str | None = None
    unchanged: list[dict[str, Any]] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """One patient group, mapped. `loose` are results that belong to no order."""

    group: Group
    subject: Subject | None = None
    panels: list[Panel] = field(default_factory=list)
    loose: list[Filed] = field(default_factory=list)
    held: int = 0


def convert(
    message: Message,
    *,
    zone: ZoneInfo,
    current: Lookup,
    received: datetime | None = None,
    namespaces: Mapping[str, str] | None = None,
) -> Conversion:
    """Map a message to FHIR R4; bad content becomes reasons and warnings, never an exception.

    `zone` is that of the sender: times without an offset are read in it. `current` is asked once for everything that
    may be stored. `received` (aware) stands in for a missing MSH-7. `namespaces` gives the identifier system of local
    authority names (HD.1). Equal messages against equal stored resources give equal Bundles.
    """
    conversion = Conversion({"resourceType": "Bundle", "type": "transaction", "entry": []})
    conversion.obx_in = sum(segment.name == "OBX" for segment in message.segments)
    _describe(message, conversion)
    context = msh.context_of(message, zone, received, namespaces or {})
    refused = msh.refused(message) or (msh.no_sender() if context is None else None)
    if refused is not None or context is None:
        conversion.reasons.extend(filter(None, [refused]))
        conversion.obx_quarantined = conversion.obx_in
        return conversion
    structure = walk(message)
    cases = [_case(group, message, context, conversion.reasons) for group in structure.groups]
    _check_something(structure, conversion)
    _reconcile(cases, message, context, current, conversion)
    _list_unmapped(message, structure, cases, context)
    conversion.warnings, conversion.unmapped = context.warnings, context.unmapped
    _count(cases, conversion)
    return conversion


def _describe(message: Message, conversion: Conversion) -> None:
    """The patient and order number that people look for in the journal, whatever becomes of the message."""
    for segment in message.segments:
        if segment.name == "PID" and conversion.patient_identifier is None:
            numbers = (segment[place][1] for place in (3, 2, 4))
            conversion.patient_identifier = next((number for number in numbers if number), None)
        elif segment.name in ("ORC", "OBR") and conversion.order_number is None:
            conversion.order_number = segment[3][1] or segment[2][1] or None


def _case(group: Group, message: Message, context: Context, reasons: list[Reason]) -> _Case:
    case = _Case(group)
    found = pid.patient(group, context)
    if isinstance(found, Reason):
        reasons.append(found)
        case.held = sum(1 for _ in group.every_result())
        return case
    patient = context.shared(found)
    visit = pv1.encounter(group.pv1, patient, context) if group.pv1 is not None else None
    case.subject = Subject(patient, context.shared(visit) if visit else None)
    fallback = message.control_id or message.content_hash
    case.panels = [panel(order, case.subject, context, fallback) for order in group.orders]
    for one in case.panels:
        reasons.extend(one.reasons)
        case.held += one.held
    _loose(case, context, reasons)
    relate(case.panels, context)
    _patient_notes(case, context)
    return case


def _loose(case: _Case, context: Context, reasons: list[Reason]) -> None:
    """Results before any order are the patient's, and known by when they were measured."""
    if case.subject is None:
        return
    scopes: dict[str, obx.Scope] = {}
    owner = case.subject.patient.keys[0]
    for result, more in joined(case.group.results):
        drawn = result.obx.code(14) or result.obx.code(19) or context.sent
        if drawn not in scopes:
            parts = context.distinct((context.sender.name, f"patient {owner.value}@{owner.system}", drawn))
            scopes[drawn] = obx.Scope(parts, case.subject)
        made = obx.observation(result, more, scopes[drawn], context)
        if isinstance(made, Reason):
            reasons.append(made)
            case.held += 1 + len(more)
        else:
            case.loose.append(Filed(result, made, 1 + len(more)))


def _patient_notes(case: _Case, context: Context) -> None:
    """Notes about the patient stand on the first report; FHIR has no better place."""
    notes = annotations(case.group.notes, context)
    report = next((one.report for one in case.panels if one.report is not None), None)
    if notes and report is not None:
        written = [{"url": NOTE_EXTENSION, "valueAnnotation": note} for note in notes]
        report.resource["extension"] = [*written, *report.resource.get("extension", [])]
    elif notes:
        context.unmapped.extend(note.position for note in case.group.notes)


def _check_something(structure: Structure, conversion: Conversion) -> None:
    if any(group.orders or group.results for group in structure.groups):
        return
    conversion.reasons.append(
        Reason(
            "results-missing",
            "",
            "",
            "no OBR and no OBX",
            "at least one order (OBR) or result (OBX)",
            "The message holds no result; look whether it was cut off, and ask the sender to send it again.",
        )
    )


def _reconcile(cases: list[_Case], message: Message, context: Context, current: Lookup, conversion: Conversion) -> None:
    """Ask for what is stored, hold back what contradicts it, and write entries for what is new or changed."""
    roots = list(_roots(cases))
    if not roots:
        return
    source = msh.provenance(message, context)
    everything = reachable([*roots, *source.others])
    stored = current([key for draft in everything for key in draft.keys])
    for draft in everything:
        if draft.type != "Patient":
            match(draft, stored)
    ambiguous: dict[int, Reason | None] = {}
    for case in cases:
        if case.subject is not None:
            patient = case.subject.patient
            if id(patient) not in ambiguous:
                ambiguous[id(patient)] = match_patient(patient, stored)
            _hold_back(case, ambiguous[id(patient)], conversion)
    wanted = reachable(_roots(cases))
    for draft in [*wanted, *source.others]:
        draft.settle()
    changed = [draft for draft in wanted if _write(draft, context, conversion)]
    said = [draft for draft in changed if draft.type in ("Observation", "DiagnosticReport")]
    if said:
        for other in source.others:
            if other not in wanted:
                _write(other, context, conversion)
        source.resource["target"] = [source.link(draft) for draft in said]
        conversion.bundle["entry"].append(msh.entry_of(source))


def _roots(cases: list[_Case]) -> Iterator[Draft]:
    for case in cases:
        if case.subject is not None and (case.panels or case.loose):
            yield case.subject.patient
            for one in case.panels:
                yield from one.drafts()
            for filed in case.loose:
                yield filed.draft


def _hold_back(case: _Case, ambiguous: Reason | None, conversion: Conversion) -> None:
    """Take out of a case what must not be stored under its patient."""
    if case.subject is None:
        return
    patient, visit = case.subject.patient, case.subject.encounter
    if ambiguous is not None:
        if ambiguous not in conversion.reasons:
            conversion.reasons.append(ambiguous)
        case.held = sum(1 for _ in case.group.every_result())
        case.subject, case.panels, case.loose = None, [], []
        return
    if visit is not None and foreign([visit], patient):
        visit.detach()
    kept = []
    for one in case.panels:
        wrong = foreign(one.drafts(), patient)
        if wrong is None:
            kept.append(one)
            continue
        conversion.reasons.append(wrong)
        case.held += sum(filed.count for filed in one.results)
        # Not the specimens: another order of the message may have the same one.
        for draft in filter(None, (one.request, one.report, *(filed.draft for filed in one.results))):
            draft.detach()
    case.panels = kept


def _write(draft: Draft, context: Context, conversion: Conversion) -> bool:
    made = entry(draft, context)
    if made is None:
        if draft.stored is not None:
            version = int(draft.stored.get("meta", {}).get("versionId", 1))
            conversion.unchanged.append({"reference": f"{draft.type}/{draft.stored['id']}", "version": version})
        return False
    if draft.position:
        conversion.places[len(conversion.bundle["entry"])] = draft.position
    conversion.bundle["entry"].append(made)
    return True


def _list_unmapped(message: Message, structure: Structure, cases: list[_Case], context: Context) -> None:
    for segment in structure.unmapped:
        context.unmapped.append(segment.position)
        if segment.name == "DSC" and segment.valued(1):
            context.warn(f"{segment.position}: this message goes on in another one; each part is stored by itself.")
    for case in cases:
        visit = case.group.pv1
        if visit is not None and (case.subject is None or case.subject.encounter is None):
            context.unmapped.append(visit.position)
    fields = dict.fromkeys(name for segment in message.segments for name in _unmapped_fields(segment))
    context.unmapped.extend(fields)


def _unmapped_fields(segment: Segment) -> Iterator[str]:
    mapped = _MAPPED.get(segment.name)
    if mapped is not None:
        for number, raw in enumerate(segment.fields):
            if raw and number and number not in mapped and raw != '""':
                yield f"{segment.name}-{number}"


def _count(cases: list[_Case], conversion: Conversion) -> None:
    filed = [found for case in cases for one in case.panels for found in one.results]
    filed += [found for case in cases for found in case.loose]
    conversion.obx_stored = sum(found.count for found in filed)
    conversion.obx_quarantined = sum(case.held for case in cases)
    if conversion.obx_in != conversion.obx_stored + conversion.obx_quarantined:
        raise AssertionError("every OBX must be stored or held back")
