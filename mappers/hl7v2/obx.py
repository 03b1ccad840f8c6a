"""OBX -> Observation.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-obx-to-observation.html, https://hl7.org/fhir/R4/observation.html
"""

from dataclasses import dataclass, field
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.ingest.hl7v2.message import Composite, Reason, Segment
from fhir_lab.ingest.hl7v2.walk import Result
from mappers.hl7v2.attachments import ATTACHMENT_EXTENSION, embedded, pointer
from mappers.hl7v2.context import ABSENT, Context, Subject, absent
from mappers.hl7v2.datatypes import code_text, compact, concept, entity_identifier, table_concept
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.entities import coded_organization, device, organization, practitioner
from mappers.hl7v2.identity import RESULT, Key, Sender, key
from mappers.hl7v2.nte import annotations
from mappers.hl7v2.ranges import reference_range
from mappers.hl7v2.spm import specimen_number
from mappers.hl7v2.tables import IDENTIFIER_TYPE, INTERPRETATION, INTERPRETATION_WORDS, RESULT_STATUS, TERMINOLOGY
from mappers.hl7v2.times import Time
from mappers.hl7v2.values import LINES, VALUES, Reading, number, sampled_data, unknown

Element = dict[str, Any]
MAPPED = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 29, 30, 33))
ANALYSED = "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time"
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
_LABORATORY: Element = {
    "coding": [{"system": f"{TERMINOLOGY}observation-category", "code": "laboratory", "display": "Laboratory"}]
}
_INTERPRETATION_SYSTEM = f"{TERMINOLOGY}v3-ObservationInterpretation"
_NOT_THERE = {"cancelled": "not-performed", "registered": "temp-unknown", "preliminary": "temp-unknown"}
ASKED_AT_ORDER_ENTRY = ("QST", "SCI")


@dataclass(slots=True)
class Scope:
    """What the results of one order share.

    `parts` is the business key of the report; `effective` and `issued` are those of the order; `status` is what a
    result without a status of its own has; `drafts` collects the results; `seen` counts equal ones.
    """

    parts: tuple[str, ...]
    subject: Subject
    request: Draft | None = None
    specimens: list[Draft] = field(default_factory=list)
    effective: Element = field(default_factory=dict)
    issued: Time | None = None
    status: str = ""
    seen: dict[str, int] = field(default_factory=dict)


def observation(result: Result, more: list[str], scope: Scope, context: Context) -> Draft | Reason:
    """The Observation of an OBX, or why there is none. `more` are pieces of base64 that followed in other OBX."""
    obx = result.obx
    code = concept(obx[3], context.sender)
    if (broken := _broken(obx, code)) is not None:
        return broken
    kind = obx.code(2).upper()
    attachments = _attachments(obx, kind, more)
    if None in attachments:
        return _unreadable(obx)
    draft = Draft("Observation", [_key(obx, scope)], "replace", {"resourceType": "Observation"}, obx.position)
    resource = draft.resource
    status = _status(obx, scope, context)
    # In the order of the R4 definition, as people read it.
    resource["identifier"] = _identifiers(obx, draft.keys[0], context)
    if scope.request:
        resource["basedOn"] = [draft.link(scope.request)]
    resource["status"] = status
    resource["category"] = _categories(obx)
    resource["code"] = code
    resource["subject"] = draft.link(scope.subject.patient)
    if scope.subject.encounter:
        resource["encounter"] = draft.link(scope.subject.encounter)
    resource.update(_effective(obx, scope, context))
    analysed = context.time(obx, 19) if obx.raw_field(19) else None
    issued = scope.issued or analysed
    if issued and issued.exact:
        resource["issued"] = issued.text
    if performers := _performers(result, draft, context):
        resource["performer"] = performers
    extensions = _extensions(obx, analysed)
    extensions += [{"url": ATTACHMENT_EXTENSION, "valueAttachment": attachment} for attachment in attachments]
    if not attachments:
        _value(obx, kind, code, resource, context)
        extensions += resource.pop("extension", [])
        if not any(name.startswith("value") or name == "component" for name in resource):
            _without_value(obx, draft, status)
    _surroundings(result, draft, scope, context)
    if obx.code(11).upper() == "X":
        resource["_status"] = {"extension": [_alternate("X")]}
    if extensions:
        resource["extension"] = extensions
    context.stamp(draft)
    return draft


def _broken(obx: Segment, code: Element) -> Reason | None:
    if obx.cut:
        return Reason(
            "truncated",
            obx.position,
            "",
            obx.raw[-40:],
            "a whole segment, with its status in OBX-11 and a line end",
            "The message ends in the middle of this result; ask the sender to send it again.",
        )
    if obx.shifted:
        return Reason(
            "broken-line",
            obx.position,
            "OBX-5",
            obx.raw[:60],
            r"line breaks as \.br\ and field separators as \F\ inside a text",
            "A line break and field separators stand in the text, so nobody can tell which field is which; correct the "
            "text in a copy of the file and drop the copy into the inbox.",
        )
    if not code:
        return Reason(
            "code-missing",
            obx.position,
            "OBX-3",
            obx.text(3),
            "the code or at least the name of the test, such as 2345-7^Glucose^LN",
            "Add the code of the test to OBX-3 in a copy of the file and drop the copy into the inbox.",
        )
    return None


def _attachments(obx: Segment, kind: str, more: list[str]) -> list[Element | None]:
    """The documents of an ED or RP; None stands for one that cannot be read."""
    title = obx[3][2]
    if kind == "ED":
        return [embedded(field, more if place == 0 else [], title) for place, field in enumerate(obx.repetitions(5))]
    return [pointer(field, title) for field in obx.repetitions(5)] if kind == "RP" else []


def _unreadable(obx: Segment) -> Reason:
    return Reason(
        "attachment-unreadable",
        obx.position,
        "OBX-5",
        obx.raw_field(5)[:60],
        "a document as base64 in OBX-5.5 (ED), or an address in OBX-5.1 (RP)",
        "Ask the sender to send the document again; what came here is not base64.",
    )


def _key(obx: Segment, scope: Scope) -> Key:
    """OBX-21 if the filler numbers its results, else code, OBX-4 and the place among equal ones."""
    if instance := obx[21][1] if obx.raw_field(21) else "":
        own = f"id~{instance}"
    else:
        test = obx[3]
        own = "~".join((test[1] or test[4] or test[2], test[3] or test[6], obx.raw_field(4))).rstrip("~")
    place = scope.seen[own] = scope.seen.get(own, 0) + 1
    return Key("Observation", RESULT, key(*scope.parts, own, *([str(place)] if place > 1 else [])))


def _identifiers(obx: Segment, business: Key, context: Context) -> list[Element]:
    found: list[Element] = [{"system": RESULT, "value": business.value}]
    if obx.raw_field(21) and (instance := entity_identifier(obx[21], context.sender, "result")):
        found.insert(0, {"type": table_concept("FILL", "0203", IDENTIFIER_TYPE), **instance})
    return found


def _status(obx: Segment, scope: Scope, context: Context) -> str:
    written = obx.code(11).upper()
    if found := RESULT_STATUS.get(written):
        return found
    inherited = "preliminary" if scope.status == "partial" else scope.status or "unknown"
    if written:
        context.warn(f"{obx.position} OBX-11: '{written}' is no status of table 0085; the status is unknown.")
        return "unknown"
    if inherited == "unknown":
        context.warn(f"{obx.position} OBX-11: no status, and none in OBR-25; the status is unknown.")
    return inherited


def _categories(obx: Segment) -> list[Element]:
    kind = code_text(obx.code(29)) if obx.raw_field(29) else ""
    return [_LABORATORY, {"coding": [{"system": f"{TERMINOLOGY}v2-0936", "code": kind}]}] if kind else [_LABORATORY]


def _effective(obx: Segment, scope: Scope, context: Context) -> Element:
    """OBX-14, else the time of the order or its specimen, else absent."""
    own = context.time(obx, 14)
    if own:
        return {"effectiveDateTime": own.text}
    if obx.valued(14) or not scope.effective:
        return {"_effectiveDateTime": absent()}
    return scope.effective


def _performers(result: Result, draft: Draft, context: Context) -> list[Element]:
    obx = result.obx
    found = [practitioner(person, draft, context) for person in obx.repetitions(16)] if obx.raw_field(16) else []
    if obx.raw_field(23) and (performing := organization(obx[23], draft, context, obx[24])):
        found.append(performing)
    elif obx.raw_field(15):
        found.append(coded_organization(obx[15], context.sender))
    if obx.raw_field(25) and (director := practitioner(obx[25], draft, context)):
        role = {"coding": [{"system": f"{TERMINOLOGY}v2-0912", "code": "MDIR"}]}
        function = {"url": f"{_EXTENSION}event-performerFunction", "valueCodeableConcept": role}
        director["extension"] = [function]
        found.append(director)
    found += [practitioner(participant[5], draft, context) for participant in result.participants]
    return [reference for reference in found if reference]


_WITH_UNIT = ("valueQuantity", "valueRange", "valueRatio", "valueSampledData")


def _value(obx: Segment, kind: str, code: Element, resource: Resource, context: Context) -> None:
    """Put OBX-5 into `value[x]`, or into one component for each repetition."""
    rows = obx.repetitions(5)
    if not rows:
        return
    reading = Reading(obx, context.unit(obx, 6), context)
    if kind == "NA":
        resource.update(sampled_data(rows, reading))
        return
    read = VALUES.get(kind, unknown)
    if kind not in VALUES:
        said = f"'{kind}' is no known type of value" if kind else "no type of value is given"
        context.warn(f"{obx.position} OBX-2: {said}; OBX-5 was kept as text.")
        resource.update(compact(valueString=obx.text(5)))
    elif kind in LINES:
        resource.update(compact(valueString="\n".join(row.text for row in obx.lines(5)).strip("\n")))
    elif len(rows) == 1:
        resource.update(read(rows[0], reading))
    else:
        resource["component"] = [{"code": code, **value} for row in rows if (value := read(row, reading))]
    parts = (resource, *resource.get("component", ()))
    if obx.raw_field(6) and not any(name in part for part in parts for name in _WITH_UNIT):
        context.unmapped.append(f"{obx.position}-6")


def _without_value(obx: Segment, draft: Draft, status: str) -> None:
    written = obx.code(11).upper()
    draft.keep_value = written in ("U", "D", "W")
    if status != "entered-in-error":
        reason = "not-asked" if written == "N" else _NOT_THERE.get(status, "unknown")
        draft.resource["dataAbsentReason"] = {"coding": [{"system": ABSENT, "code": reason}]}


def _surroundings(result: Result, draft: Draft, scope: Scope, context: Context) -> None:
    obx, resource = result.obx, draft.resource
    if interpretations := _interpretations(obx, resource, context.sender):
        resource["interpretation"] = interpretations
    if result.notes and (notes := annotations(result.notes, context)):
        resource["note"] = notes
    if obx.raw_field(20) and (site := concept(obx[20], context.sender)):
        resource["bodySite"] = site
    if obx.raw_field(17) and (method := concept(obx[17], context.sender)):
        resource["method"] = method
    if specimen := _specimen(obx, draft, scope, context):
        resource["specimen"] = specimen
    machines = [obx[18]] if obx.raw_field(18) else []
    machines += [participant[10] for participant in result.participants]
    if analyzers := [found for machine in machines if (found := device(machine, draft, context))]:
        resource["device"] = analyzers[0]
    if written := obx.text(7):
        resource["referenceRange"] = [_range(obx, written, resource, context)]


def _range(obx: Segment, written: str, resource: Resource, context: Context) -> Element:
    if "valueQuantity" in resource or "valueRange" in resource or obx.code(2).upper() in ("NM", "SN"):
        return reference_range(written, context.unit(obx, 6))
    return {"text": written}


def _specimen(obx: Segment, draft: Draft, scope: Scope, context: Context) -> Element | None:
    """OBX-33 tells which specimen; else the order's, if it has exactly one."""
    pair = obx[33]
    for half, code in ((pair.sub(2), "FILL"), (pair.sub(1), "PLAC")):
        if half[1]:
            named = [specimen for specimen in scope.specimens if specimen.keys[0].value == half[1]]
            if named:
                return draft.link(named[0])
            return {"type": "Specimen", "identifier": specimen_number(half, code, context)}
    return draft.link(scope.specimens[0]) if len(scope.specimens) == 1 else None


def _interpretations(obx: Segment, resource: Resource, sender: Sender) -> list[Element]:
    found = [interpretation(flag, sender) for flag in obx.repetitions(8)] if obx.raw_field(8) else []
    found = [flag for flag in found if flag]
    value = resource.get("valueCodeableConcept", {})
    if not found and any(coding.get("system") == f"{TERMINOLOGY}v2-0078" for coding in value.get("coding", [])):
        # S, I or R sent as the value itself.
        found = [flag for flag in (interpretation(obx[5], sender),) if flag]
    return found


def interpretation(flag: Composite, sender: Sender) -> Element:
    """A flag of table 0078 (or a plain word for one); anything else stays the sender's own code or text."""
    written = flag[1].partition("\n")[0].strip()
    code = INTERPRETATION_WORDS.get(written.upper(), written.upper())
    if code in INTERPRETATION:
        coding = {"system": _INTERPRETATION_SYSTEM, "code": code, "display": INTERPRETATION[code]}
        others = concept(flag, sender).get("coding", [])[1:]
        return compact(coding=[coding, *others], text=flag[9])
    if written.lower() == "null" or not (written or flag[2]):
        return {}
    return concept(flag, sender) if flag[3] and written else {"text": flag[2] or written}


def _extensions(obx: Segment, analysed: Time | None) -> list[Element]:
    found: list[Element] = []
    if analysed:
        found.append({"url": ANALYSED, "valueDateTime": analysed.text})
    if obx.raw_field(4) and (group := _sub_id(obx[4])):
        found.append({"url": f"{_EXTENSION}observation-v2-subid", "extension": group})
    if nature := code_text(obx.code(10)) if obx.raw_field(10) else "":
        coding = {"system": f"{TERMINOLOGY}v2-0080", "code": nature}
        url = f"{_EXTENSION}observation-nature-of-abnormal-test"
        found.append({"url": url, "valueCodeableConcept": {"coding": [coding]}})
    if structure := code_text(obx.code(30)) if obx.raw_field(30) else "":
        url = f"{_EXTENSION}observation-structure-type"
        found.append({"url": url, "valueCodeableConcept": {"coding": [{"system": url, "code": structure}]}})
    return found


def _sub_id(group: Composite) -> list[Element]:
    """The parts of OBX-4 (OG): the sub-id, and group, sequence and identifier where they are sent."""
    parts: list[Element] = [{"url": "original-sub-identifier", "valueString": group[1]}] if group[1] else []
    for place, name in ((2, "group"), (3, "sequence")):
        value = number(group[place])
        if value is not None:
            parts.append({"url": name, "valueDecimal": value})
    return [*parts, *([{"url": "identifier", "valueString": group[4]}] if group[4] else [])]


def _alternate(code: str) -> Element:
    coding = {"system": f"{TERMINOLOGY}v2-0085", "code": code}
    return {"url": f"{_EXTENSION}alternate-codes", "valueCodeableConcept": {"coding": [coding]}}
