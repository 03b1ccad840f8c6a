"""From bytes to text: which character set is it really, whatever MSH-18 says?

In this order: byte order mark; ISO 2022 where MSH-18 names it; a multi-byte set that MSH-18 names; bytes that are
valid UTF-8; the single-byte set of MSH-18; the sender's default; windows-1252. Table 0211:
https://terminology.hl7.org/CodeSystem-v2-0211.html
"""

import codecs
import re

_SINGLE = {
    "8859/1": "cp1252",  # a superset: senders declare Latin-1 and send the quotes and dashes of windows-1252
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "cp1254",
    "8859/15": "iso8859-15",
}
_MULTI = {
    "BIG-5": "big5",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "EUC-JP": "euc_jp",
    "SHIFT_JIS": "shift_jis",
}
_ISO_2022 = {
    "ISO IR14": "iso2022_jp_2",
    "ISO IR87": "iso2022_jp_2",
    "ISO IR159": "iso2022_jp_2",
    "ISO-2022-JP": "iso2022_jp_2",
}
_UNICODE = {"UNICODE", "UNICODE UTF-8", "UTF-8", "UTF8"}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HEADER = re.compile(rb"MSH([^\r\n\x00])([^\r\n]*)")


def utf16(data: bytes) -> str:
    """`utf-16-le` or `utf-16-be` when the bytes are UTF-16, by mark or by the NULs around `MSH`; else empty."""
    for mark, name in _BOMS[1:]:
        if data.startswith(mark):
            return name
    place = data[:200].find(b"M\x00S\x00H")
    if place < 0:
        return ""
    return "utf-16-be" if place % 2 else "utf-16-le"


def declared(data: bytes) -> str:
    """MSH-18, first repetition, as it is written; empty if there is none."""
    header = _HEADER.search(data)
    if header is None:
        return ""
    fields = header[2].split(header[1])
    name = fields[16] if len(fields) > 16 else b""
    return re.split(rb"[~^]", name)[0].decode("ascii", "replace").strip()


def decode(data: bytes, default: str = "") -> tuple[str, str, list[str]]:
    """The text, the name of the character set it was read in, and warnings in plain words.

    `default` is the character set (a Python name) of a sender that does not tell.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), name, []
    if wide := utf16(data):
        return data.decode(wide, "replace"), wide, []
    said = declared(data)
    known = said.upper()
    if known in _ISO_2022 and b"\x1b" in data and (text := _try(data, _ISO_2022[known])) is not None:
        return text, _ISO_2022[known], []
    if data.isascii():
        return data.decode("ascii"), "ascii", []
    return _eight_bit(data, said, default)


def _eight_bit(data: bytes, said: str, default: str) -> tuple[str, str, list[str]]:
    known = said.upper()
    if known in _MULTI and (text := _try(data, _MULTI[known])) is not None:
        return text, _MULTI[known], []
    if (text := _try(data, "utf-8")) is not None:
        fits = not said or known in _UNICODE
        return text, "utf-8", [] if fits else [f"MSH-18 says '{said}', but the bytes are UTF-8 and were read as UTF-8."]
    if known in _SINGLE and (text := _try(data, _SINGLE[known])) is not None:
        return text, _SINGLE[known], []
    if default and (text := _try(data, default)) is not None:
        return text, default, []
    warning = f"The bytes are not in the character set of MSH-18 ('{said}') nor UTF-8; they were read as windows-1252."
    text = _try(data, "cp1252")
    return (data.decode("latin-1") if text is None else text), "cp1252", [warning]


def _try(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None
