"""Microbiology: which panel belongs to which isolate? OBR-26 and OBR-29, and sub-ids such as `1` and `1.1`.

The organism's Observation has the susceptibilities as members, each of them is derived from it; the request of the
child is based on that of the parent. The official guide has no map for this yet; see docs/hl7v2.md.
"""

from typing import Any

from mappers.hl7v2.context import Context
from mappers.hl7v2.datatypes import order_number
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.obr import Filed, Panel

_CODED = ("CE", "CWE", "CNE")


def relate(panels: list[Panel], context: Context) -> None:
    """Link the panels and results of one patient in one message."""
    for child in panels:
        obr = child.order.obr
        if obr is None:
            continue
        if obr.valued(26) or obr.valued(29):
            _relate_child(child, panels, context)
        if obr.code(24).upper() == "MB":
            _relate_sub_ids(child)


def _relate_child(child: Panel, panels: list[Panel], context: Context) -> None:
    others = [panel for panel in panels if panel is not child]
    named = [panel for panel in others if _is_named(panel, child)]
    organism = next((found for panel in (*named, *others) if (found := _organism(panel, child))), None)
    if organism is not None:
        for filed in child.results:
            _member(organism, filed.draft)
    if child.request is None:
        return
    holder = next((panel for panel in others if organism in [filed.draft for filed in panel.results]), None)
    parent = holder or next(iter(named), None)
    if parent is not None and parent.request is not None:
        child.request.resource["basedOn"] = [child.request.link(parent.request)]
    elif logical := _logical(child, context):
        child.request.resource["basedOn"] = [logical]


def _is_named(panel: Panel, child: Panel) -> bool:
    """True when OBR-29 of the child gives the number of this panel's order."""
    pair = child.order.obr[29] if child.order.obr else None
    if pair is None:
        return False
    filler, placer = pair.sub(2)[1], pair.sub(1)[1]
    if filler and panel.known.filler:
        return filler == str(panel.known.filler["value"])
    return bool(placer) and placer == str(panel.known.placer.get("value", ""))


def _organism(panel: Panel, child: Panel) -> Draft | None:
    """The result of a panel that OBR-26 of the child names by its code (OBX-3) and sub-id (OBX-4).

    A quantity may be sent under the same code and sub-id; the coded one is the organism.
    """
    pointer = child.order.obr[26] if child.order.obr else None
    if pointer is None or not pointer.sub(1)[1]:
        return None
    code, sub_id = pointer.sub(1)[1], pointer[2]
    found = [
        filed
        for filed in panel.results
        if code in (filed.result.obx[3][1], filed.result.obx[3][4]) and sub_id == filed.result.obx[4][1]
    ]
    coded = [filed for filed in found if filed.result.obx.code(2) in _CODED]
    return next((filed.draft for filed in (*coded, *found)), None)


def _logical(child: Panel, context: Context) -> dict[str, Any] | None:
    """The parent order by its number, when it is in another message."""
    pair = child.order.obr[29] if child.order.obr else None
    if pair is None:
        return None
    number = order_number(pair.sub(2), context.sender, "FILL") or order_number(pair.sub(1), context.sender, "PLAC")
    return {"type": "ServiceRequest", "identifier": number} if number else None


def _relate_sub_ids(panel: Panel) -> None:
    """The flat style: `1` is an isolate, `1.1` and `1.2` are its results."""
    isolates: dict[str, Filed] = {}
    for filed in panel.results:
        sub_id = filed.result.obx[4][1]
        if sub_id and "." not in sub_id and filed.result.obx.code(2) in _CODED:
            isolates.setdefault(sub_id, filed)
    for filed in panel.results:
        parent, dot, _ = filed.result.obx[4][1].rpartition(".")
        if dot and parent in isolates:
            _member(isolates[parent].draft, filed.draft)


def _member(organism: Draft, result: Draft) -> None:
    organism.resource.setdefault("hasMember", []).append(organism.link(result))
    result.resource.setdefault("derivedFrom", []).append(result.link(organism))
