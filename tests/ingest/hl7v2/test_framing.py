"""The messages inside a file, and files that end too early."""

import pytest

from fhir_lab.ingest.hl7v2.message import is_truncated, split_messages

FIRST = b"MSH|^~\\&|LIS|LAB|||20250101||ORU^R01|1|P|2.5.1\rPID|1||7\rOBX|1|NM|a||5||||||F\r"
SECOND = FIRST.replace(b"|1|P|", b"|2|P|")


@pytest.mark.parametrize(
    "data",
    [
        FIRST,
        b"\x0b" + FIRST + b"\x1c\r",
        b"\x0b\x0b" + FIRST + b"\x1c\r\x1c\r",
        FIRST + b"\x1c\r",
        b"\xef\xbb\xbf" + FIRST,
        b"some text before\r\n" + FIRST,
        b"\r\n  " + FIRST,
        b"FHS|^~\\&|LIS\rBHS|^~\\&|LIS\r" + FIRST + b"BTS|1\rFTS|1\r",
    ],
    ids=["plain", "mllp", "doubled mllp", "frame end only", "byte order mark", "text before", "blanks before", "batch"],
)
def test_a_message_is_found_whatever_is_around_it(data: bytes) -> None:
    assert split_messages(data) == [FIRST]


def test_a_message_without_a_line_start_before_it_is_found() -> None:
    assert split_messages(b"log: " + FIRST) == [FIRST]


@pytest.mark.parametrize(
    "between", [b"", b"\r\n\r\n", b"BTS|1\rFTS|1\rFHS|^~\\&\rBHS|^~\\&\r", b"\x1c\r\x0b", b"garbage\r"]
)
def test_several_messages_are_parted(between: bytes) -> None:
    found = split_messages(FIRST + between + SECOND)
    assert [message.split(b"|")[9] for message in found] == [b"1", b"2"]
    assert found[1] == SECOND


def test_the_same_message_twice_is_two_messages() -> None:
    assert split_messages(FIRST + FIRST) == [FIRST, FIRST]


def test_an_msh_inside_a_field_starts_no_message() -> None:
    data = FIRST.replace(b"||5||", b"||see MSH|x||")
    assert split_messages(data) == [data]


def test_utf_16_is_parted_and_keeps_its_bytes() -> None:
    data = (FIRST + SECOND).decode().encode("utf-16")
    assert split_messages(data) == [message.decode().encode("utf-16") for message in (FIRST, SECOND)]


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"hello", b"PID|1\rOBX|1\r", b"MSHX", b"\x00\x01\xff"])
def test_a_file_without_msh_holds_no_message(data: bytes) -> None:
    assert split_messages(data) == []


def test_a_message_before_another_always_ends_with_a_terminator() -> None:
    assert split_messages(FIRST.rstrip(b"\r") + b"\x1c\r" + SECOND)[0] == FIRST


@pytest.mark.parametrize(
    ("data", "truncated"),
    [
        (FIRST, False),
        (FIRST.rstrip(b"\r"), False),  # many senders leave the last terminator out
        (FIRST.rstrip(b"F\r"), True),  # before the status
        (FIRST[:-20], True),
        (FIRST + b"OBX|2|NM|b||6", True),
        (FIRST + b"OBX|2|NM|b||6||||||", True),
        (FIRST + b"OBX|2|NM|b||6|||||||||2025", False),
        (FIRST + b"NTE|1||some te", True),
        (FIRST + b"SPM|1|a||b", True),
        (FIRST + b"SPM|1|a||b|||||||||||||20250101", False),
        (b"MSH|^~\\&|LIS", True),
        (b"\x0b" + FIRST, True),
        (b"\x0b" + FIRST + b"\x1c\r", False),
        (b"\x0b" + FIRST + b"\x1c\r\x0b" + SECOND, True),
        (b"BHS|^~\\&\r" + FIRST, True),
        (b"BHS|^~\\&\r" + FIRST + b"BTS|1", False),
        (b"", False),
        (b"\r\n", False),
        (b"not yet", True),
    ],
)
def test_a_file_is_cut_short_when_its_last_segment_is(data: bytes, truncated: bool) -> None:
    assert is_truncated(data) is truncated


def test_a_last_result_without_status_is_whole_when_it_is_as_long_as_the_others() -> None:
    head = b"MSH|^~\\&|LIS\rOBX|1|NM|a||5|mg\r"
    assert is_truncated(head + b"OBX|2|NM|b||6|mg") is False
    assert is_truncated(head + b"OBX|2|NM|b||6") is True


def test_a_cut_utf_16_file_is_recognised() -> None:
    assert is_truncated(FIRST.decode().encode("utf-16")) is False
    assert is_truncated(FIRST[:-20].decode().encode("utf-16")) is True
