"""Documents and images inside a result: ED and RP as Attachment.

What MSH and ED say about the content is often wrong, so the first bytes decide.
https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-datatype-ed-to-attachment.html
"""

import base64
import binascii
import re
from typing import Any

from fhir_lab.ingest.hl7v2.message import Composite

ATTACHMENT_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.valueAttachment"
PDF = "application/pdf"
_MAGIC = (
    (b"%PDF", PDF),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"{\\rtf", "application/rtf"),
    (b"<?xml", "application/xml"),
    (b"PK\x03\x04", "application/zip"),
)
_TOP_LEVEL = ("application", "audio", "image", "multipart", "text", "video", "model", "font")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]+")
_SUBTYPES = {"PDF": PDF, "RTF": "application/rtf", "HTML": "text/html", "XML": "application/xml", "TXT": "text/plain"}
_IMAGES = ("JPEG", "PNG", "GIF", "TIFF", "BMP")


def embedded(field: Composite, more: list[str], title: str) -> dict[str, Any] | None:
    """An ED as Attachment; None when its data cannot be decoded.

    `more` are the pieces of base64 that followed in segments of their own.
    """
    written = "".join([field[5] or field[len(field)], *more])
    encoding = field[4].upper()
    plain = encoding == "A" or (not encoding and content_type(field[2], field[3]).startswith("text/"))
    data = _text(written) if plain else _bytes(written, encoding)
    if data is None:
        return None
    kind = next((kind for mark, kind in _MAGIC if data.startswith(mark)), "") or content_type(field[2], field[3])
    if not kind:
        kind = "text/plain" if plain else "application/octet-stream"
    attachment: dict[str, Any] = {"contentType": kind, "data": base64.b64encode(data).decode(), "size": len(data)}
    return attachment | ({"title": title} if title else {})


def pointer(field: Composite, title: str) -> dict[str, Any] | None:
    """An RP as Attachment; None when it points nowhere."""
    if not field[1]:
        return None
    kind = content_type(field[3], field[4])
    attachment = {"contentType": kind} if kind else {}
    return {**attachment, "url": re.sub(r"\s", "%20", field[1]), **({"title": title} if title else {})}


def continues(field: Composite) -> bool:
    """True for an ED that holds nothing but more base64 of the one before it."""
    return len(field) == 1


def content_type(kind: str, subtype: str) -> str:
    """The MIME type that ED.2 and ED.3 mean, written in the HL7 way (`Image^BMP`, `AP^PDF`) or the MIME way."""
    kind, subtype = kind.strip(), subtype.strip()
    if "/" in kind or "/" in subtype:
        return next(name.lower() for name in (kind, subtype) if "/" in name)
    upper = subtype.upper()
    if upper in _SUBTYPES:
        return _SUBTYPES[upper]
    if upper in _IMAGES:
        return f"image/{upper.lower()}"
    if kind.lower() in _TOP_LEVEL and _TOKEN.fullmatch(subtype):
        return f"{kind}/{subtype}".lower()
    return "text/plain" if kind.upper() in ("TX", "FT", "TEXT") else ""


def _text(written: str) -> bytes | None:
    return written.encode() if written else None


def _bytes(written: str, encoding: str) -> bytes | None:
    packed = re.sub(r"\s+", "", written)
    if not packed:
        return None
    if encoding == "HEX" and re.fullmatch(r"([0-9A-Fa-f]{2})+", packed):
        return bytes.fromhex(packed)
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
