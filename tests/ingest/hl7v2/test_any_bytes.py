"""Whatever the bytes, the reader answers with messages or with a reason."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_lab.ingest.hl7v2.message import MessageError, is_truncated, read_message, split_messages
from fhir_lab.ingest.hl7v2.walk import walk

PIECES = [
    b"MSH|^~\\&|LIS|LAB|||2025||ORU^R01|1|P|2.5.1", b"MSH", b"MSH|", b"PID|1||7", b"OBX|1|NM|a||5", b"OBR|1", b"SPM|1",
    b"ORC|RE", b"NTE|1||x", b"FHS|^~\\&", b"BTS|1", b"\r", b"\n", b"\r\n", b"\x0b", b"\x1c\r", b"|", b"^", b"~", b"\\",
    b"&", b"\\X", b"\\.br\\", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe4", b" ", b"ADD|", b"text",
]  # fmt: skip
ANY = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_any_bytes_become_messages_or_a_reason(data: bytes) -> None:
    assert is_truncated(data) in (True, False)
    refused: list[str] = []
    for raw in [data, *split_messages(data)]:
        try:
            message = read_message(raw)
        except MessageError as error:
            refused.append(error.reason.code)
            continue
        assert message.header.name == "MSH"
        for segment in message.segments:
            for number in range(len(segment.fields)):
                assert isinstance(segment.text(number), str)
                assert isinstance(segment.code(number), str)
                assert all(isinstance(part[1], str) for part in segment.repetitions(number))
        structure = walk(message)
        observed = sum(1 for group in structure.groups for _ in group.every_result())
        assert observed == sum(segment.name == "OBX" for segment in message.segments)
    assert set(refused) <= {"no-header", "delimiters"}
