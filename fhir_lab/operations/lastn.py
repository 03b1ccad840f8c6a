"""Observation/$lastn: the newest results of each kind. https://hl7.org/fhir/R4/observation-operation-lastn.html"""

from fhir_lab.http.links import page_links
from fhir_lab.interactions.bundles import bundle, searched
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.interactions.search import reported
from fhir_lab.interactions.subset import cut_of
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import BadRequest
from fhir_lab.search.lastn import last_n

# Beyond one of these, "the newest of each kind" would go through the whole laboratory.
NOT_FOR_THIS = ("_sort", "_count", "_total", "_page")  # the order is given, and there are no pages
NARROWING = ("patient", "subject", "code", "category", "_id", "identifier", "encounter", "specimen", "based-on")


def lastn(request: Request) -> Response:
    """200 with a searchset: for each kind of Observation the newest `max` (default 1), newest first, without pages.

    All search parameters narrow it down, and at least one must name a patient, a code or a category. Raises
    `BadRequest` and `Forbidden`.
    """
    arguments = Arguments.of(request)
    for name, _ in arguments.criteria:
        if name in NOT_FOR_THIS:
            raise BadRequest.of(f"'{name}' has no meaning for $lastn; use max.", f"http.{name}", code="not-supported")
    if not any(name.partition(":")[0].partition(".")[0] in NARROWING and value for name, value in arguments.criteria):
        raise BadRequest.of(
            f"$lastn needs a search parameter that narrows it down, one of {', '.join(NARROWING)}.",
            "http.patient",
            code="required",
        )
    with request.reading() as unit:
        found = last_n(unit, arguments.criteria, arguments.one("max", 1), lenient=request.lenient)
    cut = cut_of(arguments.criteria, "Observation")
    shown = [] if ("_summary", "count") in arguments.criteria else found.matches
    entries = [searched(request.base, version, "match", cut) for version in shown]
    entries += [searched(request.base, version, "include") for version in found.included if shown]
    if found.outcomes:
        entries.append(reported(found.outcomes))
    total, now = len(found.matches), request.services.clock.now()
    links = page_links(f"{request.base}/Observation/$lastn", {"self": request.criteria}, request.kept)
    return Response(200, bundle("searchset", entries, links=links, total=total, now=now))


OPERATIONS = (
    Operation(
        "lastn",
        lastn,
        "Observation-lastn",
        "Last N Observations Query",
        "The newest results of each kind among those that match a search; results that share a coding are of one kind.",
        HL7 + "Observation-lastn",
        on_type=("Observation",),
        permission="s",
        search=True,
        parameters=(
            Parameter("max", "positiveInt", "How many of each kind, 1 by default."),
            Parameter("return", "Bundle", "A searchset, kind by kind, newest first.", min=1, use="out"),
        ),
    ),
)
