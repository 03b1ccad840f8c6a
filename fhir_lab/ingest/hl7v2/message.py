"""The reader: the bytes of one message become segments with their delimiters, character set and warnings.

It knows nothing of FHIR and nothing of versions: every field has its number, every segment is kept, in order.
HL7 v2.5.1 chapter 2, https://www.hl7.eu/HL7v2x/v251/std251/ch02.html
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from fhir_lab.ingest.hl7v2.charset import decode
from fhir_lab.ingest.hl7v2.encoding import STANDARD, Encoding
from fhir_lab.ingest.hl7v2.framing import ends_in_segment, is_truncated, split_messages
from fhir_lab.ingest.hl7v2.reasons import MessageError, Reason
from fhir_lab.ingest.hl7v2.segment import Composite, Segment

__all__ = [
    "Composite",
    "Message",
    "MessageError",
    "Reason",
    "Segment",
    "is_truncated",
    "read_message",
    "split_messages",
]

_HEADER = re.compile(r"(?:\A|[\r\n])[ \t]*MSH(?=[!-/:-@\[-`{-~])|MSH(?=[!-/:-@\[-`{-~])")
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REMOVED = {**dict.fromkeys([*range(9), 11, *range(14, 32), 127]), 12: " "}
_UNUSED = "\x1f"
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
# Segments whose names are read in small letters too, and alone on a line.
_KNOWN = frozenset(
    ("MSH", "SFT", "PID", "PD1", "NK1", "PV1", "PV2", "ORC", "OBR", "TQ1", "OBX", "SPM", "NTE", "CTD", "PRT", "DSC")
)


@dataclass
class Message:
    """One message as it was sent.

    `charset` is the set the bytes were read in; `warnings` say in plain words what the reader had to put right.
    """

    segments: list[Segment]
    encoding: Encoding
    charset: str
    warnings: list[str]

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    @cached_property
    def sender(self) -> str:
        """Who sent it, for people and the journal: `MSH-3|MSH-4`, the namespace or else the universal id of each."""
        names = (self.header[number][1] or self.header[number][2] for number in (3, 4))
        return "|".join(name for name in names if name)

    @cached_property
    def control_id(self) -> str:
        """MSH-10; not unique in practice."""
        return self.header.text(10)

    @cached_property
    def message_type(self) -> str:
        """MSH-9 as `ORU^R01`."""
        kind = self.header[9]
        return "^".join(part for part in (kind[1], kind[2]) if part)

    @cached_property
    def version(self) -> str:
        """MSH-12, as written: nothing depends on it."""
        return self.header.code(12)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what the message says: without MSH-7 and MSH-10, whatever its line ends or bytes."""
        header = [field for number, field in enumerate(self.header.fields) if number not in (7, 10)]
        lines = [self.encoding.field.join(header), *(segment.raw for segment in self.segments[1:])]
        return hashlib.sha256("\r".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def read_message(raw: bytes, default_charset: str = "") -> Message:
    """The bytes of one message, as `split_messages` gives them, as a `Message`.

    `default_charset` (a Python name) is used for bytes that neither MSH-18 nor UTF-8 explains. Raises `MessageError`
    when there is no MSH or its delimiters cannot be used; nothing else.
    """
    text, charset, warnings = decode(raw, default_charset)
    found = _HEADER.search(text)
    if found is None:
        raise MessageError(
            Reason(
                "no-header",
                "MSH[1]",
                "MSH-1",
                text.strip()[:40],
                "a message that starts with MSH and a field separator",
                "Check that this file holds HL7 version 2 messages.",
            )
        )
    if text[: found.start()].strip():
        warnings.append("There is text before MSH; it was left out.")
    text = text[found.end() - 3 :]
    if _CONTROL.search(text):
        text = text.translate(_REMOVED)
        warnings.append("Control characters (NUL, form feed and the like) were taken out of the text.")
    encoding = _encoding(text, charset, warnings)
    segments = _segments(text, encoding, warnings)
    last = segments[-1]
    # A note may end anywhere, so nobody can tell whether it is whole.
    last.cut = len(segments) > 1 and last.name != "NTE" and ends_in_segment(text.encode("utf-8", "replace"))
    if last.cut:
        warnings.append(f"The message ends in the middle of {last.position}.")
    return Message(segments, encoding, charset, warnings)


def _encoding(text: str, charset: str, warnings: list[str]) -> Encoding:
    header = _LINE_END.split(text, maxsplit=1)[0]
    field = header[3]
    written = header[4:].split(field, 1)[0].strip()
    characters = written
    if len(written) < 4 and _in_order(written, STANDARD) and field not in STANDARD:
        characters = STANDARD
        warnings.append(f"MSH-2 is '{written}'; the usual {STANDARD} was used.")
    elif len(written) < 4:
        spare = [mark for mark in STANDARD if mark not in written + field]
        characters = (written + STANDARD[len(written) :])[:4]
        characters = "".join(
            mark if place < len(written) or mark in spare else "" for place, mark in enumerate(characters)
        )
        warnings.append(f"MSH-2 is '{written}'; it should hold four characters.")
    marks = field + characters[:5]
    if len(set(marks)) != len(marks) or any(mark.isalnum() or mark.isspace() for mark in marks) or len(marks) < 3:
        raise MessageError(
            Reason(
                "delimiters",
                "MSH[1]",
                "MSH-2",
                f"{field}{written[:10]}",
                "a field separator and four more characters, all different, no letters or digits, usually |^~\\&",
                "Ask the sender to correct MSH-1 and MSH-2: with these, fields and components cannot be told apart.",
            )
        )
    component, repetition, escape, subcomponent, truncation = [*characters[:5], "", "", "", ""][:5]
    # A delimiter that is not used must be one that no text holds.
    return Encoding(field, component, repetition or _UNUSED, escape, subcomponent or _UNUSED, truncation, charset)


def _in_order(some: str, all_of: str) -> bool:
    rest = iter(all_of)
    return all(mark in rest for mark in some)


def _segments(text: str, encoding: Encoding, warnings: list[str]) -> list[Segment]:
    found: list[list[str]] = []
    for line in _LINE_END.split(text):
        stripped = line.lstrip()
        if not stripped:
            continue
        name = _name(stripped, encoding.field)
        if name == "ADD" and found:
            found[-1][-1] += stripped[4:]
        elif name:
            found.append([name, stripped])
        else:
            found[-1].append(line)
    counts: dict[str, int] = {}
    segments = []
    for name, *lines in found:
        counts[name] = counts.get(name, 0) + 1
        shifted = any(encoding.field in line for line in lines[1:-1])
        segment = Segment(name, counts[name], "\n".join(lines), encoding, shifted)
        segments.append(segment)
        if len(lines) > 1:
            warnings.append(f"{segment.position} goes on over {len(lines)} lines; they were joined.")
    return segments


def _name(line: str, separator: str) -> str:
    """The segment name that a line starts with, or empty for a line that goes on with the one before."""
    name = line[:3]
    if line[3:4] == separator:
        if _NAME.fullmatch(name):
            return name
        return name.upper() if name.upper() in _KNOWN else ""
    return name if name in _KNOWN and not line[3:].strip() else ""
