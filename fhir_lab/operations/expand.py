"""ValueSet/$expand: the codes of a value set. https://hl7.org/fhir/R4/valueset-operation-expand.html"""

from collections.abc import Mapping

from fhir_lab.clock import instant
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.concepts import meant, needed, terms_of
from fhir_lab.operations.results import resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.terminology.compose import Composer
from fhir_lab.terminology.expansion import Wish
from fhir_lab.terminology.expansion import expand as expanded
from fhir_lab.terminology.source import split

# Told back in `expansion.parameter`, so that an expansion says how it was made.
TOLD = (
    *("filter", "offset", "count", "activeOnly", "includeDesignations", "includeDefinition", "excludeNested"),
    *("excludeNotForUI", "displayLanguage"),
)


def expand(request: Request) -> Response:
    """200 with the ValueSet and its expansion.

    Raises `NotFound` for a value set that is not known, `Unprocessable` where what it needs is not, where it cannot be
    made sense of, or where there is too much of it (too-costly).
    """
    arguments = Arguments.of(request)
    wish = _wish(arguments)
    with request.reading() as unit:
        value_set = meant(request, unit, arguments, "ValueSet")
        versions = _versions(arguments, "system-version"), _versions(arguments, "force-system-version")
        with needed():
            now = instant(unit.services.clock.now())
            return resource(expanded(value_set, Composer(terms_of(unit), *versions), wish, now))


def _wish(arguments: Arguments) -> Wish:
    for name in ("offset", "count"):
        if arguments.one(name, 0) < 0:
            raise BadRequest.of(f"'{name}' must not be negative.", f"http.{name}", code="value")
    told = [(name, arguments.one(name)) for name in TOLD if name in arguments]
    systems = [(name, text) for name in ("exclude-system", "system-version") for text in arguments.all(name)]
    return Wish(
        text=arguments.one("filter", ""),
        offset=arguments.one("offset", 0),
        count=arguments.one("count"),
        active_only=arguments.one("activeOnly", False),
        designations=arguments.one("includeDesignations", False),
        definition=arguments.one("includeDefinition", False),
        nested=arguments.one("excludeNested", True) is False,
        for_ui=arguments.one("excludeNotForUI", False),
        language=arguments.one("displayLanguage", ""),
        without_systems=frozenset(split(text)[0] for text in arguments.all("exclude-system")),
        parameters=(*told, *systems),
    )


def _versions(arguments: Arguments, name: str) -> Mapping[str, str]:
    return dict(split(text) for text in arguments.all(name))


OPERATIONS = (
    Operation(
        "expand",
        expand,
        "ValueSet-expand",
        "Value Set Expansion",
        "The codes of a stored, built-in or given value set, all of them or those that a text is found in.",
        HL7 + "ValueSet-expand",
        on_type=("ValueSet",),
        on_instance=("ValueSet",),
        permission="r",
        parameters=(
            Parameter("url", "uri", "Canonical URL of the value set."),
            Parameter("valueSet", "ValueSet", "The value set itself."),
            Parameter("valueSetVersion", "string", "Business version of the value set that 'url' names."),
            Parameter("filter", "string", "Only codes that begin with this, or whose displays have each of its words."),
            Parameter("offset", "integer", "How many codes to pass over."),
            Parameter("count", "integer", "How many codes to give; 0 gives the total only."),
            Parameter("includeDesignations", "boolean", "Whether to give the designations of each code."),
            Parameter("includeDefinition", "boolean", "Whether to give the value set's compose, too."),
            Parameter("activeOnly", "boolean", "Whether to leave out inactive codes."),
            Parameter("excludeNested", "boolean", "False nests codes as their system does; else they are flat."),
            Parameter("excludeNotForUI", "boolean", "Whether to leave out abstract codes."),
            Parameter("excludePostCoordinated", "boolean", "There are no post-coordinated codes in any expansion."),
            Parameter("displayLanguage", "code", "Language of the displays, where a designation has it."),
            Parameter("exclude-system", "canonical", "Code system to leave out.", max="*"),
            Parameter("system-version", "canonical", "system|version to use where the value set names none.", max="*"),
            Parameter("force-system-version", "canonical", "system|version to use whatever it names.", max="*"),
            Parameter("return", "ValueSet", "The value set with its expansion.", min=1, use="out"),
        ),
    ),
)
