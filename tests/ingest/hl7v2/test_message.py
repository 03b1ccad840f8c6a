"""Segments, fields, repetitions, components and subcomponents of one message."""

import pytest

from fhir_lab.ingest.hl7v2.message import Message, MessageError, read_message

HEAD = "MSH|^~\\&|LIS^1.2.3^ISO|LAB|||20250101120000||ORU^R01^ORU_R01|77|P|2.5.1"


def read(*lines: str, end: str = "\r", head: str = HEAD) -> Message:
    return read_message((end.join([head, *lines]) + end).encode())


def test_the_header_is_numbered_as_in_the_standard() -> None:
    message = read()
    assert message.header.raw_field(1) == "|"
    assert message.header.raw_field(2) == "^~\\&"
    assert message.header[3][2] == "1.2.3"
    assert (message.sender, message.control_id, message.message_type) == ("LIS|LAB", "77", "ORU^R01")
    assert message.version == "2.5.1"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\n", "\r\r\n"])
def test_every_kind_of_line_end_is_accepted(end: str) -> None:
    message = read("PID|1||7", "OBX|1|ST|a||x", end=end)
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "OBX"]
    assert message.warnings == []


def test_a_field_is_taken_apart() -> None:
    segment = read('PID|1||1^^^A&1.2&ISO~2^^^B~~ |""|x\\F\\y ').segments[1]
    assert [part[1] for part in segment.repetitions(3)] == ["1", "2"]
    assert [len(part) for part in segment.lines(3)] == [4, 4, 0, 1]
    assert segment[3].sub(4)[2] == "1.2"
    assert list(segment[3].sub(4)) == ["A", "1.2", "ISO"]
    assert segment[3].raw == "1^^^A&1.2&ISO"
    assert segment[3][9] == ""
    assert segment.raw_field(99) == ""
    assert segment.text(5) == "x|y"
    assert not segment[99]


def test_null_differs_from_empty() -> None:
    segment = read('PID|1||""||""^""').segments[1]
    assert segment.null(3)
    assert not segment.valued(3)
    assert segment.text(3) == ""
    assert segment.repetitions(3) == []
    assert not segment.null(4)
    assert segment[5][1] == ""
    assert not segment[5]


def test_a_coded_field_is_its_first_component_and_line() -> None:
    segment = read("OBX|1|CWE^^HL70125|a||x||||||F^Final\n...").segments[1]
    assert (segment.code(2), segment.code(11)) == ("CWE", "F")


@pytest.mark.parametrize(
    ("written", "delimiters", "warned"),
    [
        ("|^~\\&", "^~\\&", False),
        ("|^~\\&#", "^~\\&#", False),
        ("^~|\\&", "~|\\&", False),
        ("|~^\\&", "~^\\&", False),
        ("|^~\\$", "^~\\$", False),
        ("|^_\\&", "^_\\&", False),
        ("|", "^~\\&", True),
        ("|^", "^~\\&", True),
        ("|^~", "^~\\&", True),
        ("|^~&", "^~\\&", True),
        ("|~\\&", "^~\\&", True),
        ("|@", "@~\\&", True),
    ],
)
def test_delimiters_come_from_the_header(written: str, delimiters: str, warned: bool) -> None:
    field = written[0]
    header = f"MSH{written}{field}LIS{field}LAB"
    message = read(f"PID{field}1{field}a{delimiters[0]}b", head=header)
    encoding = message.encoding
    found = encoding.component + encoding.repetition + encoding.escape + encoding.subcomponent + encoding.truncation
    assert found == delimiters
    assert message.segments[1][2][2] == "b"
    assert bool(message.warnings) is warned


@pytest.mark.parametrize("written", ["|&&&&", "|^~\\\\&", "|^^~\\", "||^~\\&"[1:] + "^", "|ab\\&", "|^~\\1"])
def test_delimiters_that_are_equal_or_letters_are_refused(written: str) -> None:
    with pytest.raises(MessageError) as caught:
        read_message(f"MSH{written}|LIS\rPID|1\r".encode())
    assert (caught.value.reason.code, caught.value.reason.field) == ("delimiters", "MSH-2")


def test_no_header_is_refused_with_a_reason() -> None:
    with pytest.raises(MessageError) as caught:
        read_message(b"PID|1||7\r")
    reason = caught.value.reason
    assert (reason.code, reason.segment, reason.found) == ("no-header", "MSH[1]", "PID|1||7")
    assert set(reason.as_dict()) == {"code", "segment", "field", "found", "allowed", "repair"}


def test_segments_are_counted_by_name() -> None:
    message = read("OBX|1", "NTE|1", "OBX|2")
    assert [segment.position for segment in message.segments] == ["MSH[1]", "OBX[1]", "NTE[1]", "OBX[2]"]


def test_a_line_that_is_no_segment_goes_on_with_the_field_before() -> None:
    message = read("OBX|1|FT|a||Line one", "Line two||||||F")
    obx = message.segments[1]
    assert (obx.text(5), obx.code(11), obx.shifted) == ("Line one\nLine two", "F", False)
    assert message.warnings == ["OBX[1] goes on over 2 lines; they were joined."]


def test_fields_of_a_broken_line_with_separators_are_uncertain() -> None:
    obx = read("OBX|1|FT|a||Line one", "Line two | not a segment", "OBX like text||||||F").segments[1]
    assert obx.shifted


def test_an_addendum_goes_on_with_the_field_before() -> None:
    message = read("OBX|1|FT|a||Line one", "ADD| and more||||||F", "OBX|2")
    assert [segment.name for segment in message.segments] == ["MSH", "OBX", "OBX"]
    assert message.segments[1].text(5) == "Line one and more"


def test_blanks_before_segments_and_small_letters_are_accepted() -> None:
    message = read("  PID|1||7", "obx|1|ST", "ORC")
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "OBX", "ORC"]


def test_control_characters_are_taken_out() -> None:
    message = read("PID|1||7||An\x00na\x0c\tB")
    assert message.segments[1].text(5) == "Anna \tB"
    assert message.warnings == ["Control characters (NUL, form feed and the like) were taken out of the text."]


@pytest.mark.parametrize(
    ("last", "cut"), [("OBX|1|NM|a||5", True), ("OBX|1|NM|a||5||||||F", False), ("NTE|1||x", False)]
)
def test_a_last_segment_that_is_cut_short_is_marked(last: str, cut: bool) -> None:
    message = read_message(f"{HEAD}\r{last}".encode())
    assert message.segments[-1].cut is cut
    assert bool(message.warnings) is cut


def test_the_content_hash_is_that_of_what_is_said() -> None:
    one = read("PID|1||7")
    assert read("PID|1||7", end="\r\n").content_hash == one.content_hash
    other_time = HEAD.replace("20250101120000", "20250101130000").replace("|77|", "|78|")
    assert read("PID|1||7", head=other_time).content_hash == one.content_hash
    assert read("PID|1||8").content_hash != one.content_hash
    assert read("PID|1||7", head=HEAD.replace("LAB", "LAC")).content_hash != one.content_hash
