"""A naive reader of searches: walks every document for every question, and shares no code with the server.

https://hl7.org/fhir/R4/search.html
"""

import re
import unicodedata
from calendar import isleap, monthrange
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.oracle_paths import COMPOSITES, TABLES, UNITS, parameters

Json = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENDLESS = 10**30
DAY = 86_400_000_000
UCUM = "http://unitsofmeasure.org"
# Systems of `code` elements, which a search may name.
IMPLIED = {
    ("", "gender"): "http://hl7.org/fhir/administrative-gender",
    ("Observation", "status"): "http://hl7.org/fhir/observation-status",
    ("DiagnosticReport", "status"): "http://hl7.org/fhir/diagnostic-report-status",
}
NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
ADDRESS_PARTS = ("line", "city", "district", "state", "postalCode", "country", "text")


# --- values ----------------------------------------------------------------------------------------------------------


def at(value: Any, path: str) -> Iterator[Any]:
    """Everything at a dotted path, through lists."""
    if isinstance(value, list):
        for item in value:
            yield from at(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        step, _, rest = path.partition(".")
        name, _, condition = step.partition("[")
        for child in _items(value.get(name)):
            if child is not None and _passes(child, condition.rstrip("]")):
                yield from at(child, rest)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _passes(child: Any, condition: str) -> bool:
    if condition.startswith("->"):
        return f"{condition[2:]}/" in str(child.get("reference", "")) or child.get("type") == condition[2:]
    name, _, wanted = condition.partition("=")
    return not condition or child.get(name) == wanted


def raw(element: Any, paths: Sequence[str]) -> list[tuple[Any, str]]:
    """(value, datatype if the path names one) for every path."""
    found = []
    for path in paths:
        plain, _, datatype = path.partition("!")
        found += [(value, datatype) for value in at(element, plain)]
    return found


def tokens(value: Any, datatype: str) -> list[tuple[str, str]]:
    """(system, code) pairs; a boolean or code has no system."""
    if isinstance(value, bool):
        return [("", "true" if value else "false")]
    if isinstance(value, str):
        return [("", value)]
    if datatype == "Identifier":
        return [(value.get("system", ""), value.get("value", ""))]
    if datatype == "Contact":
        return [("", called(value.get("value", "")))]
    codings = [value] if datatype == "Coding" else value.get("coding", [{}])
    return [(coding.get("system", ""), coding.get("code", "")) for coding in codings]


def called(text: str) -> str:
    """A phone number by its digits; another address without its case."""
    number = re.sub(r"\D", "", text)
    return number if number and not re.search(r"[^\W\d_]", text) else text.lower()


def contacted(text: str) -> str:
    """A search for an address, its value as `called` gives it."""
    system, bar, value = text.rpartition("|")
    return system + bar + called(value)


def texts(value: Any) -> list[str]:
    """The strings of a string, HumanName or Address."""
    if isinstance(value, str):
        return [value]
    parts = ADDRESS_PARTS if any(part in value for part in ("line", "city", "country", "postalCode")) else NAME_PARTS
    return [text for part in parts for text in _items(value.get(part)) if text is not None]


def span(literal: str) -> tuple[int, int]:
    """[low, high) in microseconds UTC of a date as it is written; without an offset it is read in UTC."""
    found = re.fullmatch(
        r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", literal
    )
    assert found is not None, literal
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    start = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), tzinfo=UTC)
    start += timedelta(seconds=int(second or 0))
    if offset and offset != "Z":
        away = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
        start += away if offset[0] == "-" else -away
    low = _micros(start)
    if month is None:
        return low, low + (366 if isleap(int(year)) else 365) * DAY
    if day is None:
        return low, low + monthrange(int(year), int(month))[1] * DAY
    if hour is None:
        return low, low + DAY
    if second is None:
        return low, low + 60_000_000
    if fraction is None:
        return low, low + 1_000_000
    digits = fraction[:6]
    width = 10 ** (6 - len(digits))
    return low + int(digits) * width, low + int(digits) * width + width


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def spans(value: Any) -> list[tuple[int, int]]:
    """The range of a date, Period or Timing."""
    if isinstance(value, str):
        return [span(value)]
    if "event" in value or "repeat" in value:
        found = [span(event) for event in value.get("event", [])]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        found += spans(bounds) if bounds else []
        return [(min(low for low, _ in found), max(high for _, high in found))] if found else []
    if "start" not in value and "end" not in value:
        return []
    low = span(value["start"])[0] if "start" in value else -ENDLESS
    high = span(value["end"])[1] if "end" in value else ENDLESS
    return [(low, high)]


def precise(literal: Decimal | int | str) -> tuple[Decimal, Decimal, Decimal]:
    """(value, low, high): a number and what its digits leave open; R4 reads `1e2` as 95 to 105."""
    number = Decimal(literal)
    exponent = int(number.as_tuple().exponent)
    half = Decimal(5).scaleb(exponent - (2 if exponent > 0 else 1))
    return number, number - half, number + half


def local(reference: Json, base: str) -> tuple[str, str] | None:
    """(type, id) of a reference to a resource of this server."""
    text = str(reference.get("reference", "")).removeprefix(f"{base}/")
    found = re.fullmatch(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?", text)
    return (found[1], found[2]) if found else None


# --- conditions ------------------------------------------------------------------------------------------------------


def parts(text: str, separator: str) -> list[str]:
    """Split at separators that no backslash precedes."""
    found, current, skip = [], "", False
    for character in text:
        if character == separator and not skip:
            found.append(current)
            current = ""
        else:
            current += character
        skip = character == "\\" and not skip
    return [*found, current]


def plain(text: str) -> str:
    """Without the escapes."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def folded(text: str) -> str:
    """Without case, accents and repeated white space."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(c) != "Mn")
    return " ".join(bare.casefold().split())


def is_token(pair: tuple[str, str], text: str, implied: str) -> bool:
    system, code = pair
    found = [plain(part) for part in parts(text, "|")]
    if len(found) == 1:
        return code == found[0]
    wanted = "" if implied and found[0] == implied and not system else found[0]
    return system == wanted and (not found[1] or code == found[1])


def is_string(value: str, text: str, modifier: str) -> bool:
    wanted = plain(text)
    if modifier == "exact":
        return value == wanted
    return folded(wanted) in folded(value) if modifier == "contains" else folded(value).startswith(folded(wanted))


def prefixed(text: str) -> tuple[str, str]:
    return (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)


def is_date(value: tuple[int, int], text: str, now: int) -> bool:
    prefix, literal = prefixed(text)
    (low, high), (start, end) = value, span(literal)
    if prefix == "ap":
        around = abs(now - (start + end) // 2) // 10
        return low < end + around and high > start - around
    equal = start <= low and high <= end
    return {
        "eq": equal,
        "ne": not equal,
        "gt": high > end,
        "lt": low < start,
        "ge": high > end or equal,
        "le": low < start or equal,
        "sa": low >= end,
        "eb": high <= start,
    }[prefix]


Bounds = tuple[Decimal, Decimal, Decimal]


def is_number(value: Bounds, prefix: str, wanted: Bounds) -> bool:
    """Of a point: its value, and the range that its digits leave open."""
    (number, low, high), (exact, start, end) = value, wanted
    equal = number == exact or (start <= low and high <= end)
    if prefix == "ap":
        start, end = min(start, exact - abs(exact) / 10), max(end, exact + abs(exact) / 10)
        return low < end and high > start
    return {
        "eq": equal,
        "ne": not equal,
        "gt": number > exact,
        "sa": number > exact,
        "ge": number >= exact,
        "lt": number < exact,
        "eb": number < exact,
        "le": number <= exact,
    }[prefix]


def is_quantity(quantity: Json, text: str) -> bool:
    found = [plain(part) for part in parts(text, "|")]
    prefix, literal = prefixed(found[0])
    value, wanted = precise(quantity["value"]), precise(literal)
    if len(found) == 1 or not (found[1] or found[2]):
        return is_number(value, prefix, wanted)
    system, code = found[1], found[2]
    if not system:
        return code in (quantity.get("code"), quantity.get("unit")) and is_number(value, prefix, wanted)
    if quantity.get("system") != system:
        return False
    if system == UCUM and code in UNITS and quantity.get("code") in UNITS:
        (own_unit, own), (unit, factor) = UNITS[quantity["code"]], UNITS[code]
        return own_unit == unit and is_number(_times(value, own), prefix, _times(wanted, factor))
    return (not code or quantity.get("code") == code) and is_number(value, prefix, wanted)


def _times(bounds: Bounds, factor: Decimal) -> Bounds:
    value, low, high = bounds
    return value * factor, low * factor, high * factor


def is_uri(value: str, text: str, modifier: str) -> bool:
    wanted = plain(text)
    if modifier == "below":
        return value.startswith(wanted)
    if modifier == "above":
        return wanted == value or wanted.startswith(value if value.endswith("/") else f"{value}/")
    return value == wanted


# --- the whole -------------------------------------------------------------------------------------------------------


class Oracle:
    """All documents of a server, and what a search of them must find."""

    def __init__(self, documents: Sequence[Json], base: str, now: int) -> None:
        self.base = base
        self.now = now
        self.of: dict[str, list[Json]] = {}
        self.by_key: dict[tuple[str, str], Json] = {}
        for document in documents:
            self.of.setdefault(document["resourceType"], []).append(document)
            self.by_key[document["resourceType"], document["id"]] = document
        self._referrers: dict[tuple[str, str], dict[tuple[str, str], list[Json]]] = {}

    def search(self, resource_type: str, query: Sequence[tuple[str, str]]) -> set[str]:
        """The ids of the documents for which every parameter holds."""
        return {
            document["id"]
            for document in self.of.get(resource_type, [])
            if all(self.holds(document, name, text) for name, text in query)
        }

    def holds(self, document: Json, name: str, text: str) -> bool:
        """Whether one parameter of a query holds for a document."""
        if name.startswith("_has:"):
            _, source, code, rest = name.split(":", 3)
            return any(self.holds(other, rest, text) for other in self.referrers(document, source, code))
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot:
            return any(self.holds(target, rest, text) for target in self.targets(document, code, modifier, rest))
        if (document["resourceType"], code) in COMPOSITES:
            return any(self.together(document, code, value) for value in parts(text, ","))
        kind, paths = parameters(document["resourceType"])[code]
        values = raw(document, paths)
        if modifier == "missing":
            return (text == "true") is not bool(_present(kind, values))
        judge = self.judge(kind, modifier, _implied(document["resourceType"], code))
        found = any(judge(value, wanted) for wanted in parts(text, ",") for value in values)
        return not found if modifier == "not" else found

    def judge(self, kind: str, modifier: str = "", implied: str = "") -> Callable[[tuple[Any, str], str], bool]:
        """Whether a value (with its datatype) satisfies one alternative of a search."""
        judges: dict[str, Callable[[tuple[Any, str], str], bool]] = {
            "token": lambda value, text: any(
                is_token(pair, contacted(text) if value[1] == "Contact" else text, implied) for pair in tokens(*value)
            ),
            "string": lambda value, text: any(is_string(each, text, modifier) for each in texts(value[0])),
            "date": lambda value, text: any(is_date(each, text, self.now) for each in spans(value[0])),
            "number": lambda value, text: is_number(precise(value[0]), prefixed(text)[0], precise(prefixed(text)[1])),
            "quantity": lambda value, text: is_quantity(value[0], text),
            "uri": lambda value, text: is_uri(value[0], text, modifier),
            "reference": lambda value, text: self.is_reference(value[0], text, modifier),
        }
        return judges[kind]

    def is_reference(self, reference: Json, text: str, modifier: str) -> bool:
        """Whether a reference is the one a search names by id, type and id, URL or identifier."""
        if modifier == "identifier":
            identifier = reference.get("identifier")
            return identifier is not None and any(is_token(pair, text, "") for pair in tokens(identifier, "Identifier"))
        target, wanted = local(reference, self.base), plain(text).removeprefix(f"{self.base}/")
        if target is None:
            return reference.get("reference") == wanted
        if re.fullmatch(r"[A-Za-z0-9.-]{1,64}", wanted):
            return target[1] == wanted and modifier in ("", target[0])
        return wanted.partition("/_history/")[0] == f"{target[0]}/{target[1]}"

    def together(self, document: Json, code: str, text: str) -> bool:
        """Whether the parts of a composite hold in one element."""
        places, wanted = COMPOSITES[document["resourceType"], code]
        elements = [element for place in places for element in at(document, place)]
        return any(
            all(
                any(self.judge(kind)(value, part) for value in raw(element, paths))
                for (kind, paths), part in zip(wanted, parts(text, "$"), strict=True)
            )
            for element in elements
        )

    def targets(self, document: Json, code: str, wanted: str, rest: str) -> list[Json]:
        """The documents that a reference parameter leads to, of types that can be asked `rest`."""
        _, paths = parameters(document["resourceType"])[code]
        keys = [local(reference, self.base) for reference, _ in raw(document, paths)]
        found = [self.by_key[key] for key in keys if key in self.by_key and wanted in ("", key[0])]
        asked = rest.partition(".")[0].partition(":")[0]
        return [each for each in found if asked == "_has" or asked in _codes(each["resourceType"])]

    def referrers(self, document: Json, source: str, code: str) -> list[Json]:
        """The documents of `source` that refer to this one by `code`."""
        known = self._referrers.get((source, code))
        if known is None:
            known = self._referrers[source, code] = {}
            _, paths = parameters(source)[code]
            for other in self.of.get(source, []):
                for key in {local(reference, self.base) for reference, _ in raw(other, paths)} - {None}:
                    assert key is not None
                    known.setdefault(key, []).append(other)
        return known.get((document["resourceType"], document["id"]), [])


def _implied(resource_type: str, code: str) -> str:
    return IMPLIED.get((resource_type, code)) or IMPLIED.get(("", code), "")


def _codes(resource_type: str) -> set[str]:
    composites = {code for name, code in COMPOSITES if name == resource_type}
    return (set(parameters(resource_type)) | composites) if resource_type in TABLES else set()


def _present(kind: str, values: Sequence[tuple[Any, str]]) -> list[Any]:
    return [value for value, _ in values if kind != "date" or spans(value)]
