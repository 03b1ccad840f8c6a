"""history: versions of a resource, a type or the whole system, newest first. https://hl7.org/fhir/R4/http.html#history"""

from urllib.parse import urlencode

from fhir_lab.http.links import page_links
from fhir_lab.interactions.bundles import bundle, historic
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.subset import PARAMETERS as SUBSET
from fhir_lab.interactions.subset import cut_of
from fhir_lab.outcomes import BadRequest
from fhir_lab.search.values import date_range
from fhir_lab.storage.history import history as versions

PARAMETERS = ("_since", "_at", "_count", "_page", *SUBSET)
OF_MANY = (*PARAMETERS, "_list")


def history(request: Request) -> Response:
    """200 with a history Bundle of one page; `_since`, `_at`, `_count` and `_list` as in R4, `_page` comes from its
    links.

    `_summary` and `_elements` are for each version; `_summary=count` leaves only the total.

    Raises `BadRequest` for a malformed parameter, `NotFound` and `Forbidden`.
    """
    given = _given(request)
    cut = cut_of(request.parameters, *([request.type] if request.type else request.router.types))
    low, high = _moment(request, "_at", given.get("_at"))
    since, _ = _moment(request, "_since", given.get("_since"))
    with request.reading() as unit:
        page = versions(
            unit,
            request.type or None,
            request.id or None,
            since=since,
            at=None if low is None or high is None else (low, high),
            count=0 if given.get("_summary") == "count" else _count(request, given.get("_count")),
            cursor=given.get("_page"),
            listed=_list(given.get("_list")),
        )
    kept = [(name, value) for name, value in given.items() if name != "_page"]
    queries = {
        "self": urlencode(list(given.items())),
        "first": urlencode(kept),
        "previous": urlencode([*kept, ("_page", page.previous)]) if page.previous else None,
        "next": urlencode([*kept, ("_page", page.next)]) if page.next else None,
    }
    path = "/".join(filter(None, (request.base, request.type, request.id, "_history")))
    links = page_links(path, queries, request.kept)
    entries = [historic(request.base, version, cut) for version in page.versions]
    return Response(200, bundle("history", entries, links=links, total=page.total, now=request.services.clock.now()))


def _given(request: Request) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.parameters:
        if name in given:
            raise BadRequest.of(f"'{name}' may be given once.", f"http.{name}")
        if name in OF_MANY and value:
            given[name] = value
    return given


def _list(text: str | None) -> str | None:
    """The id of a List, which may be written as a reference."""
    if text is None:
        return None
    if text.startswith("$"):
        raise BadRequest.of(f"The list '{text[:64]}' is not kept by this server.", "http._list", code="not-supported")
    return text.removeprefix("List/")


def _moment(request: Request, name: str, text: str | None) -> tuple[int | None, int | None]:
    """[low, high) in microseconds UTC. A `+` that was not percent-encoded has arrived as a blank."""
    if text is None:
        return None, None
    try:
        return date_range(text.replace(" ", "+"), request.services.settings.zone)
    except ValueError:
        raise BadRequest.of(
            f"{name} '{text[:64]}' is not a date or an instant such as 2026-11-20T08:30:00Z.",
            f"http.{name}",
            code="value",
        ) from None


def _count(request: Request, text: str | None) -> int:
    settings = request.services.settings
    if text is None:
        return settings.search_count
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadRequest.of(f"_count '{text[:64]}' is not a whole number from 0.", "http._count", code="value")
    return min(int(text), settings.search_count_max)
