"""Which character set is it really?"""

import pytest

from fhir_lab.ingest.hl7v2.message import read_message


def raw(name: str, text: str, encoding: str, mark: bytes = b"") -> bytes:
    message = f"MSH|^~\\&|LIS|LAB|||20250101||ORU^R01|1|P|2.5.1||||||{name}\rOBX|1|ST|a||{text}||||||F\r"
    return mark + message.encode(encoding)


@pytest.mark.parametrize(
    ("name", "text", "encoding", "charset", "warned"),
    [
        ("", "plain", "ascii", "ascii", False),
        ("ASCII", "plain", "ascii", "ascii", False),
        ("x~y", "plain", "ascii", "ascii", False),
        ("", "Größe µ", "utf-8", "utf-8", False),
        ("UNICODE UTF-8", "Größe 日本 العربية", "utf-8", "utf-8", False),
        ("UNICODE", "Größe", "utf-8", "utf-8", False),
        ("ASCII", "Größe", "utf-8", "utf-8", True),
        ("8859/1", "Größe", "utf-8", "utf-8", True),
        ("8859/1", "Größe", "latin-1", "cp1252", False),
        ("8859/1", "„quotes“ – €", "cp1252", "cp1252", False),
        ("8859/2", "Škoda", "iso8859-2", "iso8859-2", False),
        ("8859/5", "Иванов", "iso8859-5", "iso8859-5", False),
        ("8859/15", "5 €", "iso8859-15", "iso8859-15", False),
        ("GB 18030-2000", "血糖", "gb18030", "gb18030", False),
        ("BIG-5", "血糖", "big5", "big5", False),
        ("ISO IR87", "血糖検査", "iso2022_jp", "iso2022_jp_2", False),
        ("", "Größe", "latin-1", "cp1252", True),
        ("ASCII", "Größe", "latin-1", "cp1252", True),
        ("nonsense", "Größe", "latin-1", "cp1252", True),
    ],
)
def test_text_is_read_in_the_set_it_is_in(name: str, text: str, encoding: str, charset: str, warned: bool) -> None:
    message = read_message(raw(name, text, encoding))
    assert message.segments[1].text(5) == text
    assert message.charset == charset
    assert bool(message.warnings) is warned


@pytest.mark.parametrize(
    ("encoding", "mark", "charset"),
    [
        ("utf-8", b"\xef\xbb\xbf", "utf-8"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
    ],
)
def test_a_byte_order_mark_or_the_nuls_of_utf_16_decide(encoding: str, mark: bytes, charset: str) -> None:
    message = read_message(raw("8859/1", "Größe", encoding, mark))
    assert (message.segments[1].text(5), message.charset, message.warnings) == ("Größe", charset, [])


def test_the_senders_default_comes_before_windows_1252() -> None:
    message = read_message(raw("", "Škoda", "iso8859-2"), default_charset="iso8859-2")
    assert (message.segments[1].text(5), message.charset) == ("Škoda", "iso8859-2")


def test_bytes_that_windows_1252_lacks_are_kept() -> None:
    message = read_message(raw("", "a\x81b", "latin-1"))
    assert message.segments[1].text(5) == "a\x81b"
