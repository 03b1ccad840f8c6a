"""Search values: what a date, a number, a string or a reference means as a range or a key.

The index stores these values and a search compares with them, so both sides call the same functions.
https://hl7.org/fhir/R4/search.html#prefix, #date, #number, #string, #reference
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fhir_lab.clock import EPOCH

# The open end of a period, in microseconds: before and after every date that FHIR can write.
FAR_PAST = -(2**62)
FAR_FUTURE = 2**62

# PostgreSQL refuses index entries over 2,704 bytes. A character takes up to 4.
KEY_LENGTH = 300
KEY_HEAD = KEY_LENGTH - 64
NORM_LENGTH = 600

# A double holds no more.
MAX_EXPONENT = 400

DAY = 86_400_000_000
_EPOCH_DAY = EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)
_DATE_TIME = re.compile(
    r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01])"
    r"(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:\.(\d+))?)?(Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))?)?)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,4})?", re.ASCII)
_REFERENCE = re.compile(
    r"(?:(https?://.+)/)?([A-Z][A-Za-z]{1,39})/([A-Za-z0-9.-]{1,64})(?:/_history/([A-Za-z0-9.-]{1,64}))?", re.ASCII
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


class Place(NamedTuple):
    """Where a resource is read: the laboratory's zone and the server's FHIR base URL."""

    zone: ZoneInfo
    base: str


class ParsedReference(NamedTuple):
    """A literal reference. Local: type and id, `url` empty. Elsewhere: `url` without version, `type` if it shows."""

    type: str
    id: str
    version: str
    url: str


def date_range(literal: str, zone: ZoneInfo) -> tuple[int, int]:
    """The half-open range [low, high) in microseconds UTC that a FHIR date, dateTime or instant means.

    Years, months and days, and times without an offset, are those of `zone`. A local time that a clock change repeats
    means both; one that it leaves out is read with the offset before the change. Minutes may stand without seconds.
    Raises `ValueError` for anything else, `24:00` among it.
    """
    match = _DATE_TIME.fullmatch(literal)
    if match is None:
        raise ValueError(f"'{literal}' is not a date, dateTime or instant")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if day is None:
            return _calendar_range(int(year), int(month) if month else None, zone)
        ordinal = date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        raise ValueError(f"'{literal}' is not in the calendar") from None
    if hour is None:
        return _midnight(ordinal, zone), _midnight(ordinal + 1, zone)
    local = (ordinal - _EPOCH_DAY) * DAY + (int(hour) * 60 + int(minute)) * 60_000_000
    width = 60_000_000
    if second is not None:
        local += int(second) * 1_000_000
        width = 1_000_000
    if fraction is not None:
        digits = fraction[:6]
        width = 10 ** (6 - len(digits))
        local += int(digits) * width
    if offset is None:
        return _local_range(local, width, zone)
    low = local - _offset_micros(offset)
    return low, low + width


def _calendar_range(year: int, month: int | None, zone: ZoneInfo) -> tuple[int, int]:
    first = date(year, month or 1, 1).toordinal()
    days = (
        date(year, 12, 31).toordinal() if month is None or month == 12 else date(year, month + 1, 1).toordinal() - 1
    ) - first
    return _midnight(first, zone), _midnight(first + days + 1, zone)


def _offset_micros(offset: str) -> int:
    if offset == "Z":
        return 0
    micros = (int(offset[1:3]) * 60 + int(offset[4:6])) * 60_000_000
    return -micros if offset[0] == "-" else micros


def _utc(local: int, zone: ZoneInfo, fold: int = 0) -> int:
    """Local microseconds as UTC microseconds. The zone's rules of 9999 hold for the instant that ends it."""
    try:
        naive = datetime.fromordinal(_EPOCH_DAY + local // DAY) + timedelta(microseconds=local % DAY)
    except ValueError:
        naive = datetime.max
    offset = naive.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()
    return local - offset // _MICROSECOND


def _midnight(ordinal: int, zone: ZoneInfo) -> int:
    return _utc((ordinal - _EPOCH_DAY) * DAY, zone)


def _local_range(local: int, width: int, zone: ZoneInfo) -> tuple[int, int]:
    low = _utc(local, zone)
    return low, max(low, _utc(local, zone, fold=1)) + width


def period_range(period: Mapping[str, Any], zone: ZoneInfo) -> tuple[int, int]:
    """The range of a Period; a missing start or end is FAR_PAST or FAR_FUTURE.

    Raises `ValueError` when both are missing, one is malformed, or the end is before the start.
    """
    start, end = period.get("start"), period.get("end")
    if start is None and end is None:
        raise ValueError("the Period has neither start nor end")
    low = FAR_PAST if start is None else date_range(start, zone)[0]
    high = FAR_FUTURE if end is None else date_range(end, zone)[1]
    if high <= low:
        raise ValueError("the Period ends before it starts")
    return low, high


def timing_range(timing: Mapping[str, Any], zone: ZoneInfo) -> tuple[int, int]:
    """The outer limits of a Timing: its events and the Period that bounds it. What repeats in between does not count.

    Raises `ValueError` when it has neither, or one is malformed.
    """
    ranges = [date_range(event, zone) for event in timing.get("event", ()) if event is not None]
    bounds = timing.get("repeat", {}).get("boundsPeriod")
    if bounds is not None:
        ranges.append(period_range(bounds, zone))
    if not ranges:
        raise ValueError("the Timing names no date")
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def number_range(literal: str | int | Decimal) -> tuple[float, float, float]:
    """(value, low, high): a number and the half-open range that its precision implies.

    100 is [99.5, 100.5), 5.40 is [5.395, 5.405); R4 reads 1e2 as [95, 105), one digit more than it has.
    Raises `ValueError` for what is not a finite decimal.
    """
    if isinstance(literal, int):
        return float(literal), literal - 0.5, literal + 0.5
    if isinstance(literal, str) and not _NUMBER.fullmatch(literal):
        raise ValueError(f"'{literal}' is not a number")
    number = Decimal(literal)
    exponent = number.as_tuple().exponent
    value = float(number)
    if not isinstance(exponent, int) or not isfinite(value) or abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"'{literal}' is out of range")
    half = Decimal(5).scaleb(exponent - 2 if exponent > 0 else exponent - 1)
    return value, float(number - half), float(number + half)


def normalise(text: str) -> str:
    """A string as searches compare it: lower case, without accents, white space folded, at most NORM_LENGTH
    characters.
    """
    return " ".join(folded(text).split())[:NORM_LENGTH]


def folded(text: str) -> str:
    """A text in lower case and without accents."""
    return text.lower() if text.isascii() else _without_marks(_without_marks(text.casefold()).casefold())


def _without_marks(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def key(text: str) -> str:
    """A token, URI or URL as the index keeps it and searches look it up.

    A text over KEY_LENGTH characters is cut, and its SHA-256 tells it from others that begin the same.
    """
    if len(text) <= KEY_LENGTH:
        return text
    return text[:KEY_HEAD] + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def parse_reference(text: str, base: str) -> ParsedReference | None:
    """What a Reference.reference or the value of a reference parameter points to; `base` is the server's own FHIR URL.

    None for `#contained` and for text that is neither `Type/id` nor an absolute URL or URN (a bare id is the caller's).
    """
    match = _REFERENCE.fullmatch(text)
    if match:
        server, type_, id_, version = match.groups()
        if server is None or server == base:
            return ParsedReference(type_, id_, version or "", "")
        return ParsedReference(type_, id_, version or "", f"{server}/{type_}/{id_}")
    if _ABSOLUTE.fullmatch(text):
        return ParsedReference("", "", "", text)
    return None
