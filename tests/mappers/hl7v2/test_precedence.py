"""Whatever the order of arrival, the same statement stands at the end."""

from itertools import permutations
from typing import Any

import pytest

from fhir_lab.documents import Resource
from tests.support.hl7v2_store import HEAD, PATIENT, Store


def message(
    status: str, value: str, sent: str, *, analysed: str = "", issued: str = "", code: str = "2345-7^Glucose^LN"
) -> tuple[str, ...]:
    """Head, PID, OBR and OBX of one statement about one result; times are hours and minutes of one day."""
    day = "20250314"
    head = HEAD.replace("20250314120000+0100", f"{day}{sent}") if sent else HEAD.replace("20250314120000+0100", "")
    issue = f"{day}{issued}00" if issued else ""
    obr = f"OBR|1||F1^LIS|58410-2^CBC^LN|||{day}0700|||||||||||||||{issue}||HM|{status}"
    obx = f"OBX|1|NM|{code}||{value}|mg/dL|||||{status}" + (f"||||||||{day}{analysed}" if analysed else "")
    return head, PATIENT, obr, obx


def send(store: Store, statement: tuple[str, ...]) -> list[str]:
    head, *lines = statement
    return store.send(*lines, head=head).warnings


def state(store: Store) -> dict[str, Any]:
    """What a reader sees: the result and the report, whatever the versions."""

    def seen(resource: Resource) -> dict[str, Any]:
        value = resource.get("valueQuantity", {}).get("value")
        return {"status": resource["status"], "value": None if value is None else str(value)}

    return {"result": seen(store.one("Observation")), "report": store.one("DiagnosticReport")["status"]}


BY_SENDING = [
    message("P", "90", "0800"),
    message("F", "95", "0900"),
    message("C", "96", "1000"),
    message("P", "91", "0830"),
]
BY_ISSUE = [
    message("P", "90", "0800", issued="0755"),
    message("F", "95", "0900", issued="0855"),
    message("C", "96", "1000", issued="0955"),
    message("P", "91", "1100", issued="0805"),
]
ONE_ISSUE = [message(status, value, sent, issued="0700") for status, value, sent in
             (("P", "90", "0800"), ("F", "95", "0930"), ("C", "96", "0922"), ("P", "91", "0901"))]  # fmt: skip
ONE_ANALYSIS = [
    message("P", "90", "0800", analysed="0750"),
    message("F", "95", "0900", analysed="0750"),
    message("C", "96", "1000", analysed="0750"),
    message("P", "91", "1100", analysed="0750"),
]
LATE_PRELIMINARY = [
    message("F", "95", "0900"),
    message("C", "96", "1000"),
    message("P", "97", "1100"),
    message("P", "98", "1200"),
]
CANCELLED_BETWEEN = [
    message("F", "95", "0900"),
    message("X", "", "0930"),
    message("P", "97", "1100"),
    message("C", "96", "1000"),
]
MIXED_TIMES = [
    message("P", "90", "0800", issued="0800"),
    message("F", "95", "0900", issued="0900", analysed="0750"),
    message("C", "96", "1000", issued="1000", analysed="0750"),
]


@pytest.mark.parametrize(
    "statements",
    [BY_SENDING, BY_ISSUE, ONE_ISSUE, ONE_ANALYSIS, LATE_PRELIMINARY, CANCELLED_BETWEEN, MIXED_TIMES],
    ids=["by sending", "by issue", "one issue", "one analysis", "late preliminary", "cancelled between", "mixed times"],
)
def test_every_order_of_arrival_ends_with_the_correction(statements: list[tuple[str, ...]]) -> None:
    for arrival in permutations(statements):
        store = Store()
        for statement in arrival:
            send(store, statement)
        assert state(store) == {"result": {"status": "corrected", "value": "96"}, "report": "corrected"}, arrival


def test_two_corrections_end_with_the_later_one() -> None:
    statements = [message("C", value, sent, analysed="0750") for value, sent in (("96", "1000"), ("97", "1100"))]
    for arrival in permutations([message("F", "95", "0900", analysed="0750"), *statements]):
        store = Store()
        for statement in arrival:
            send(store, statement)
        assert state(store)["result"] == {"status": "corrected", "value": "97"}, arrival


@pytest.mark.parametrize("code", ["D", "W"])
@pytest.mark.parametrize(
    ("final", "wrong"),
    [
        ({"sent": "0900"}, {"sent": "1000"}),
        ({"sent": "0900", "issued": "0800"}, {"sent": "0830", "issued": "0800"}),
        ({"sent": ""}, {"sent": ""}),
    ],
)
def test_what_was_declared_wrong_stays_wrong_in_every_order(
    code: str, final: dict[str, str], wrong: dict[str, str]
) -> None:
    statements = [message("F", "95", **final), message(code, "95", **wrong)]
    for arrival in permutations(statements):
        store = Store()
        for statement in arrival:
            send(store, statement)
        assert state(store)["result"]["status"] == "entered-in-error", arrival


def test_a_newer_final_brings_back_what_was_wrong_but_a_preliminary_does_not() -> None:
    store = Store()
    send(store, message("W", "95", "1000"))
    send(store, message("P", "90", "1100"))
    assert state(store)["result"]["status"] == "entered-in-error"
    send(store, message("F", "96", "1200"))
    assert state(store)["result"] == {"status": "final", "value": "96"}


def test_a_deletion_without_a_value_keeps_the_value_that_was_wrong() -> None:
    store = Store()
    send(store, message("F", "95", "0900"))
    send(store, message("D", "", "1000"))
    assert state(store)["result"] == {"status": "entered-in-error", "value": "95"}


def test_final_without_a_value_keeps_the_preliminary_value() -> None:
    store = Store()
    send(store, message("P", "95", "0900"))
    send(store, message("U", "", "1000"))
    found = store.one("Observation")
    assert (found["status"], str(found["valueQuantity"]["value"])) == ("final", "95")
    assert "dataAbsentReason" not in found


def test_an_amended_result_may_become_corrected_and_back() -> None:
    store = Store()
    for status, sent in (("C", "0900"), ("A", "1000"), ("F", "1100"), ("C", "1200"), ("X", "1300")):
        send(store, message(status, "95", sent))
        expected = {"C": "corrected", "A": "amended", "F": "final", "X": "cancelled"}[status]
        assert state(store)["result"]["status"] == expected


def test_a_late_preliminary_is_told() -> None:
    store = Store()
    send(store, message("F", "95", "0900"))
    warnings = send(store, message("P", "90", "1000"))
    assert warnings == [
        "OBX[1]: what is stored (final) is newer or more final than this (preliminary) and stays.",
        "OBR[1]: what is stored (final) is newer or more final than this (preliminary) and stays.",
    ]


def test_a_result_that_a_later_message_leaves_out_stays() -> None:
    store = Store()
    send(store, message("F", "95", "0900"))
    send(store, message("F", "4.2", "1000", code="2823-3^Potassium^LN"))
    assert len(store.of("Observation")) == 2
    assert len(store.one("DiagnosticReport")["result"]) == 2


def test_a_result_that_only_an_older_message_has_is_added() -> None:
    store = Store()
    send(store, message("F", "95", "1000"))
    send(store, message("F", "4.2", "0900", code="2823-3^Potassium^LN"))
    assert len(store.one("DiagnosticReport")["result"]) == 2


def test_a_correction_is_a_new_version_of_the_same_result() -> None:
    store = Store()
    send(store, message("F", "95", "0900"))
    send(store, message("C", "96", "1000"))
    found = store.one("Observation")
    assert found["meta"]["versionId"] == "2"
    assert store.one("DiagnosticReport")["meta"]["versionId"] == "2"
    targets = [
        sorted(target["reference"].partition("/")[0] for target in each["target"]) for each in store.of("Provenance")
    ]
    assert targets == [["DiagnosticReport", "Observation"]] * 2


@pytest.mark.parametrize("again", ["0900", "1100"])
def test_the_same_again_changes_nothing(again: str) -> None:
    store = Store()
    send(store, message("F", "95", "0900", issued="0855"))
    before = {name: resource["meta"]["versionId"] for name, resource in store.resources.items()}
    conversion = store.send(*message("F", "95", again, issued="0855")[1:], head=message("F", "95", again)[0])
    assert conversion.bundle["entry"] == []
    assert {name: resource["meta"]["versionId"] for name, resource in store.resources.items()} == before
    unchanged = {each["reference"] for each in conversion.unchanged}
    assert unchanged == {name for name in before if not name.startswith(("Organization", "Provenance"))}


def test_a_trailing_zero_is_another_result() -> None:
    store = Store()
    send(store, message("F", "6.3", "0900"))
    send(store, message("F", "6.30", "1000"))
    assert store.one("Observation")["valueQuantity"]["value"].literal == "6.30"


def test_an_update_names_the_version_it_was_made_for() -> None:
    store = Store()
    send(store, message("P", "90", "0900"))
    head, *lines = message("F", "95", "1000")
    conversion = store.send(*lines, head=head)
    requests = [entry["request"] for entry in conversion.bundle["entry"] if entry["request"]["method"] == "PUT"]
    assert {request["ifMatch"] for request in requests} == {'W/"1"'}
    assert all("?" not in request["url"] for request in requests)


def test_without_any_time_the_last_arrival_stands() -> None:
    store = Store()
    send(store, message("F", "95", ""))
    send(store, message("F", "96", ""))
    assert state(store)["result"]["value"] == "96"


def test_only_the_time_of_issue_makes_no_new_version() -> None:
    store = Store()
    send(store, message("F", "95", "0900", issued="0855"))
    send(store, message("F", "95", "1000", issued="0955"))
    assert store.one("Observation")["meta"]["versionId"] == "1"
    assert store.one("DiagnosticReport")["meta"]["versionId"] == "1"


def test_a_report_is_issued_anew_with_a_changed_result() -> None:
    store = Store()
    send(store, message("C", "95", "0900", issued="0855"))
    send(store, message("C", "96", "1000", issued="0955"))
    assert store.one("DiagnosticReport")["issued"].startswith("2025-03-14T09:55")
