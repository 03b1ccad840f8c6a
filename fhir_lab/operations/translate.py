"""ConceptMap/$translate: a code in the words of another code system.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from collections.abc import Sequence
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.concepts import codings, meant, terms_of
from fhir_lab.operations.results import parameters, part, parts
from fhir_lab.search.terms import Terms
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.source import UnknownCanonical
from fhir_lab.terminology.translate import (
    NO_TRANSLATION,
    Match,
    Sought,
    as_coding_only,
    distinct,
)
from fhir_lab.terminology.translate import translate as translated

Json = dict[str, Any]


def translate(request: Request) -> Response:
    """200 with `result` and a `match` for each thing that the maps say of the code.

    Without a map named, all that the caller may read and that have the code's system are asked. Raises `NotFound` for
    a map that is not known.
    """
    arguments = Arguments.of(request)
    asked = codings(arguments, "version")
    sought = Sought(
        "",
        "",
        target_system=arguments.one("targetsystem", ""),
        reverse=arguments.one("reverse", False),
        dependencies=tuple(_dependency(each) for each in arguments.all("dependency")),
    )
    found: list[Match] = []
    with request.reading() as unit:
        terms = terms_of(unit)
        for coding in asked:
            each = as_coding_only(sought, coding)
            for concept_map in _maps(request, unit, arguments, each):
                found += translated(concept_map, each, lambda url: _other(terms, url))
    return _answer(distinct(found), asked)


def _maps(request: Request, unit: Unit, arguments: Arguments, sought: Sought) -> list[Resource]:
    if request.id or "url" in arguments or "conceptMap" in arguments:
        return [meant(request, unit, arguments, "ConceptMap")]
    code = "target-system" if sought.reverse else "source-system"
    found = terms_of(unit).with_uri("ConceptMap", code, sought.system)
    usable = [each.resource for each in found if each.resource.get("status") != "retired"]
    return [each for each in usable if _between(each, arguments)]


def _between(concept_map: Resource, arguments: Arguments) -> bool:
    """True when the map is from the `source` value set to the `target` one, as far as these are given."""
    return all(
        arguments.one(side) in (None, concept_map.get(f"{side}Uri"), concept_map.get(f"{side}Canonical"))
        for side in ("source", "target")
    )


def _other(terms: Terms, url: str) -> Resource | None:
    try:
        return terms.named("ConceptMap", url).resource
    except UnknownCanonical:
        return None


def _dependency(given: Arguments) -> tuple[str, frozenset[str]]:
    concept: Json = given.one("concept", {})
    texts = [concept.get("text"), *(coding.get("code") for coding in concept.get("coding", ()))]
    return str(given.one("element", "")), frozenset(text for text in texts if text)


def _answer(found: Sequence[Match], asked: Sequence[Json]) -> Response:
    result = any(match.equivalence not in NO_TRANSLATION and match.concept for match in found)
    told = [part("result", "boolean", result)]
    if not result:
        codes = [f"{coding.get('system', '')}|{coding.get('code', '')}" for coding in asked]
        what = ", ".join(codes) or "a concept without codes"
        told.append(part("message", "string", f"No map here has a translation of {what}."))
    return parameters(*told, *(_match(match) for match in found))


def _match(match: Match) -> Json:
    found = [part("equivalence", "code", match.equivalence)]
    if match.concept:
        found.append(part("concept", "Coding", match.concept))
    for product in match.products:
        coding = {"system": product.get("system"), "code": product.get("value"), "display": product.get("display")}
        given = {name: value for name, value in coding.items() if value}
        found.append(
            parts("product", part("element", "uri", product.get("property", "")), part("concept", "Coding", given))
        )
    if match.source:
        found.append(part("source", "uri", match.source))
    return parts("match", *found)


OPERATIONS = (
    Operation(
        "translate",
        translate,
        "ConceptMap-translate",
        "Concept Translation",
        "A code in the words of another code system, as stored concept maps or a given one say.",
        HL7 + "ConceptMap-translate",
        on_type=("ConceptMap",),
        on_instance=("ConceptMap",),
        permission="r",
        parameters=(
            Parameter("url", "uri", "Canonical URL of the concept map; without one, all maps are asked."),
            Parameter("conceptMap", "ConceptMap", "The concept map itself."),
            Parameter("conceptMapVersion", "string", "Business version of the concept map that 'url' names."),
            Parameter("code", "code", "The code to translate."),
            Parameter("system", "uri", "Its code system."),
            Parameter("version", "string", "The version of that code system."),
            Parameter("source", "uri", "The value set that the code is from: only maps from it are asked."),
            Parameter("coding", "Coding", "The coding to translate."),
            Parameter("codeableConcept", "CodeableConcept", "The concept to translate: any of its codings."),
            Parameter("target", "uri", "The value set to translate to: only maps to it are asked."),
            Parameter("targetsystem", "uri", "The code system to translate to."),
            Parameter(
                "dependency",
                "",
                "Another element that the translation may depend on.",
                max="*",
                parts=(
                    Parameter("element", "uri", "Which element."),
                    Parameter("concept", "CodeableConcept", "Its value."),
                ),
            ),
            Parameter("reverse", "boolean", "Whether to look from the target back to the source."),
            Parameter("result", "boolean", "Whether there is a translation.", min=1, use="out"),
            Parameter("message", "string", "Why there is none.", use="out"),
            Parameter(
                "match",
                "",
                "A translation.",
                max="*",
                use="out",
                parts=(
                    Parameter("equivalence", "code", "How target and source relate."),
                    Parameter("concept", "Coding", "The translation."),
                    Parameter(
                        "product",
                        "",
                        "Another element that the translation gives.",
                        max="*",
                        parts=(
                            Parameter("element", "uri", "Which element."),
                            Parameter("concept", "Coding", "Its value."),
                        ),
                    ),
                    Parameter("source", "uri", "The concept map that says so."),
                ),
            ),
        ),
    ),
)
