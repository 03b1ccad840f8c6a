"""CodeSystem/$lookup and $subsumes: what a code means, and how two codes relate.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from collections.abc import Sequence
from typing import Any

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.concepts import codings, meant, terms_of
from fhir_lab.operations.results import parameters, part, parts
from fhir_lab.outcomes import BadRequest, NotFound
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.compose import Entry
from fhir_lab.terminology.expansion import display_in
from fhir_lab.terminology.systems import Concept, System

Json = dict[str, Any]
RELATIVES = ("parent", "child")


def lookup(request: Request) -> Response:
    """200 with what is known of a code. Raises `NotFound` for an unknown system or code."""
    arguments = Arguments.of(request)
    [coding] = codings(arguments, "version")
    if not coding.get("system") or not coding.get("code"):
        raise BadRequest.of("$lookup needs the system and the code of the coding.", "http.coding", code="required")
    with request.reading() as unit:
        system = terms_of(unit).named("CodeSystem", coding["system"], str(coding.get("version", ""))).system
    concept = _known(system, coding["code"])
    wanted = arguments.all("property")
    entry = Entry(system.url, concept.code, {}, concept)
    name = system.resource.get("name") or system.resource.get("title") or system.url
    found = [part("name", "string", name)]
    if system.version:
        found.append(part("version", "string", system.version))
    found.append(part("display", "string", display_in(entry, arguments.one("displayLanguage", "")) or concept.code))
    found += [_designation(each) for each in concept.designations if _asked(each, wanted)]
    return parameters(*found, *_properties(system, concept, wanted))


def _known(system: System, code: str) -> Concept:
    concept = system.find(code)
    if concept is None:
        part_only = "" if system.complete else f" Only a part of it is here (content '{system.content}')."
        raise NotFound.of(f"The code '{code}' is not in the code system {system.url}.{part_only}", "http.code")
    return concept


def _asked(designation: Json, wanted: Sequence[str]) -> bool:
    return not wanted or "designation" in wanted or f"lang.{designation.get('language', '')}" in wanted


def _designation(designation: Json) -> Json:
    kinds = (("language", "code"), ("use", "Coding"), ("value", "string"))
    return parts("designation", *(part(name, kind, designation[name]) for name, kind in kinds if name in designation))


def _properties(system: System, concept: Concept, wanted: Sequence[str]) -> list[Json]:
    """The properties asked for, all of them where none is."""
    found = []
    if concept.definition and (not wanted or "definition" in wanted):
        found.append(_property("definition", "string", concept.definition))
    for name in RELATIVES:
        if not wanted or name in wanted:
            found += [_property(name, "code", code, system.concepts[code].display) for code in concept.values(name)]
    for entry in concept.properties:
        name = str(entry.get("code", ""))
        value = next(((key, each) for key, each in entry.items() if key.startswith("value")), None)
        if value is not None and name not in RELATIVES and (not wanted or name in wanted):
            kind = value[0].removeprefix("value")
            found.append(_property(name, kind if kind == "Coding" else kind[:1].lower() + kind[1:], value[1]))
    return found


def _property(name: str, kind: str, value: Any, description: str = "") -> Json:
    told = [part("description", "string", description)] if description else []
    return parts("property", part("code", "code", name), part("value", kind, value), *told)


def subsumes(request: Request) -> Response:
    """200 with `outcome`: equivalent, subsumes, subsumed-by or not-subsumed.

    Raises `NotFound` for an unknown system or code, `BadRequest` for codes of two systems.
    """
    arguments = Arguments.of(request)
    with request.reading() as unit:
        system, first, second = _compared(request, unit, arguments)
    one, other = _known(system, first), _known(system, second)
    if one is other:
        outcome = "equivalent"
    elif other.code in system.below(one.code):
        outcome = "subsumes"
    else:
        outcome = "subsumed-by" if one.code in system.below(other.code) else "not-subsumed"
    return parameters(part("outcome", "code", outcome))


def _compared(request: Request, unit: Unit, arguments: Arguments) -> tuple[System, str, str]:
    version = arguments.one("version", "")
    first, second = ([arguments.one(f"code{side}"), arguments.one(f"coding{side}")] for side in "AB")
    if any((code is None) is (coding is None) for code, coding in (first, second)):
        raise BadRequest.of(
            "$subsumes compares codeA with codeB, or codingA with codingB.", "http.codeA", code="required"
        )
    given = {coding.get("system") for _, coding in (first, second) if coding} | set(arguments.all("system"))
    if request.id:
        system = System(meant(request, unit, arguments, "CodeSystem"))
        given.discard(system.url)
        if given:
            raise BadRequest.of(f"The codes are not of {system.url}, the code system in the URL.", "http.system")
    elif len(given) != 1 or not (url := given.pop()):
        raise BadRequest.of("$subsumes compares two codes of one code system: give 'system'.", "http.system")
    else:
        system = terms_of(unit).named("CodeSystem", str(url), version).system
    codes = [str(code if code is not None else coding.get("code", "")) for code, coding in (first, second)]
    return system, codes[0], codes[1]


OPERATIONS = (
    Operation(
        "lookup",
        lookup,
        "CodeSystem-lookup",
        "Concept Look Up & Decomposition",
        "What the code system says of a code: its display, designations and properties.",
        HL7 + "CodeSystem-lookup",
        on_type=("CodeSystem",),
        permission="r",
        parameters=(
            Parameter("code", "code", "The code to look up."),
            Parameter("system", "uri", "Its code system."),
            Parameter("version", "string", "The version of the code system."),
            Parameter("coding", "Coding", "The coding to look up, in place of code and system."),
            Parameter("displayLanguage", "code", "Language of the display, where a designation has it."),
            Parameter("property", "code", "A property to give; all where none is named.", max="*"),
            Parameter("name", "string", "The name of the code system.", min=1, use="out"),
            Parameter("version", "string", "The version of the code system.", use="out"),
            Parameter("display", "string", "The display of the code.", min=1, use="out"),
            Parameter(
                "designation",
                "",
                "Another name of the code.",
                max="*",
                use="out",
                parts=(
                    Parameter("language", "code", "The language of the name."),
                    Parameter("use", "Coding", "What the name is for."),
                    Parameter("value", "string", "The name.", min=1),
                ),
            ),
            Parameter(
                "property",
                "",
                "A property of the code.",
                max="*",
                use="out",
                parts=(
                    Parameter("code", "code", "Which property.", min=1),
                    Parameter("value", "Resource", "Its value."),
                    Parameter("description", "string", "What the value means."),
                ),
            ),
        ),
    ),
    Operation(
        "subsumes",
        subsumes,
        "CodeSystem-subsumes",
        "Subsumption Testing",
        "How two codes of a code system relate in its hierarchy.",
        HL7 + "CodeSystem-subsumes",
        on_type=("CodeSystem",),
        on_instance=("CodeSystem",),
        permission="r",
        parameters=(
            Parameter("codeA", "code", "The one code."),
            Parameter("codeB", "code", "The other code."),
            Parameter("system", "uri", "Their code system."),
            Parameter("version", "string", "The version of the code system."),
            Parameter("codingA", "Coding", "The one coding, in place of codeA and system."),
            Parameter("codingB", "Coding", "The other coding, in place of codeB and system."),
            Parameter("outcome", "code", "equivalent, subsumes, subsumed-by or not-subsumed.", min=1, use="out"),
        ),
    ),
)
