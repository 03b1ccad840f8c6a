"""The query parameters of a search as a tree: criteria, result parameters, and what was left out and why.

https://hl7.org/fhir/R4/search.html https://hl7.org/fhir/R4/search.html#Summary
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fhir_lab.outcomes import BadRequest, Issue
from fhir_lab.search.criteria import NEVER_MISSING, Reader, UnknownParameter
from fhir_lab.search.escapes import split
from fhir_lab.search.tree import Criterion, Include, Query, SortKey
from fhir_lab.search.values import Place
from fhir_lab.services import Services

if TYPE_CHECKING:
    from fhir_lab.search.terms import Terms

Parameters = Sequence[tuple[str, str]]

# Handled where the answer is written; a search only repeats them in its links.
PASSED_ON = ("_format", "_pretty", "_elements", "_contained", "_summary")
SUMMARIES = ("true", "text", "data", "count", "false")
TOTALS = ("none", "estimate", "accurate")
UNSUPPORTED = {
    "_query": "no named queries are defined here; operations such as $lastn are",
    "_containedType": "contained resources are not found by themselves",
    "_score": "matches are found or not, without a score",
}
INCLUDES = {"_include": False, "_revinclude": True}
MOST_CRITERIA = 50
MOST_SORT_KEYS = 8


def parse(
    services: Services,
    resource_type: str,
    parameters: Parameters,
    *,
    lenient: bool = False,
    terms: "Terms | None" = None,
) -> Query:
    """The tree of a search of one type. Empty values are ignored, as R4 asks.

    `terms` is the terminology that modifiers such as `:in` name; without it, all that is stored.

    Raises `BadRequest` with an issue for each parameter that is unknown, unsupported or has a value that does not fit;
    with `lenient` an unknown one is left out and told of in `Query.issues` instead.
    """
    settings = services.settings
    place = Place(settings.zone, settings.fhir_base)
    reader = Reader(services.registry, place, services.clock.now(), lambda: terms or _all_terms(services))
    draft = _Draft(reader, resource_type, settings.search_count, settings.search_count_max)
    errors: list[Issue] = []
    ignored: list[Issue] = []
    for name, text in parameters:
        try:
            draft.add(name, text)
        except UnknownParameter as error:
            if lenient:
                ignored += [
                    Issue("not-supported", f"Ignored: {i.details}", i.expression, "warning") for i in error.issues
                ]
            else:
                errors += error.issues
        except BadRequest as error:
            errors += error.issues
    if errors:
        raise BadRequest(errors)
    return draft.query(tuple(ignored))


def _all_terms(services: Services) -> "Terms":
    from fhir_lab.search.terms import Terms  # which needs this module

    return Terms(services)


@dataclass(slots=True)
class _Draft:
    """What has been read so far. A result parameter may be given once, except `_sort`, `_include` and `_revinclude`."""

    reader: Reader
    type: str
    count: int
    most: int
    criteria: list[Criterion] = field(default_factory=list)
    sort: list[SortKey] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    single: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        """Read one parameter. Raises `BadRequest`."""
        if "\0" in name or "\0" in text:
            raise BadRequest.of("A parameter holds the character NUL, which no value can have.", code="value")
        if not text:
            return
        base = name.partition(":")[0]
        single = _SINGLE.get(name)
        if single is not None:
            self._once(name, text)
            single(self, text)
        elif base in INCLUDES:
            self.includes.append(_include(self.reader, self.type, name, text))
        elif name == "_sort":
            self.sort += [_sort_key(self.reader, self.type, part) for part in split(text, ",") if part]
        elif base in UNSUPPORTED:
            raise BadRequest.of(
                f"'{name}' is not supported by this server: {UNSUPPORTED[base]}.", f"http.{name}", code="not-supported"
            )
        else:
            self._criterion(name, text)
            return
        if name != "_page":
            self.used.append((name, text))

    def _criterion(self, name: str, text: str) -> None:
        criterion = self.reader.criterion(self.type, name, text)
        if criterion is not None:
            self.criteria.append(criterion)
            self.used.append((name, text))

    def _once(self, name: str, text: str) -> None:
        if self.single.setdefault(name, text) != text:
            raise BadRequest.of(f"'{name}' is given twice, as '{self.single[name]}' and '{text}'.", f"http.{name}")

    def read_count(self, text: str) -> None:
        """`_count`: the page size; 0 asks for the total only."""
        if not (text.isascii() and text.isdigit()):
            raise BadRequest.of(f"'{text}' is not a number of resources.", "http._count", code="value")
        self.count = min(int(text[:12]), self.most)

    def query(self, ignored: tuple[Issue, ...]) -> Query:
        """What was read. Raises `BadRequest` when it is too much for one search."""
        for found, most, name in (
            (self.criteria, MOST_CRITERIA, "search parameters"),
            (self.sort, MOST_SORT_KEYS, "sort keys"),
        ):
            if len(found) > most:
                raise BadRequest.of(f"The search has {len(found)} {name}; {most} are allowed.", code="too-costly")
        if self.includes and self.single.get("_summary") == "text":
            raise BadRequest.of("_summary=text cannot be combined with _include or _revinclude.", "http._summary")
        return Query(
            type=self.type,
            criteria=tuple(self.criteria),
            used=tuple(self.used),
            issues=ignored,
            sort=tuple(self.sort),
            includes=tuple(dict.fromkeys(self.includes)),
            count=self.count,
            total=self.single.get("_total", ""),
            count_only=self.count == 0 or self.single.get("_summary") == "count",
            explain=self.single.get("__explain") == "true",
            page=self.single.get("_page", ""),
        )


def _one_of(name: str, allowed: tuple[str, ...]) -> Callable[[_Draft, str], None]:
    def check(_draft: _Draft, text: str) -> None:
        if text not in allowed:
            raise BadRequest.of(f"'{text}' is none of {', '.join(allowed)}.", f"http.{name}", code="value")

    return check


def _own_type(draft: _Draft, text: str) -> None:
    if draft.type not in text.split(","):
        raise BadRequest.of(f"'{text}' is not {draft.type}, the type that is searched.", "http._type")


def _anything(_draft: _Draft, _text: str) -> None:
    """The parameter is read elsewhere."""


_SINGLE: dict[str, Callable[[_Draft, str], None]] = {
    **dict.fromkeys(PASSED_ON, _anything),
    "_count": _Draft.read_count,
    "_total": _one_of("_total", TOTALS),
    "_totalMethod": _one_of("_totalMethod", ("count",)),  # what a client sends beside `_count=0`
    "_summary": _one_of("_summary", SUMMARIES),
    "_contained": _one_of("_contained", ("false",)),
    "_type": _own_type,
    "__explain": _one_of("__explain", ("true", "false")),
    "_page": _anything,
}


def _sort_key(reader: Reader, resource_type: str, text: str) -> SortKey:
    descending = text.startswith("-")
    parameter = reader.parameter(resource_type, text.removeprefix("-"), "_sort")
    if parameter.kind in (*NEVER_MISSING, "position"):
        raise BadRequest.of(f"'{parameter.code}' ({parameter.kind}) has no order to sort by.", "http._sort")
    return SortKey(parameter, descending)


def _include(reader: Reader, resource_type: str, name: str, text: str) -> Include:
    base, _, modifier = name.partition(":")
    reverse = INCLUDES[base]
    if modifier not in ("", "iterate", "recurse"):
        raise BadRequest.of(f"'{name}' is not supported; write {base} or {base}:iterate.", f"http.{name}")
    source, _, rest = text.partition(":")
    code, _, target = rest.partition(":")
    if text == "*":
        return Include("*" if reverse or modifier else resource_type, "*", "", reverse, bool(modifier))
    types = reader.registry.types
    for given in (source, *([target] if target else [])):
        if given not in types:
            raise UnknownParameter.of(f"{base}={text}: '{given}' is not a resource type.", f"http.{name}")
    if not code:
        raise BadRequest.of(f"'{text}' does not have the form Type:parameter or Type:parameter:Target.", f"http.{name}")
    if code != "*" and reader.parameter(source, code, name).kind != "reference":
        raise BadRequest.of(f"{source}.{code} is not a reference, so nothing can be included by it.", f"http.{name}")
    return Include(source, code, target, reverse, bool(modifier))
