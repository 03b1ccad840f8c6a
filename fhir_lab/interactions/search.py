"""search: what matches, of one type, of several or in a compartment, by GET and POST.

https://hl7.org/fhir/R4/http.html#search
"""

from uuid import uuid4

import orjson

from fhir_lab.documents import dumps
from fhir_lab.http.links import page_links
from fhir_lab.interactions.bundles import Json, bundle, searched
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.subset import cut_of
from fhir_lab.outcomes import Issue, operation_outcome
from fhir_lab.search import run
from fhir_lab.search.scope import Where, named_types
from fhir_lab.storage.repository import Version


def search(request: Request) -> Response:
    """200 with one page of a searchset; its links are GETs below the base, for a POST too.

    Raises `BadRequest` for what is not understood (unless lenient: reported in the Bundle), and `Forbidden`.
    """
    where = Where(request.type, request.compartment, request.id)
    cut = cut_of(request.parameters, *named_types(request.services.registry, where, request.parameters))
    with request.reading() as unit:
        page = run.search(unit, where, request.parameters, lenient=request.lenient)
    queries = {
        "self": page.self_query,
        "first": page.first_query,
        "previous": page.previous_query,
        "next": page.next_query,
    }
    links = page_links(f"{request.base}/{where.path}".rstrip("/"), queries, request.kept)
    entries = [searched(request.base, version, "match", cut) for version in page.matches]
    entries += [_included(request, version) for version in page.included]
    if page.outcomes:
        entries.append(reported(page.outcomes))
    now = request.services.clock.now()
    return Response(200, bundle("searchset", entries, links=links, total=page.total, now=now))


def _included(request: Request, version: Version) -> Json:
    """`_elements` speaks of the type that is searched; a summary is one of everything."""
    summary = [pair for pair in request.parameters if pair[0] == "_summary"]
    return searched(request.base, version, "include", cut_of(summary, version.type))


def reported(issues: list[Issue]) -> Json:
    """The entry that tells what a search left out, or has to say."""
    outcome = orjson.Fragment(dumps(operation_outcome(issues)))
    return {"fullUrl": f"urn:uuid:{uuid4()}", "resource": outcome, "search": {"mode": "outcome"}}
