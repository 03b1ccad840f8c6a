"""Which result belongs to which order, specimen and patient, in whatever order the segments come."""

from typing import Any

import pytest

from fhir_lab.ingest.hl7v2.message import read_message
from fhir_lab.ingest.hl7v2.walk import Structure, walk

HEAD = "MSH|^~\\&|LIS|LAB|||20250101||ORU^R01|1|P|2.5.1"


def walked(*lines: str) -> Structure:
    return walk(read_message(("\r".join([HEAD, *lines]) + "\r").encode()))


def outline(*lines: str) -> list[Any]:
    """Each patient as [results without order, orders as [ORC, OBR, results, specimens as [results]]]."""
    return [
        [
            [result.obx.raw_field(1) for result in group.results],
            [
                [
                    bool(order.orc),
                    order.obr.raw_field(1) if order.obr else None,
                    [result.obx.raw_field(1) for result in order.results],
                    [[result.obx.raw_field(1) for result in sample.results] for sample in order.samples],
                ]
                for order in group.orders
            ],
        ]
        for group in walked(*lines).groups
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["PID|1", "ORC|RE", "OBR|1", "OBX|1", "OBX|2"], [[[], [[True, "1", ["1", "2"], []]]]]),
        (["PID|1", "OBR|1", "OBX|1", "OBR|2", "OBX|2"], [[[], [[False, "1", ["1"], []], [False, "2", ["2"], []]]]]),
        (["PID|1", "ORC|RE", "OBR|1", "OBX|1", "SPM|1"], [[[], [[True, "1", ["1"], [[]]]]]]),
        (["PID|1", "OBR|1", "OBX|1", "SPM|1", "OBX|2"], [[[], [[False, "1", ["1"], [["2"]]]]]]),
        (["PID|1", "OBR|1", "SPM|1", "OBX|1", "OBX|2"], [[[], [[False, "1", ["1", "2"], [[]]]]]]),
        (["PID|1", "ORC|RE", "SPM|1", "OBR|1", "OBX|1"], [[[], [[True, "1", ["1"], [[]]]]]]),
        (
            ["PID|1", "SPM|1", "OBR|1", "OBX|1", "SPM|2", "OBR|2", "OBX|2"],
            [[[], [[False, "1", ["1"], [[]]], [False, "2", ["2"], [[]]]]]],
        ),
        (["PID|1", "OBX|1", "OBR|1", "OBX|2"], [[["1"], [[False, "1", ["2"], []]]]]),
        (["PID|1", "ORC|RE", "OBX|1"], [[[], [[True, None, ["1"], []]]]]),
        (["PID|1", "OBR|1|P9", "ORC|RE|P9", "OBX|1"], [[[], [[True, "1", ["1"], []]]]]),
        (["PID|1", "OBR|1|P9", "ORC|RE|P8", "OBR|2", "OBX|1"], [[[], [[False, "1", [], []], [True, "2", ["1"], []]]]]),
        (["OBR|1", "OBX|1"], [[[], [[False, "1", ["1"], []]]]]),
        (
            ["PID|1", "OBR|1", "OBX|1", "PID|2", "OBR|2", "OBX|2"],
            [[[], [[False, "1", ["1"], []]]], [[], [[False, "2", ["2"], []]]]],
        ),
        (["PID|1"], [[[], []]]),
        ([], []),
    ],
)
def test_results_find_their_order_specimen_and_patient(lines: list[str], expected: list[Any]) -> None:
    assert outline(*lines) == expected


def test_notes_belong_to_what_they_follow() -> None:
    found = walked(
        "NTE|header", "PID|1", "NTE|patient", "PV1|1", "NTE|visit", "ORC|RE", "NTE|order", "OBR|1", "NTE|report",
        "TQ1|1", "NTE|report too", "OBX|1", "NTE|result", "ZZZ|1", "NTE|result too", "SPM|1", "NTE|specimen",
        "OBX|2", "NTE|about the specimen",
    )  # fmt: skip
    (group,) = found.groups
    (order,) = group.orders
    notes = [group.notes, order.order_notes, order.report_notes, order.results[0].notes, order.samples[0].notes]
    notes.append(order.samples[0].results[0].notes)
    assert [[note.raw_field(1) for note in some] for some in notes] == [
        ["patient", "visit"],
        ["order"],
        ["report", "report too"],
        ["result", "result too"],
        ["specimen"],
        ["about the specimen"],
    ]
    assert [segment.position for segment in found.unmapped] == ["NTE[1]", "ZZZ[1]"]


def test_the_visit_is_found_wherever_it_is_sent() -> None:
    (group,) = walked("PID|1", "OBR|1", "PV1|late", "OBX|1").groups
    assert group.pv1 is not None
    assert [result.obx.raw_field(1) for result in group.orders[0].results] == ["1"]


def test_participants_belong_to_their_result() -> None:
    found = walked("PID|1", "PRT|early", "OBR|1", "OBX|1", "PRT|1")
    assert [part.raw_field(1) for part in found.groups[0].orders[0].results[0].participants] == ["1"]
    assert [segment.position for segment in found.unmapped] == ["PRT[1]"]


def test_a_specimen_without_any_order_is_listed() -> None:
    assert [segment.name for segment in walked("PID|1", "SPM|1").unmapped] == ["SPM"]


def test_every_segment_has_a_place_or_is_listed() -> None:
    lines = ["SFT|1", "PID|1", "PD1|", "PD1|", "NK1|1", "PV1|1", "PV1|2", "PV2|", "DG1|1", "ORC|RE", "OBR|1", "TQ1|1"]
    lines += ["TQ1|2", "CTD|", "OBX|1", "FT1|", "CTI|", "DSC|"]
    unmapped = [segment.position for segment in walked(*lines).unmapped]
    assert unmapped == [
        "SFT[1]",
        "PD1[2]",
        "PV1[2]",
        "PV2[1]",
        "DG1[1]",
        "TQ1[2]",
        "CTD[1]",
        "FT1[1]",
        "CTI[1]",
        "DSC[1]",
    ]
