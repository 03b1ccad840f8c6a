"""Escape sequences are decoded once; what is no escape sequence stays."""

import pytest

from fhir_lab.ingest.hl7v2.encoding import Encoding

USUAL = Encoding("|", "^", "~", "\\", "&")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"A\F\B", "A|B"),
        (r"\S\\T\\R\\E\\P\ ", "^&~\\# "),
        (r"line\.br\next", "line\nnext"),
        (r"\.br\\.br\ ", "\n\n "),
        (r"a\.sp2\b", "a\n\nb"),
        (r"a\.sk3\b", "a   b"),
        (r"\.in4\a\.ti-2\b\.fi\c\.nf\d", "abcd"),
        (r"\.ce\title", "\ntitle"),
        (r"\H\bold\N\ ", "bold "),
        (r"\X0D0A\ ", "\n "),
        (r"\X0D\\X0A\ ", "\n\n "),
        (r"\XC3A9\ ", "é "),
        (r"\XE4\ ", "ä "),
        (r"\x4a4B\ ", "JK "),
        (r"\X00\ ", " "),
        (r"\Zx1\local \C2842\ \Mxyz\ ", r"\Zx1\local \C2842\ \Mxyz\ "),
        (r"\XE\ ", r"\XE\ "),
        (r"C:\temp\lab", r"C:\temp\lab"),
        (r"open \F", r"open \F"),
        (r"\E\F\E\ ", "\\F\\ "),
        (r"\E\.br\E\ ", "\\.br\\ "),
        ("no escape", "no escape"),
        ("", ""),
    ],
)
def test_a_sequence_is_decoded_once(written: str, text: str) -> None:
    assert USUAL.unescape(written) == text


def test_escapes_mean_the_delimiters_of_the_message() -> None:
    odd = Encoding("^", "~", "|", "$", "@", "!")
    assert odd.unescape(r"$F$$S$$R$$T$$E$$P$\F\ ") == r"^~|@$!\F\ "


def test_without_an_escape_character_nothing_is_decoded() -> None:
    assert Encoding("|", "^", "~", "", "&").unescape(r"a\F\b") == r"a\F\b"


def test_bytes_are_in_the_character_set_of_the_message() -> None:
    assert Encoding("|", "^", "~", "\\", "&", charset="iso8859-2").unescape(r"\XA9\koda") == "Škoda"
