"""batch and transaction: many interactions in one request. https://hl7.org/fhir/R4/http.html#transaction

A transaction is all or nothing, with GET entries seeing its final state. Entries of a batch are independent: each has
a transaction, an authorization and an answer of its own.
"""

from typing import Any
from urllib.parse import parse_qsl, unquote

from fhir_lab.documents import Resource
from fhir_lab.http import media
from fhir_lab.http.preconditions import http_date
from fhir_lab.interactions.bundles import answered
from fhir_lab.interactions.bundles import bundle as text_of
from fhir_lab.interactions.changes import unwrapped
from fhir_lab.interactions.failure import refusal
from fhir_lab.interactions.message import Interaction, Request, Response
from fhir_lab.interactions.router import check, perform
from fhir_lab.interactions.writes import answer, entry_of
from fhir_lab.outcomes import BadRequest, FhirError, Issue, NotAcceptable
from fhir_lab.search.values import date_range
from fhir_lab.storage.references import references
from fhir_lab.storage.transaction import apply
from fhir_lab.storage.unit import Unit

HEADERS = {"ifMatch": "if-match", "ifNoneMatch": "if-none-match", "ifNoneExist": "if-none-exist"}
REPRESENTATION = ("_format", "_pretty")


def bundle(request: Request) -> Response:
    """200 with a batch-response or transaction-response, entry by entry as asked.

    Raises `BadRequest` for anything but these two kinds of Bundle, and for a transaction whatever its first failing
    entry raises, named `Bundle.entry[n]`.
    """
    body = request.body
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
        raise BadRequest.of("A Bundle of type batch or transaction is expected at the base URL.", "Bundle")
    kind, entries = body.get("type"), body.get("entry", [])
    if kind not in ("batch", "transaction"):
        found = "no type" if kind is None else f"type {str(kind)[:40]!r}"
        raise BadRequest.of(f"The Bundle has {found}; batch and transaction are allowed here.", "Bundle.type")
    if not isinstance(entries, list):
        raise BadRequest.of("Bundle.entry is not an array.", "Bundle.entry", code="structure")
    _refuse(request.services.validator.part(_without(body, "entry"), "Bundle", "Bundle"))
    answers = _batch(request, entries) if kind == "batch" else _transaction(request, entries)
    return Response(200, text_of(f"{kind}-response", [answered(response) for response in answers]))


def _batch(request: Request, entries: list[Any]) -> list[Response]:
    answers = []
    urls = _temporary(entries)
    for index, entry in enumerate(entries):
        try:
            asked = _request(request, entry, _label(index))
            _refuse_dependence(asked, urls)
            answers.append(_bare(entry, perform(asked)))
        except Exception as error:
            answers.append(refusal(error, request.caller.request_id))
    return answers


def _temporary(entries: list[Any]) -> set[str]:
    """The fullUrls that only mean something inside the Bundle: URNs, and those of what gets another id."""
    found = set()
    for entry in entries:
        url = entry.get("fullUrl") if isinstance(entry, dict) else None
        asked = entry.get("request") if url else None
        creates = isinstance(asked, dict) and asked.get("method") == "POST"
        if isinstance(url, str) and (creates or url.startswith("urn:")):
            found.add(url)
    return found


def _refuse_dependence(asked: Request, urls: set[str]) -> None:
    for reference in references(asked.body):
        if reference in urls:
            raise BadRequest.of(
                f"'{reference[:64]}' is another entry of this batch; only a transaction's entries refer to each other.",
                "resource",
            )


def _transaction(request: Request, entries: list[Any]) -> list[Response]:
    _refuse_repeated(entries)
    requests = [_checked(request, entry, _label(index)) for index, entry in enumerate(entries)]
    reads = [index for index, asked in enumerate(requests) if _reads(asked.interaction)]
    writes = [index for index, asked in enumerate(requests) if not _reads(asked.interaction)]

    def work(unit: Unit) -> dict[int, Response]:
        written = apply(unit, [_stored(requests[index], entries[index], _label(index)) for index in writes])
        answers = {index: answer(requests[index], result) for index, result in zip(writes, written, strict=True)}
        seen = {index: _seen(requests[index], unit, _label(index)) for index in reads}
        return answers | {index: _bare(entries[index], response) for index, response in seen.items()}

    answers = request.writing(work)
    return [answers[index] for index in range(len(entries))]


def _reads(interaction: Interaction) -> bool:
    """True for what is done once everything is written. Operations that write have no place in a transaction."""
    operation = interaction.operation
    if operation is not None and operation.affects_state:
        raise BadRequest.of(f"${operation.code} changes data in its own transaction; send it alone.", "request.url")
    return interaction.method == "GET" or operation is not None


def _checked(request: Request, entry: Any, label: str) -> Request:
    try:
        asked = _request(request, entry, label)
        check(asked)
        _reads(asked.interaction)
    except FhirError as error:
        raise error.placed(label) from None
    return asked


def _stored(asked: Request, entry: Any, label: str) -> Any:
    try:
        return entry_of(asked, entry.get("fullUrl"), label)
    except FhirError as error:
        raise error.placed(label) from None


def _seen(asked: Request, unit: Unit, label: str) -> Response:
    asked.unit = unit
    try:
        return asked.interaction.handler(asked)
    except FhirError as error:
        raise error.placed(label) from None


def _bare(entry: Any, response: Response) -> Response:
    """The answer to a HEAD is that to a GET without its body."""
    if entry["request"]["method"] == "HEAD":
        response.resource = b""
    return response


def _refuse_repeated(entries: list[Any]) -> None:
    seen: dict[Any, int] = {}
    for index, entry in enumerate(entries):
        url = entry.get("fullUrl") if isinstance(entry, dict) else None
        if isinstance(url, str) and seen.setdefault(url, index) != index:
            raise BadRequest.of(
                f"The entries {seen[url]} and {index} have the same fullUrl '{url[:100]}'; it is unique (bdl-7).",
                f"{_label(index)}.fullUrl",
                code="invariant",
            )


def _request(outer: Request, entry: Any, label: str) -> Request:
    """An entry as a request of its own. Raises `BadRequest`, `NotFound`, `MethodNotAllowed` and `NotAcceptable`."""
    asked = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("url"), str) or not isinstance(asked.get("method"), str):
        raise BadRequest.of("An entry needs a request with a method and a url.", f"{label}.request", code="required")
    _refuse(outer.services.validator.part(_without(entry, "resource"), "Bundle.entry", label))
    url = asked["url"].removeprefix(f"{outer.base}/").removeprefix(f"{outer.services.settings.fhir_base}/")
    path, _, query = url.partition("?")
    target = outer.router.find(asked["method"], unquote(path))
    _refuse_nested(target.interaction)
    headers, body = _headers(outer, asked), entry.get("resource")
    if target.interaction.content == "patch":
        headers["content-type"], body = unwrapped(outer.services, body)
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, value in pairs:
        if name == "_format" and value and media.named(value) != outer.format:
            raise NotAcceptable.of(
                f"_format '{value[:40]}' cannot be produced; this entry is answered in a Bundle in {outer.format}.",
                "http._format",
            )
    return Request(
        services=outer.services,
        router=outer.router,
        interaction=target.interaction,
        caller=outer.caller,
        type=target.type,
        id=target.id,
        vid=target.vid,
        compartment=target.compartment,
        parameters=[pair for pair in pairs if pair[0] not in REPRESENTATION],
        headers=headers,
        body=body,
        returns=outer.returns,
        lenient=outer.lenient,
        address=outer.address,
    )


def _without(element: Resource, name: str) -> Resource:
    return {key: value for key, value in element.items() if key != name}


def _refuse(issues: list[Issue]) -> None:
    if issues:
        raise BadRequest(issues)


def _refuse_nested(interaction: Interaction) -> None:
    speaks_fhir = interaction.operation is None or not interaction.operation.media_type
    if interaction.name in ("batch", "transaction") or interaction.content == "form" or not speaks_fhir:
        raise BadRequest.of(
            f"{interaction.method} {interaction.path} has no place in a Bundle; search with GET.", "request.url"
        )


def _headers(outer: Request, asked: dict[str, Any]) -> dict[str, str]:
    headers = {header: str(asked[name]) for name, header in HEADERS.items() if name in asked}
    if "ifModifiedSince" in asked:
        headers["if-modified-since"] = _instant(outer, str(asked["ifModifiedSince"]))
    return headers


def _instant(outer: Request, text: str) -> str:
    try:
        return http_date(date_range(text, outer.services.settings.zone)[0])
    except ValueError:
        raise BadRequest.of(f"'{text[:64]}' is not an instant.", "request.ifModifiedSince", code="value") from None


def _label(index: int) -> str:
    return f"Bundle.entry[{index}]"
