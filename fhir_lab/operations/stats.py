"""Observation/$stats: statistics of a subject's numeric results. https://hl7.org/fhir/R4/observation-operation-stats.html

Each code is looked for in `Observation.code` and in components. An Observation that is a panel has no value of its own:
its components and members count, each under its own code. Values are converted to the unit of the newest; those that
cannot be are refused, and those with a comparator (`<5`) are counted in total-count alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fhir_lab.clock import instant
from fhir_lab.documents import ExactDecimal, Resource, parse
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.results import parameters, part
from fhir_lab.operations.statistics import NUMBERS, OTHER_UNIT, STATISTICS
from fhir_lab.outcomes import BadRequest, Unprocessable, nearest
from fhir_lab.search import run
from fhir_lab.search.escapes import escape
from fhir_lab.search.units import UCUM, canonical
from fhir_lab.search.values import date_range
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]
Coding = tuple[str, str]  # system, code
SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-statistics"
HOUR = 3_600_000_000  # microseconds
MOST_HOURS = 1_000_000  # more than a century
ABSENT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-applicable"}]}


@dataclass(slots=True)
class Series:
    """What was measured under one code: `values` are (microseconds UTC or None, Quantity), `ignored` had no number."""

    code: Json
    values: list[tuple[int | None, Json]] = field(default_factory=list)
    ignored: int = 0
    sources: dict[str, Resource] = field(default_factory=dict)

    def add(self, at: int | None, element: Json, source: Resource) -> None:
        """Count what an Observation or a component says."""
        quantity = element.get("valueQuantity", {})
        self.sources[source["id"]] = source
        if "value" in quantity and "comparator" not in quantity:
            self.values.append((at, quantity))
        else:
            self.ignored += 1


def stats(request: Request) -> Response:
    """200 with a `statistics` Observation for each code and, on request, their `source` Observations.

    Raises `BadRequest`, `Forbidden`, and `Unprocessable` for units that cannot be compared.
    """
    arguments = Arguments.of(request)
    wanted = _codings(arguments)
    _check_subject(request, arguments.one("subject"))
    names = [_statistic(name) for name in dict.fromkeys(arguments.all("statistic"))]
    with request.reading() as unit:
        series = _series(unit, _criteria(request, arguments, wanted), wanted)
    zone = request.services.settings.zone
    answers = [part("statistics", "Resource", _described(each, arguments.one("subject"), names)) for each in series]
    if arguments.one("include"):
        sources = {key: source for each in series for key, source in each.sources.items()}
        newest = sorted(sources.values(), key=lambda each: _moment(each, zone) or 0, reverse=True)
        answers += [part("source", "Resource", source) for source in newest[: arguments.one("limit")]]
    return parameters(*answers)


def _codings(arguments: Arguments) -> list[Coding]:
    system = arguments.one("system", "")
    found = [(system, code) for code in arguments.all("code")]
    found += [(coding.get("system", ""), coding.get("code", "")) for coding in arguments.all("coding")]
    if not found or not all(code for _, code in found):
        raise BadRequest.of("$stats needs a code, with its system, or a coding.", "http.code", code="required")
    return list(dict.fromkeys(found))


def _check_subject(request: Request, subject: str) -> None:
    """The answer repeats it as a reference, so it has to be one."""
    if ":" not in subject and request.services.locator.local(subject) is None:
        raise BadRequest.of(
            f"subject '{subject[:80]}' is not the URL of a resource, such as Patient/123.", "http.subject", code="value"
        )


def _statistic(name: str) -> str:
    if name not in STATISTICS:
        raise BadRequest.of(
            f"'{name[:64]}' is not a statistic.{nearest(name, STATISTICS)} These are: {', '.join(STATISTICS)}.",
            "http.statistic",
            code="value",
        )
    return name


def _criteria(request: Request, arguments: Arguments, wanted: Sequence[Coding]) -> list[tuple[str, str]]:
    codes = ",".join(f"{escape(system)}|{escape(code)}" if system else escape(code) for system, code in wanted)
    found = [("subject", escape(arguments.one("subject"))), ("combo-code", codes)]
    found.append(("status:not", "entered-in-error,cancelled"))
    if "duration" in arguments:
        hours = arguments.one("duration")
        if not 0 < hours <= MOST_HOURS:
            said = f"The duration must be more than 0 hours and at most {MOST_HOURS}."
            raise BadRequest.of(said, "http.duration", code="value")
        start = request.services.clock.now() - int(hours * HOUR)
        found.append(("date", f"ge{instant(start)}"))
    period: Json = arguments.one("period", {})
    found += [("date", prefix + period[name]) for name, prefix in (("start", "ge"), ("end", "le")) if name in period]
    return [*found, ("_count", "1000"), ("_total", "none")]


def _series(unit: Unit, criteria: Sequence[tuple[str, str]], wanted: Sequence[Coding]) -> list[Series]:
    found: dict[Coding, Series] = {}
    members: dict[str, None] = {}
    seen: set[str] = set()
    zone = unit.services.settings.zone
    for document in _found(unit, criteria):
        seen.add(document["id"])
        _collect(found, document, wanted, zone)
        if _fits(document["code"], wanted) and not _has_value(document):
            members |= dict.fromkeys(_members(unit, document))
    for document in _found_by_id(unit, [each for each in members if each not in seen]):
        _collect(found, document, (), zone)
    for coding in wanted:
        found.setdefault(coding, Series({"coding": [_coding(coding)]}))
    # A panel whose parts were counted says nothing itself.
    said = [each for each in found.values() if each.values or each.ignored]
    return said or list(found.values())


def _collect(found: dict[Coding, Series], document: Resource, wanted: Sequence[Coding], zone: ZoneInfo) -> None:
    """Count an Observation under the codes that are wanted, or under its own when none is said."""
    at = _moment(document, zone)
    components = document.get("component", [])
    whole = not wanted or _fits(document["code"], wanted)
    if whole and (_has_value(document) or not (components or document.get("hasMember"))):
        _add(found, document, document, wanted, at)
    panel = whole and not _has_value(document)
    for component in components:
        if panel or _fits(component["code"], wanted):
            _add(found, component, document, () if panel else wanted, at)


def _add(
    found: dict[Coding, Series], element: Json, document: Resource, wanted: Sequence[Coding], at: int | None
) -> None:
    coding = _fits(element["code"], wanted) if wanted else _first(element["code"])
    if coding:
        found.setdefault(coding, Series(element["code"])).add(at, element, document)


def _fits(concept: Json, wanted: Sequence[Coding]) -> Coding | None:
    for system, code in wanted:
        for coding in concept.get("coding", []):
            if coding.get("code") == code and system in ("", coding.get("system", "")):
                return system, code
    return None


def _first(concept: Json) -> Coding | None:
    return next(((each.get("system", ""), each["code"]) for each in concept.get("coding", []) if "code" in each), None)


def _coding(coding: Coding) -> Json:
    return {name: value for name, value in zip(("system", "code"), coding, strict=True) if value}


def _has_value(document: Resource) -> bool:
    return any(name.startswith("value") for name in document)


def _members(unit: Unit, document: Resource) -> Iterator[str]:
    for reference in document.get("hasMember", []):
        target = unit.services.locator.local(reference.get("reference", ""))
        if target is not None and target[0] == "Observation":
            yield target[1]


def _found_by_id(unit: Unit, ids: Sequence[str]) -> Iterator[Resource]:
    for start in range(0, len(ids), 500):
        criteria = [("_id", ",".join(ids[start : start + 500])), ("status:not", "entered-in-error,cancelled")]
        yield from _found(unit, [*criteria, ("_count", "1000"), ("_total", "none")])


def _found(unit: Unit, criteria: Sequence[tuple[str, str]]) -> Iterator[Resource]:
    query: Sequence[tuple[str, str]] | None = criteria
    while query is not None:
        page = run.search(unit, "Observation", query)
        yield from (parse(version.content) for version in page.matches if version.content is not None)
        query = parse_qsl(page.next_query) if page.next_query else None


def _moment(document: Resource, zone: ZoneInfo) -> int | None:
    text = document.get("effectiveDateTime") or document.get("effectiveInstant")
    text = text or document.get("effectivePeriod", {}).get("start")
    return date_range(text, zone)[0] if isinstance(text, str) else None


def _described(series: Series, subject: str, names: Sequence[str]) -> Resource:
    unit, points = _converted(series)
    moments = [at for at, _ in series.values if at is not None]
    found: Resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": series.code,
        "subject": {"reference": subject},
    }
    if moments:
        found["effectivePeriod"] = {"start": instant(min(moments)), "end": instant(max(moments))}
    found["component"] = [_component(name, points, series.ignored, unit) for name in names]
    return found


def _component(name: str, points: list[tuple[float | None, float]], ignored: int, unit: Mapping[str, str]) -> Json:
    display, compute = STATISTICS[name]
    found: Json = {"code": {"coding": [{"system": SYSTEM, "code": name, "display": display}]}}
    value = len(points) if name in ("count", "total-count") else compute(points) if points else None
    if value is None:
        return found | {"dataAbsentReason": ABSENT}
    if name == "total-count":
        value += ignored
    label = {"unit": "1", "system": UCUM, "code": "1"} if name in NUMBERS else {} if name in OTHER_UNIT else unit
    return found | {"valueQuantity": {"value": ExactDecimal(f"{value:.12g}"), **label}}


def _converted(series: Series) -> tuple[Json, list[tuple[float | None, float]]]:
    """The unit of the newest value, and every value in it."""
    ordered = sorted(series.values, key=lambda item: (item[0] is not None, item[0] or 0))
    newest = ordered[-1][1] if ordered else {}
    unit: Json = {name: newest[name] for name in ("unit", "system", "code") if name in newest}
    return unit, [(None if at is None else at / HOUR, _in_unit(quantity, unit)) for at, quantity in ordered]


def _in_unit(quantity: Json, unit: Json) -> float:
    value = float(quantity["value"])
    label = quantity.get("code") or quantity.get("unit")
    wanted = unit.get("code") or unit.get("unit")
    if label == wanted and quantity.get("system") == unit.get("system"):
        return value
    if quantity.get("system") == unit.get("system") == UCUM:
        of, into = canonical(str(label)), canonical(str(wanted))
        if of is not None and into is not None and of.unit == into.unit:
            return float(f"{(of.value(value) - into.offset) / into.factor:.12g}")
    raise Unprocessable.of(
        f"The values have the units '{label}' and '{wanted}', which cannot be converted into each other.",
        "Observation.value",
    )


OPERATIONS = (
    Operation(
        "stats",
        stats,
        "Observation-stats",
        "Observation Statistics",
        "Statistics of a subject's numeric results, code by code, in the unit of the newest value.",
        HL7 + "Observation-stats",
        on_type=("Observation",),
        permission="s",
        parameters=(
            Parameter("subject", "uri", "Whose results, such as Patient/123.", min=1),
            Parameter("code", "string", "A code, together with its system.", max="*"),
            Parameter("system", "uri", "The system of the codes."),
            Parameter("coding", "Coding", "A code and its system in one.", max="*"),
            Parameter("duration", "decimal", "The last so many hours."),
            Parameter("period", "Period", "From start to end, instead of a duration."),
            Parameter("statistic", "code", f"One of {', '.join(STATISTICS)}.", min=1, max="*"),
            Parameter("include", "boolean", "Whether the Observations themselves are wanted too."),
            Parameter("limit", "positiveInt", "With include: how many of them at most, the newest first."),
            Parameter("statistics", "Observation", "One for each code, a component for each statistic.", 1, "*", "out"),
            Parameter("source", "Observation", "The Observations that were counted.", 0, "*", "out"),
        ),
    ),
)
