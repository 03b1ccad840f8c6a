"""What the terminology operations have in common: which value set or code system is meant, and which codings.

https://hl7.org/fhir/R4/terminology-service.html
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fhir_lab.documents import Resource, parse
from fhir_lab.interactions.message import Request
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import BadRequest, Issue, Unprocessable
from fhir_lab.search.access import Reaches
from fhir_lab.search.terms import Terms
from fhir_lab.storage import repository
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.source import UnknownCanonical

Json = dict[str, Any]
# Kind of resource -> the parameter that holds one, and the parameter with the business version of the one meant.
GIVEN = {
    "ValueSet": ("valueSet", "valueSetVersion"),
    "CodeSystem": ("codeSystem", "version"),
    "ConceptMap": ("conceptMap", "conceptMapVersion"),
}


def terms_of(unit: Unit) -> Terms:
    """The terminology that the caller may read."""
    return Terms(unit.services, unit, Reaches(unit))


def meant(request: Request, unit: Unit, arguments: Arguments, kind: str) -> Resource:
    """The one resource of this kind that the URL of the request says, or `url`, or that was sent.

    Raises `BadRequest` unless it is said in exactly one way, `UnknownCanonical`, and what a read raises.
    """
    inline, version = GIVEN[kind]
    ways = [name for name in ("url", inline) if name in arguments]
    if request.id:
        ways.insert(0, "the id in the URL")
    if len(ways) != 1:
        said = "none is given" if not ways else " and ".join(ways) + " are given"
        raise BadRequest.of(
            f"Which {kind} is meant? Name it by 'url', by its id in the URL, or send it as '{inline}'; {said}.",
            "http.url",
            code="required",
        )
    if request.id:
        content = repository.read(unit, kind, request.id).content
        found: Resource = parse(content or "{}")
        return found
    if inline in arguments:
        sent: Resource = arguments.one(inline)
        wrong = [issue for issue in unit.services.validator.check(sent, kind) if issue.severity in ("error", "fatal")]
        if wrong:
            raise BadRequest(wrong)
        return sent
    return terms_of(unit).named(kind, arguments.one("url"), arguments.one(version, "")).resource


@contextmanager
def needed() -> Iterator[None]:
    """Within, what a value set needs and nobody here has is no missing resource of the request: 422, not 404."""
    try:
        yield
    except UnknownCanonical as error:
        raise Unprocessable([Issue(issue.code, issue.details, issue.expression) for issue in error.issues]) from None


def codings(arguments: Arguments, version: str, system: str = "") -> Sequence[Json]:
    """What `code`, `coding` or `codeableConcept` gives, as codings; `system` holds where the parameters have none.

    `version` is the name of the parameter with the version of the code system. Raises `BadRequest` unless it is given
    in exactly one way, or for a code without a system.
    """
    ways = [name for name in ("code", "coding", "codeableConcept") if name in arguments]
    if len(ways) != 1:
        said = "none" if not ways else " and ".join(ways)
        raise BadRequest.of(
            f"One of code, coding and codeableConcept says what is asked about; {said} is given.",
            "http.code",
            code="required",
        )
    if "coding" in arguments:
        return [arguments.one("coding")]
    if "codeableConcept" in arguments:
        found: list[Json] = arguments.one("codeableConcept").get("coding", [])
        return found
    url = arguments.one("system", system)
    if not url:
        raise BadRequest.of(
            "A code means something in its system only: give 'system' too.", "http.system", code="required"
        )
    pairs = {
        "system": url,
        "code": arguments.one("code"),
        "version": arguments.one(version),
        "display": arguments.one("display"),
    }
    return [{name: value for name, value in pairs.items() if value}]
