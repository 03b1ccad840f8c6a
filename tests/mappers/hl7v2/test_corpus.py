"""Messages of many real senders: each ends as FHIR or with reasons, never with an exception, and nothing is lost.

They lie beside the repository and are not part of it; where they are missing, only the fuzzed messages are tested.
"""

import csv
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_lab.ingest.hl7v2.message import Message, MessageError, read_message, split_messages
from mappers.hl7v2.oru import Conversion, convert
from tests.support.hl7v2_store import BERLIN, HEAD, ORDER, PATIENT, Store, invalid

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "hl7v2"


def corpus() -> list[tuple[str, str, bytes]]:
    """(file name, category, content)."""
    index = CORPUS / "INDEX.tsv"
    if not index.exists():
        return []
    with index.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [(row["file"], row["category"], (CORPUS / row["file"]).read_bytes()) for row in rows]


def messages(data: bytes) -> list[Message]:
    """The readable messages of a file."""
    found = []
    for raw in split_messages(data):
        try:
            found.append(read_message(raw))
        except MessageError as error:
            print(error.reason)
    return found


def checked(message: Message, store: Store, name: str) -> Conversion:
    """Convert, check and apply a message, and convert it again, which must change nothing."""
    conversion = convert(message, zone=BERLIN, current=store.current)
    assert invalid(conversion) == [], name
    assert conversion.obx_in == sum(segment.name == "OBX" for segment in message.segments), name
    assert conversion.obx_in == conversion.obx_stored + conversion.obx_quarantined, name
    assert bool(conversion.reasons) or conversion.obx_quarantined == 0, name
    for reason in conversion.reasons:
        assert all((reason.code, reason.allowed, reason.repair)), name
    store.apply(conversion)
    again = convert(message, zone=BERLIN, current=store.current)
    assert again.bundle["entry"] == [], name
    return conversion


def test_every_file_becomes_fhir_or_reasons() -> None:
    ends: Counter[str] = Counter()
    for name, category, data in corpus():
        store = Store()
        for message in messages(data):
            conversion = checked(message, store, name)
            codes = sorted({reason.code for reason in conversion.reasons})
            ends[f"{category}: {', '.join(codes) if codes else 'processed'}"] += 1
    print("\n".join(f"{count:4} {end}" for end, count in sorted(ends.items())))
    allowed = {
        "attachment-unreadable", "broken-line", "code-missing", "message-type", "patient-identifier-missing",
        "patient-missing", "processed", "quality-control", "results-missing", "sender-missing", "truncated",
    }  # fmt: skip
    assert {code for end in ends for code in end.partition(": ")[2].split(", ")} <= allowed


def test_all_files_together_keep_the_balance() -> None:
    """One store for all: senders reuse numbers, so some messages contradict others and are held back."""
    store = Store()
    for name, _, data in corpus():
        if len(data) < 20_000:
            for message in messages(data):
                checked(message, store, name)


PIECES = [
    "|", "^", "~", "\\", "&", '""', "F", "P", "X", "D", "<5", "20250314", "20251399", "5.0", " ", "\\X0D\\", "\\.br\\",
    "ED", "NM", "SN", "CWE", "-", ":", "é", "\x00", "\n", "LN", "UCUM", "mg/dL", "Base64", "AAAA", "x" * 300,
]  # fmt: skip
NAMES = [
    "PID",
    "PD1",
    "NK1",
    "PV1",
    "ORC",
    "OBR",
    "TQ1",
    "OBX",
    "SPM",
    "NTE",
    "PRT",
    "ZZZ",
    "OBX|1|NM|a^b^L||5",
    PATIENT,
]
FIELD = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
LINE = st.builds(lambda name, fields: "|".join([name, *fields]), st.sampled_from(NAMES), st.lists(FIELD, max_size=40))


@settings(max_examples=150, deadline=None)
@given(st.lists(LINE, max_size=12))
def test_any_segments_become_valid_resources_or_reasons(lines: list[str]) -> None:
    text = "\r".join([HEAD, PATIENT, ORDER, *lines]) + "\r"
    for message in messages(text.encode()):
        checked(message, Store(), text)
