"""The messages inside a file: batches, MLLP frames, byte order marks, text around them, and files cut short.

Batches: HL7 v2.5.1 chapter 2.10.3; frames: https://www.hl7.org/documentcenter/public/wg/inm/mllp_transport_specification.PDF
"""

import codecs
import re
from itertools import pairwise

from fhir_lab.ingest.hl7v2.charset import utf16

START, END = b"\x0b", b"\x1c"
_PUNCTUATION = rb"[!-/:-@\[-`{-~]"
_LINE = rb"(?:\A|[\r\n\x0b\x1c])[ \t\x00]*"
_MSH = re.compile(_LINE + rb"(?:\xef\xbb\xbf)?(MSH)(?=" + _PUNCTUATION + rb")")
_MSH_ANYWHERE = re.compile(rb"(MSH)(?=" + _PUNCTUATION + rb")")
_BATCH = re.compile(_LINE + rb"(?:FHS|BHS|BTS|FTS)(?=" + _PUNCTUATION + rb"|[\r\n]|\Z)")
_BATCH_START = re.compile(_LINE + rb"(?:\xef\xbb\xbf)?(FHS|BHS)" + _PUNCTUATION)
_BATCH_END = re.compile(_LINE + rb"(FTS|BTS)(?=" + _PUNCTUATION + rb"|[\r\n]|\Z)")
_ENDS = re.compile(rb"[\r\n]+")
# The field that tells that a last segment without a terminator is whole: the status of a result, ...
_FAR_ENOUGH = {b"OBX": 11, b"OBR": 25, b"SPM": 17}
_MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def split_messages(data: bytes) -> list[bytes]:
    """The raw bytes of each message of a file, in order; none if there is no MSH.

    Frames, batch headers and trailers, byte order marks and text outside of messages are left out. Each message ends
    with a segment terminator, except the last one of a file that ends without.
    """
    if wide := utf16(data):
        text = data.decode(wide, "replace").lstrip("\ufeff")
        return [
            _MARKS[wide] + message.decode().encode(wide) for message in _split(text.encode("utf-8", "surrogatepass"))
        ]
    return _split(data)


def _split(data: bytes) -> list[bytes]:
    starts = [match.start(1) for match in _MSH.finditer(data)]
    if not starts and (found := _MSH_ANYWHERE.search(data)):
        starts = [found.start(1)]
    return [_message(data[start:stop], stop < len(data)) for start, stop in pairwise([*starts, len(data)])]


def _message(chunk: bytes, closed: bool) -> bytes:
    body, end, _ = chunk.partition(END)
    if batch := _BATCH.search(body):
        body, end = body[: batch.start()], END
    body = body.rstrip(b" \t\x00\x0b")
    if (closed or end) and not body.endswith((b"\r", b"\n")):
        body += b"\r"
    return body


def is_truncated(data: bytes) -> bool:
    """True when the file seems to end in the middle of a segment, so that the rest may still come.

    An open MLLP frame or batch is cut short; so is a last segment without a terminator, unless it has come far enough
    (an OBX to its status or as far as the others), because many senders leave the last terminator out.
    """
    if wide := utf16(data):
        data = data.decode(wide, "replace").lstrip("\ufeff").encode("utf-8", "replace")
    if not data.strip(b"\r\n \t\x00"):
        return False
    if data.rstrip(b"\r\n \t\x00\x0b").rfind(START) > data.rfind(END):
        return True
    if _BATCH_START.search(data):
        return _BATCH_END.search(data) is None
    messages = _split(data)
    return not messages or ends_in_segment(messages[-1])


def ends_in_segment(message: bytes) -> bool:
    """True when the last segment of one message has no terminator and does not look complete."""
    if message.endswith((b"\r", b"\n")):
        return False
    segments = [line.strip() for line in _ENDS.split(message) if line.strip()]
    if len(segments) < 2:
        return True
    separator = segments[0][3:4]
    last = segments[-1].split(separator)
    end = _FAR_ENOUGH.get(last[0], len(last))
    if len(last) > end + 1 or (len(last) == end + 1 and last[end].strip()):
        return False
    others = [line.split(separator) for line in segments[:-1] if line.startswith(b"OBX" + separator)]
    if last[0] != b"OBX" or not others:
        return True
    with_status = any(len(other) > end and other[end].strip() for other in others)
    return with_status or len(last) < min(map(len, others))
