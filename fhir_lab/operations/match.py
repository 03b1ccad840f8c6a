"""Patient/$match: the stored patients that are, or may be, the one described.

https://hl7.org/fhir/R4/patient-operation-match.html
"""

from collections.abc import Iterator
from typing import Any

from fhir_lab.documents import Resource, parse
from fhir_lab.interactions.bundles import bundle, searched
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.interactions.search import reported
from fhir_lab.lab.match import Likeness, likeness
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import BadRequest, Issue
from fhir_lab.search import run
from fhir_lab.search.escapes import escape
from fhir_lab.storage.repository import Version
from fhir_lab.storage.unit import Unit

Found = tuple[Likeness, Version]
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
CANDIDATES = "200"  # of each way to look for them
DEFAULT_COUNT = 20
_SEVERAL = Issue("multiple-matches", "Several patients match with certainty, so none is the one.", severity="warning")


def match(request: Request) -> Response:
    """200 with a searchset, the likeliest first, each with its score and grade.

    With `onlyCertainMatches` the one patient that is certain, or none. Raises `BadRequest` and `Forbidden`.
    """
    arguments = Arguments.of(request)
    asked: Resource = arguments.one("resource")
    issues = [issue for issue in request.services.validator.check(asked, "Patient") if issue.severity == "error"]
    if issues:
        raise BadRequest(issues)
    with request.reading() as unit:
        found = _ranked(asked, _candidates(unit, asked))
    outcomes: list[Issue] = []
    if arguments.one("onlyCertainMatches", False):
        found = [each for each in found if each[0].grade == "certain"]
        if len(found) > 1:
            found, outcomes = [], [_SEVERAL]
    shown = found[: max(0, arguments.one("count", DEFAULT_COUNT))]
    entries = [_entry(request, *each) for each in shown]
    entries += [reported(outcomes)] if outcomes else []
    return Response(200, bundle("searchset", entries, total=len(found), now=request.services.clock.now()))


def _entry(request: Request, alike: Likeness, version: Version) -> dict[str, Any]:
    entry = searched(request.base, version, "match")
    grade = {"url": GRADE, "valueCode": alike.grade}
    return {**entry, "search": {"extension": [grade], "mode": "match", "score": alike.score}}


def _ranked(asked: Resource, candidates: Iterator[Version]) -> list[Found]:
    found = []
    for version in candidates:
        assert version.content is not None
        stored = parse(version.content)
        alike = likeness(asked, stored)
        if alike.grade != "certainly-not" and not _replaced(stored):
            found.append((alike, version))
    return sorted(found, key=lambda each: (-each[0].score, each[1].pk))


def _replaced(stored: Resource) -> bool:
    return any(link.get("type") == "replaced-by" for link in stored.get("link", []))


def _candidates(unit: Unit, asked: Resource) -> Iterator[Version]:
    """Everybody who shares an attribute that tells people apart, each once."""
    seen: set[int] = set()
    for criteria in _ways(asked):
        page = run.search(unit, "Patient", [*criteria, ("_count", CANDIDATES), ("_total", "none")])
        yield from (version for version in page.matches if version.pk not in seen)
        seen.update(version.pk for version in page.matches)


def _ways(asked: Resource) -> Iterator[list[tuple[str, str]]]:
    identifiers = [each for each in asked.get("identifier", []) if each.get("value")]
    values = [f"{escape(each.get('system', ''))}|{escape(each['value'])}" for each in identifiers]
    if values:
        yield [("identifier", ",".join(value.removeprefix("|") for value in values))]
    families = [escape(name["family"]) for name in asked.get("name", []) if name.get("family")]
    givens = [escape(given) for name in asked.get("name", []) for given in name.get("given", []) if given]
    if asked.get("birthDate"):
        yield [("birthdate", asked["birthDate"])]
    if families and givens:
        yield [("family", ",".join(families)), ("given", ",".join(givens))]
    if families:
        yield [("family", ",".join(families))]
        yield [("phonetic", ",".join(families))]
    contacts = [escape(each["value"]) for each in asked.get("telecom", []) if each.get("value")]
    if contacts:
        yield [("telecom", ",".join(contacts))]


OPERATIONS = (
    Operation(
        "match",
        match,
        "Patient-match",
        "Find patient matches using MPI based logic",
        "The stored patients that are, or may be, the one described, with a score and a grade each.",
        HL7 + "Patient-match",
        on_type=("Patient",),
        permission="s",
        parameters=(
            Parameter("resource", "Patient", "What is known of the patient; it need not be complete.", min=1),
            Parameter("onlyCertainMatches", "boolean", "Only the one that is certain, or none."),
            Parameter("count", "integer", "How many at most, 20 by default."),
            Parameter("return", "Bundle", "A searchset, the likeliest first.", 1, "1", "out"),
        ),
    ),
)
