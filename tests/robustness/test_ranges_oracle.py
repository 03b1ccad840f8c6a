"""Dates of a zone with clock changes and quantities with comparators: random ones against a reading of R4's own words.

The oracle knows no index: a date is the set of instants that it may mean, a quantity the set of numbers.
`--hypothesis-profile=explore` looks at thirty times as many searches. https://hl7.org/fhir/R4/search.html#prefix
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import hypothesis
import pytest

from fhir_lab.documents import ExactDecimal
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from tests.support.finding import UCUM, Finder

Json = dict[str, Any]
ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 12, 1, tzinfo=UTC)
PREFIXES = ("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
INFINITY = Decimal("Infinity")
# Around both clock changes of 2026, and far from them.
DAYS = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30), date(2026, 10, 24), date(2026, 10, 25)]
DAYS += [date(2026, 10, 26), date(2026, 7, 1), date(2025, 12, 31), date(2026, 1, 1), date(2024, 2, 29)]
UNITS = {"mg": Decimal("0.001"), "g": Decimal(1), "kg": Decimal(1000), "ug": Decimal("0.000001")}
NUMBERS = ("0", "-1", "1", "1.0", "5", "5.0", "5.00", "4.9", "5.05", "5.5", "100", "1e2", "0.005", "5000", "4999.5")


def turns(few: int) -> int:
    """How many searches to make."""
    return few * 30 if hypothesis.settings.default.max_examples > 1000 else few


# --- dates -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """From `low` until `high`, which is not part of it; None is endless."""

    low: datetime | None
    high: datetime | None


def instants(text: str) -> Span:
    """Every instant that a date, dateTime or instant may mean in the laboratory's zone."""
    day, _, time = text.partition("T")
    if not time:
        parts = [int(part) for part in day.split("-")]
        first = date(*[*parts, 1, 1][:3])
        following = (
            first.replace(year=first.year + 1)
            if len(parts) == 1
            else (first.replace(day=28) + timedelta(days=4)).replace(day=1)
            if len(parts) == 2
            else first + timedelta(days=1)
        )
        return Span(
            *(datetime(each.year, each.month, each.day, tzinfo=ZONE).astimezone(UTC) for each in (first, following))
        )
    plain, zone = time, ""
    if time.endswith("Z") or time[-6:-5] in ("+", "-"):
        plain, zone = (time[:-1], "Z") if time.endswith("Z") else (time[:-6], time[-6:])
    width = timedelta(minutes=1) if len(plain) == 5 else timedelta(seconds=1)
    if "." in plain:
        width = timedelta(seconds=1) / 10 ** len(plain.partition(".")[2])
    local = datetime.fromisoformat(f"{day}T{plain}")
    if zone:
        low = datetime.fromisoformat(f"{day}T{plain}{zone.replace('Z', '+00:00')}").astimezone(UTC)
        return Span(low, low + width)
    both = [local.replace(tzinfo=ZONE, fold=fold).astimezone(UTC) for fold in (0, 1)]
    # An hour that comes twice means both; one that is left out is read with the offset before the change.
    return Span(both[0], max(both) + width)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def period(start: str | None, end: str | None) -> Span:
    return Span(instants(start).low if start else None, instants(end).high if end else None)


def is_date(target: Span, prefix: str, wanted: Span) -> bool:
    low, high = target.low or datetime.min.replace(tzinfo=UTC), target.high or datetime.max.replace(tzinfo=UTC)
    assert wanted.low is not None
    assert wanted.high is not None
    start, end = wanted.low, wanted.high
    inside = start <= low and high <= end
    if prefix == "ap":
        around = abs(NOW - (start + (end - start) / 2)) / 10
        return low < end + around and high > start - around
    return {
        "": inside, "eq": inside, "ne": not inside, "gt": high > end, "ge": high > end or inside,
        "lt": low < start, "le": low < start or inside, "sa": low >= end, "eb": high <= start,
    }[prefix]  # fmt: skip


def written(random: Random, *, zoned: bool) -> str:
    """A date of any precision; with a time it has an offset, unless a search may leave it out."""
    day = random.choice(DAYS)
    length = random.choice((4, 7, 10, 16, 19, 23))
    hour, minute = random.choice(((0, 0), (1, 30), (2, 0), (2, 30), (3, 0), (23, 59), (22, 0), (23, 0)))
    text = f"{day.isoformat()}T{hour:02d}:{minute:02d}:{random.choice((0, 59)):02d}.{random.choice((0, 500)):03d}"[
        :length
    ]
    if length <= 10:
        return text
    offset = random.choice(("Z", "+01:00", "+02:00", "-05:00", "+14:00", *([] if zoned else ["", "", "", ""])))
    return (text if length > 16 or not zoned else f"{text}:00") + offset


@pytest.fixture
def berlin(services: Services) -> Iterator[Finder]:
    """A laboratory in Berlin."""
    found = Services(Settings(**{**services.settings.model_dump(), "timezone": "Europe/Berlin"}))
    found.clock.set(NOW)
    yield Finder(found)
    found.close()


def test_dates_are_found_as_the_zone_reads_them(berlin: Finder) -> None:
    random = Random(1)
    targets: dict[str, Span] = {}
    births: dict[str, Span] = {}
    made: list[Json] = [{"resourceType": "Patient", "id": "p"}]
    for n in range(150):
        one = {"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "x"}}
        if n % 4:
            text = written(random, zoned=True)
            made.append(one | {"effectiveDateTime": text})
            targets[f"o{n}"] = instants(text)
        else:
            start, end = sorted(
                (written(random, zoned=True) for _ in range(2)), key=lambda each: instants(each).low or NOW
            )
            ends = {"start": start} if n % 3 == 0 else {"end": end} if n % 3 == 1 else {"start": start, "end": end}
            made.append(one | {"effectivePeriod": ends})
            targets[f"o{n}"] = period(ends.get("start"), ends.get("end"))
    for n, day in enumerate([text[:length] for text in map(str, DAYS) for length in (4, 7, 10)]):
        made.append({"resourceType": "Patient", "id": f"b{n}", "birthDate": day})
        births[f"b{n}"] = instants(day)
    berlin.put(*made)
    wrong = []
    for turn in range(turns(250)):
        name, code, known = (("Observation", "date", targets), ("Patient", "birthdate", births))[turn % 3 == 0]
        prefix, text = random.choice(PREFIXES), written(random, zoned=False)
        expected = {key for key, span in known.items() if is_date(span, prefix, instants(text))}
        if berlin.found(name, urlencode({code: prefix + text})) != expected:
            wrong.append((name, prefix + text))
    assert wrong == []


# --- quantities ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Amount:
    """The numbers from `low` to `high` in grams; `closed` ends belong to it. A point also has its digits' range."""

    low: Decimal
    high: Decimal
    closed: tuple[bool, bool] = (True, True)
    digits: tuple[Decimal, Decimal] | None = None


def digits(text: str) -> tuple[Decimal, Decimal]:
    """What the written digits leave open; R4 reads 1e2 as 95 to 105."""
    number = Decimal(text)
    exponent = int(number.as_tuple().exponent)
    half = Decimal(5).scaleb(exponent - (2 if exponent > 0 else 1))
    return number - half, number + half


def amount(text: str, unit: str, comparator: str) -> Amount:
    factor, number = UNITS[unit], Decimal(text) * UNITS[unit]
    if comparator:
        low, high = (-INFINITY, number) if "<" in comparator else (number, INFINITY)
        return Amount(low, high, (comparator != ">", comparator != "<"))
    start, end = digits(text)
    return Amount(number, number, digits=(start * factor, end * factor))


def is_amount(target: Amount, prefix: str, number: Decimal, start: Decimal, end: Decimal) -> bool:
    first, last = target.digits or (target.low, target.high)
    same = (start <= first and last <= end) or (target.digits is not None and target.low == number)
    if prefix == "ap":
        width = abs(number) / 10
        return first < max(end, number + width) and last > min(start, number - width)
    lowest, highest = target.closed
    return {
        "": same, "eq": same, "ne": not same,
        "lt": target.low < number, "le": target.low < number or (target.low == number and lowest),
        "gt": target.high > number, "ge": target.high > number or (target.high == number and highest),
        "sa": target.low > number or (target.low == number and not lowest),
        "eb": target.high < number or (target.high == number and not highest),
    }[prefix]  # fmt: skip


def test_quantities_are_found_across_units_and_comparators(services: Services) -> None:
    finder, random = Finder(services), Random(2)
    known: dict[str, Amount] = {}
    made: list[Json] = []
    for n in range(200):
        text, unit = random.choice(NUMBERS), random.choice(list(UNITS))
        comparator = random.choice(("", "", "<", "<=", ">", ">="))
        value: Json = {"value": ExactDecimal(text), "system": UCUM, "code": unit}
        known[f"o{n}"] = amount(text, unit, comparator)
        quantity = value | ({"comparator": comparator} if comparator else {})
        one = {"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "x"}}
        made.append(one | {"valueQuantity": quantity})
    finder.put(*made)
    wrong = []
    for _ in range(turns(250)):
        prefix, text, unit = random.choice(PREFIXES), random.choice(NUMBERS), random.choice(list(UNITS))
        factor = UNITS[unit]
        start, end = (each * factor for each in digits(text))
        expected = {key for key, each in known.items() if is_amount(each, prefix, Decimal(text) * factor, start, end)}
        query = urlencode({"value-quantity": f"{prefix}{text}|{UCUM}|{unit}"})
        if finder.found("Observation", query) != expected:
            wrong.append(query)
    assert wrong == []
