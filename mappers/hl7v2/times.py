"""Dates and times of HL7v2 as FHIR writes them: precision kept, offset kept, the laboratory's zone where none is told.

DTM: HL7 v2.5.1 chapter 2.A.22, https://www.hl7.eu/HL7v2x/v251/std251/ch02A.html; https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,9})?)?)?)?)?)?([+-]\d\d:?\d\d|Z)?", re.ASCII
)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?([+-]\d\d:?\d\d|Z)?", re.ASCII)
_TM = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(\.\d{1,9})?)?)?(?:[+-]\d{4})?", re.ASCII)


class Time(NamedTuple):
    """A moment as FHIR writes it.

    `text` is a FHIR date or dateTime; `moment` the instant it means (the first one, for a date); `exact` is true when
    the time of day is known; `note` says in plain words what had to be chosen.
    """

    text: str
    moment: datetime
    exact: bool
    note: str = ""

    @property
    def date(self) -> str:
        """The part that is a FHIR date."""
        return self.text.partition("T")[0]


def read_time(raw: str, zone: ZoneInfo) -> Time | None:
    """A DTM, TS or DT (its first component), or an ISO 8601 date; None for what no calendar has."""
    match = _DTM.fullmatch(raw) or _ISO.fullmatch(raw)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if hour is None:
            first = date(int(year), int(month or 1), int(day or 1))
            midnight = datetime(first.year, first.month, first.day, tzinfo=zone)
            return Time("-".join(filter(None, (year, month, day))), midnight.astimezone(UTC), False)
        local = datetime(int(year), int(month), int(day), int(hour), int(minute or 0), int(second or 0))
        delta, note = _offset(local, offset, zone)
        micros = int(float(fraction) * 1_000_000) if fraction else 0
        moment = (local.replace(microsecond=micros) - delta).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    text = f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{fraction or ''}{_written(delta)}"
    return Time(text, moment, True, note)


def _offset(local: datetime, offset: str | None, zone: ZoneInfo) -> tuple[timedelta, str]:
    if offset == "Z":
        return timedelta(0), ""
    if offset:
        delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        if delta > timedelta(hours=14) or int(offset[-2:]) > 59:
            raise ValueError(offset)
        return (-delta if offset[0] == "-" else delta), ""
    delta, later = (_minutes(local.replace(tzinfo=zone, fold=fold).utcoffset()) for fold in (0, 1))
    note = ""
    if later < delta:
        note = "happened twice that night (end of summer time); the first one was taken"
    elif later > delta:
        note = "did not exist that night (start of summer time); it was read with the offset of before"
    return delta, note


def _minutes(delta: timedelta | None) -> timedelta:
    """Whole minutes: zones had odd seconds a century ago, and FHIR cannot write those."""
    return timedelta(minutes=(delta or timedelta(0)) // timedelta(minutes=1))


def _written(delta: timedelta) -> str:
    minutes = delta // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def read_time_of_day(raw: str) -> str | None:
    """A TM as a FHIR time, `hh:mm:ss`; an offset is left out, since a FHIR time has none."""
    match = _TM.fullmatch(raw)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        return None
    return f"{hour}:{minute or '00'}:{second or '00'}{fraction or ''}"


def instant(moment: datetime) -> str:
    """An aware datetime as a FHIR instant in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(text: object) -> datetime | None:
    """The instant of a stored FHIR instant or dateTime with an offset; None for anything else."""
    if not isinstance(text, str) or "T" not in text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
