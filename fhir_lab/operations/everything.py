"""Patient/$everything and Encounter/$everything: the record, and what it refers to, page by page.

https://hl7.org/fhir/R4/patient-operation-everything.html
https://hl7.org/fhir/R4/encounter-operation-everything.html
"""

from collections.abc import Sequence
from functools import partial
from urllib.parse import parse_qsl, urlencode

from fhir_lab.documents import parse
from fhir_lab.http.links import page_links
from fhir_lab.interactions.bundles import bundle, searched
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.interactions.search import reported
from fhir_lab.lab.merge import survivor_of
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import BadRequest, Issue, nearest
from fhir_lab.search import run
from fhir_lab.search.access import Reaches
from fhir_lab.search.compartments import members
from fhir_lab.search.everything import during, of_any_patient
from fhir_lab.search.include import included
from fhir_lab.search.scope import Where
from fhir_lab.search.tree import Include, Query
from fhir_lab.search.values import date_range
from fhir_lab.storage import repository
from fhir_lab.storage.repository import Version
from fhir_lab.storage.unit import Unit

Pairs = list[tuple[str, str]]


def everything(request: Request) -> Response:
    """200 with one page of a searchset: what is in the compartment, and as included what that refers to beyond it.

    Without an id: of all patients that the caller may read. Raises `NotFound`, `Gone`, `Forbidden`, and `BadRequest`
    for what is not understood and for a patient that was merged into another.
    """
    arguments = Arguments.of(request)
    _check_dates(request, arguments)
    wanted = _types(request, arguments)
    refine = partial(_refined, request, arguments)
    with request.reading() as unit:
        if request.id:
            _check(unit, request)
        where = Where("", request.type, request.id) if request.id else Where("")
        page = run.search(unit, where, _criteria(request, arguments, wanted), refine=refine)
        also, issues = _referred(unit, request, arguments, page.matches)
    # Where only types are wanted that the record refers to, it is gone through without being shown.
    matches = [version for version in page.matches if not wanted or version.type in wanted]
    total = page.total if len(matches) == len(page.matches) else None
    entries = [searched(request.base, version, "match") for version in matches]
    entries += [searched(request.base, version, "include") for version in also]
    outcomes = [*page.outcomes, *issues]
    entries += [reported(outcomes)] if outcomes else []
    path = "/".join(filter(None, (request.base, request.type, request.id, "$everything")))
    links = page_links(path, _queries(arguments, page), request.kept)
    return Response(200, bundle("searchset", entries, links=links, total=total, now=request.services.clock.now()))


def _check_dates(request: Request, arguments: Arguments) -> None:
    """Under their own names: below, they are asked of whichever parameter of a type has the date."""
    for name in ("start", "end", "_since"):
        text = arguments.one(name, "")
        try:
            if text:
                date_range(text, request.services.settings.zone)
        except ValueError:
            said = f"{name} '{text[:40]}' is not a date or an instant such as 2026-11-20T08:30:00Z."
            raise BadRequest.of(said, f"http.{name}", code="value") from None


def _types(request: Request, arguments: Arguments) -> list[str]:
    """The types that `_type` asks for, given several times or parted by commas; empty for all."""
    named = [name for text in arguments.all("_type") for name in text.split(",") if name]
    for name in named:
        if name not in request.services.registry.types:
            raise BadRequest.of(
                f"'{name[:64]}' is not a resource type of FHIR R4.{nearest(name, request.services.registry.types)}",
                "http._type",
                code="value",
            )
    return named


def _criteria(request: Request, arguments: Arguments, wanted: Sequence[str]) -> Pairs:
    inside = [name for name in wanted if name in members(request.services.registry, request.type)]
    found: Pairs = [("_type", ",".join(inside))] if inside else []
    if "_since" in arguments:
        found.append(("_lastUpdated", f"ge{arguments.one('_since')}"))
    found += [(name, str(arguments.one(name))) for name in ("_count", "_page") if name in arguments]
    return found


def _refined(request: Request, arguments: Arguments, query: Query) -> Query:
    services = request.services
    if not request.id:
        query = of_any_patient(services.registry, query)
    return during(services, query, arguments.one("start"), arguments.one("end"))


def _check(unit: Unit, request: Request) -> None:
    found = repository.read(unit, request.type, request.id)
    survivor = survivor_of(parse(found.content)) if request.type == "Patient" and found.content else ""
    if survivor:
        raise BadRequest.of(
            f"Patient/{request.id} was merged into {survivor}; ask for {survivor}/$everything.", "Patient.link"
        )


def _referred(
    unit: Unit, request: Request, arguments: Arguments, matches: Sequence[Version]
) -> tuple[list[Version], list[Issue]]:
    """What the page refers to of types that no compartment holds, such as Practitioner and Organization."""
    types = sorted({version.type for version in matches})
    includes = [Include(name, "*", "", reverse=False, iterate=False) for name in types]
    found, issues = included(unit, includes, matches, Reaches(unit)) if includes else ([], [])
    inside, wanted = members(unit.services.registry, request.type), _types(request, arguments)
    since = date_range(arguments.one("_since"), unit.services.settings.zone)[0] if "_since" in arguments else 0
    return [
        version
        for version in found
        if version.type not in inside and (not wanted or version.type in wanted) and version.last_updated >= since
    ], issues


def _queries(arguments: Arguments, page: run.SearchPage) -> dict[str, str | None]:
    """The query strings of the links: the parameters as they were given, and the place where the page begins."""
    given = [(name, value) for name, value in arguments.given if name != "_page"]

    def at(query: str | None) -> str | None:
        return None if query is None else urlencode([*given, *(p for p in parse_qsl(query) if p[0] == "_page")])

    return {
        "self": urlencode(arguments.given),
        "first": at(page.first_query),
        "previous": at(page.previous_query),
        "next": at(page.next_query),
    }


_PAGED = (
    Parameter("_since", "instant", "Only what was updated at this instant or later."),
    Parameter("_type", "code", "Only resources of these types.", max="*"),
    Parameter("_count", "integer", "How many on a page, not counting what is included."),
    Parameter("_page", "string", "Where a page begins; it comes from the links of the page before."),
    Parameter("return", "Bundle", "A searchset, in pages.", 1, "1", "out"),
)
OPERATIONS = (
    Operation(
        "everything",
        everything,
        "Patient-everything",
        "Fetch Patient Record",
        "Everything in the compartment of the patient, and what that refers to; without an id, of all patients.",
        HL7 + "Patient-everything",
        on_type=("Patient",),
        on_instance=("Patient",),
        permission="r",
        parameters=(
            Parameter("start", "date", "Care from this date on. What says no date is not left out."),
            Parameter("end", "date", "Care up to this date."),
            *_PAGED,
        ),
    ),
    Operation(
        "everything",
        everything,
        "Encounter-everything",
        "Fetch Encounter Record",
        "Everything in the compartment of the encounter, and what that refers to.",
        HL7 + "Encounter-everything",
        on_instance=("Encounter",),
        permission="r",
        parameters=_PAGED,
    ),
)
