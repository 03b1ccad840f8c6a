"""OBR -> DiagnosticReport, with everything that belongs to one order: request, specimens and results.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-obr-to-diagnosticreport.html
"""

from dataclasses import dataclass, field, replace
from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite, Reason, Segment
from fhir_lab.ingest.hl7v2.walk import Order, Result
from mappers.hl7v2.attachments import ATTACHMENT_EXTENSION, PDF, continues
from mappers.hl7v2.context import Context, Subject, absent
from mappers.hl7v2.datatypes import compact, concept, table_concept
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import organization, practitioner
from mappers.hl7v2.identity import REPORT, Key, key
from mappers.hl7v2.nte import NOTE_EXTENSION, annotations
from mappers.hl7v2.obx import ASKED_AT_ORDER_ENTRY, Scope, observation
from mappers.hl7v2.orc import Numbers, numbers, service_request
from mappers.hl7v2.spm import order_specimen, span, specimen
from mappers.hl7v2.tables import REPORT_STATUS, SECTION, TERMINOLOGY

Element = dict[str, Any]
MAPPED = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 22, 24, 25, 26, 27, 29, 31, 32, 39))
_LABORATORY: Element = {"coding": [{"system": f"{TERMINOLOGY}v2-0074", "code": "LAB", "display": "Laboratory"}]}
_REFUSED_STATUS = {"Y": "no order on record for this test", "Z": "no record of this patient"}
# OBX statuses that a report without a status of its own gets, the first that occurs.
_DERIVED = ("corrected", "amended", "final", "cancelled", "entered-in-error")
_UNFINISHED = ("registered", "preliminary")


@dataclass(slots=True)
class Filed:
    """A result and its Observation; `count` is the number of OBX it was made from."""

    result: Result
    draft: Draft
    count: int = 1


@dataclass(slots=True)
class Panel:
    """One order, mapped.

    `specimens` are those of `order.samples`, in the same order (or the one that OBR describes); `results` are its
    Observations; `held` counts the OBX that `reasons` hold back.
    """

    order: Order
    known: Numbers
    report: Draft | None = None
    request: Draft | None = None
    specimens: list[Draft] = field(default_factory=list)
    results: list[Filed] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    held: int = 0

    def distinct_specimens(self) -> list[Draft]:
        """The specimens, each once."""
        return list({id(draft): draft for draft in self.specimens}.values())

    def drafts(self) -> list[Draft]:
        """Everything of this order that is stored under its own identity."""
        own = [draft for draft in (self.request, self.report) if draft is not None]
        return [*own, *self.distinct_specimens(), *(filed.draft for filed in self.results)]


def panel(order: Order, subject: Subject, context: Context, fallback: str) -> Panel:
    """Map one order. `fallback` tells orders without any number apart."""
    known = numbers(order, subject.patient.keys[0], context, fallback)
    known = replace(known, parts=context.distinct(known.parts))
    panel = Panel(order, known)
    obr = order.obr
    if obr is not None and (refused := _refused(obr)) is not None:
        panel.reasons.append(refused)
        panel.held = sum(1 for _ in order.every_result())
        return panel
    status = REPORT_STATUS.get(obr.code(25).upper(), "") if obr else ""
    panel.request = service_request(order, known, status, subject, context)
    _specimens(panel, subject, context)
    _results(panel, subject, status, context)
    if obr is not None and (panel.results or not panel.held):
        panel.report = _report(panel, obr, status, subject, context)
    return panel


def _specimens(panel: Panel, subject: Subject, context: Context) -> None:
    order, parts = panel.order, panel.known.parts
    found = [specimen(sample, order, parts, subject.patient, context) for sample in order.samples]
    if order.obr is not None and not found and (made := order_specimen(order.obr, parts, subject.patient, context)):
        found = [made]
    panel.specimens = [context.shared(draft) for draft in found]
    if panel.request:
        for known in panel.distinct_specimens():
            known.resource.setdefault("request", []).append(known.link(panel.request))


def _refused(obr: Segment) -> Reason | None:
    if obr.cut:
        return Reason(
            "truncated",
            obr.position,
            "",
            obr.raw[-40:],
            "a whole segment",
            "The message ends in the middle of this order; ask the sender to send it again.",
        )
    if obr.code(11).upper() == "Q":
        return Reason(
            "quality-control",
            obr.position,
            "OBR-11",
            "Q",
            "results of patients",
            "This is a quality control run; such runs are not stored yet, and never under a patient. Nothing to do.",
        )
    written = obr.code(25).upper()
    if written in _REFUSED_STATUS:
        return Reason(
            "report-status",
            obr.position,
            "OBR-25",
            f"{written} ({_REFUSED_STATUS[written]})",
            "O, I, S, A, P, R, F, C, M, N or X (table 0123)",
            "The sender says that it does not know this order or patient; clear it up with the sender.",
        )
    return None


def _results(panel: Panel, subject: Subject, status: str, context: Context) -> None:
    order, obr = panel.order, panel.order.obr
    issued = context.time(obr, 22) if obr else None
    effective = _effective(order, context)
    scope = Scope(panel.known.parts, subject, panel.request, panel.distinct_specimens(), effective, issued, status)
    if "_effectiveDateTime" in effective:
        scope.effective = {}
    _file(panel, order.results, scope, context)
    for sample, found in zip(order.samples, panel.specimens, strict=False):
        if sample.results:
            about = replace(scope, parts=(*scope.parts, f"specimen~{found.keys[0].value}"), specimens=[found], seen={})
            for filed in _file(panel, sample.results, about, context):
                filed.draft.resource["focus"] = [filed.draft.link(found)]


def _file(panel: Panel, results: list[Result], scope: Scope, context: Context) -> list[Filed]:
    """Map results into the panel; pieces of a document that was split over several OBX become one."""
    filed: list[Filed] = []
    for result, more in joined(results):
        made = observation(result, more, scope, context)
        if isinstance(made, Reason):
            panel.reasons.append(made)
            panel.held += 1 + len(more)
        else:
            filed.append(Filed(result, made, 1 + len(more)))
    panel.results.extend(filed)
    return filed


def joined(results: list[Result]) -> list[tuple[Result, list[str]]]:
    """Each result with the pieces of base64 that followed it in OBX of their own."""
    found: list[tuple[Result, list[str]]] = []
    for result in results:
        obx = result.obx
        if obx.code(2).upper() == "ED" and found and not obx.cut and continues(obx[5]):
            before = found[-1][0].obx
            if before.code(2).upper() == "ED" and before.raw_field(3) == obx.raw_field(3):
                found[-1][1].append(obx[5][1])
                found[-1][0].notes.extend(result.notes)
                continue
        found.append((result, []))
    return found


def _effective(order: Order, context: Context) -> Element:
    """OBR-7 with OBR-8, else the collection of the first specimen (SPM-17)."""
    obr = order.obr
    if obr is not None and obr.valued(7):
        return span("effective", context.time(obr, 7), context.time(obr, 8)) or {"_effectiveDateTime": absent()}
    for sample in order.samples:
        if drawn := context.time(sample.spm, 17):
            return {"effectiveDateTime": drawn.text}
    return {}


def _report(panel: Panel, obr: Segment, status: str, subject: Subject, context: Context) -> Draft:
    known = panel.known
    own = Key("DiagnosticReport", REPORT, key(*known.parts))
    draft = Draft("DiagnosticReport", [own], "replace", {"resourceType": "DiagnosticReport"}, obr.position)
    resource = draft.resource
    numbered = [found for found in (known.filler, known.placer, known.group) if found]
    resource["identifier"] = [*numbered, {"system": REPORT, "value": own.value}]
    if panel.request:
        resource["basedOn"] = [draft.link(panel.request)]
    resource["status"] = _status(panel, obr, status, context)
    resource["category"] = _categories(obr)
    _code(resource, obr, context)
    resource["subject"] = draft.link(subject.patient)
    if subject.encounter:
        resource["encounter"] = draft.link(subject.encounter)
    resource.update(_effective(panel.order, context))
    issued = context.time(obr, 22)
    if issued and issued.exact:
        resource["issued"] = issued.text
    elif obr.valued(22) and issued is None:
        resource["_issued"] = absent()
    elif issued:
        context.warn(f"{obr.position} OBR-22: '{issued.text}' has no time of day, so the report has no time of issue.")
    resource |= compact(
        performer=_performers(panel, draft, context),
        resultsInterpreter=_interpreters(obr, draft, context),
        specimen=[draft.link(found) for found in panel.distinct_specimens()],
        result=_members(panel, draft),
        presentedForm=_documents(panel),
        extension=[
            {"url": NOTE_EXTENSION, "valueAnnotation": note} for note in annotations(panel.order.report_notes, context)
        ],
    )
    context.stamp(draft)
    return draft


def _status(panel: Panel, obr: Segment, said: str, context: Context) -> str:
    """OBR-25; a corrected or amended result corrects or amends a final report; without OBR-25 the results tell."""
    statuses = [filed.draft.resource["status"] for filed in panel.results]
    if said == "final":
        return next((status for status in ("corrected", "amended") if status in statuses), said)
    if said:
        return said
    if obr.valued(25):
        context.warn(
            f"{obr.position} OBR-25: '{obr.code(25)}' is no status of table 0123; the results' status was taken."
        )
    finished = next((status for status in _DERIVED if status in statuses), "")
    if any(status in _UNFINISHED for status in statuses):
        return "partial" if finished in ("corrected", "amended", "final") else "preliminary"
    return finished or "unknown"


def _categories(obr: Segment) -> list[Element]:
    section = obr.code(24)
    if not section or section.upper() == "LAB":
        return [_LABORATORY]
    return [_LABORATORY, table_concept(section.upper() if section.upper() in SECTION else section, "0074", SECTION)]


def _code(resource: Element, obr: Segment, context: Context) -> None:
    code = concept(obr[4], context.sender)
    if not code:
        context.warn(f"{obr.position} OBR-4: no test is named; the report has no code.")
        code = absent()
    resource["code"] = code


def _performers(panel: Panel, draft: Draft, context: Context) -> list[Element]:
    """The laboratories that did the tests, each once."""
    laboratories: dict[str, Composite] = {}
    places: dict[str, Composite] = {}
    for filed in panel.results:
        obx = filed.result.obx
        if raw := obx.raw_field(23):
            laboratories.setdefault(raw, obx[23])
            places.setdefault(raw, obx[24])
    found = [organization(laboratory, draft, context, places[raw]) for raw, laboratory in laboratories.items()]
    return [reference for reference in found if reference]


def _interpreters(obr: Segment, draft: Draft, context: Context) -> list[Element]:
    """OBR-32 (NDL): the person stands in subcomponents of its first component, or in components in old versions."""
    person = obr[32].sub(1) if len(obr[32].sub(1)) > 1 else obr[32]
    found = practitioner(person, draft, context)
    return [found] if found else []


def _members(panel: Panel, draft: Draft) -> list[Element]:
    """The results of the report; answers asked at order entry and facts of the specimen belong elsewhere."""
    found = []
    for filed in panel.results:
        if panel.request and filed.result.obx.code(29) in ASKED_AT_ORDER_ENTRY:
            answers = panel.request.resource.setdefault("supportingInfo", [])
            answers.append(panel.request.link(filed.draft))
        elif "focus" not in filed.draft.resource:
            found.append(draft.link(filed.draft))
    return found


def _documents(panel: Panel) -> list[Element]:
    attachments = (
        extension["valueAttachment"]
        for filed in panel.results
        for extension in filed.draft.resource.get("extension", [])
        if extension["url"] == ATTACHMENT_EXTENSION
    )
    return [attachment for attachment in attachments if attachment.get("contentType") == PDF]
