"""ValueSet/$validate-code and CodeSystem/$validate-code: is this a code of the value set, of the code system?

https://hl7.org/fhir/R4/valueset-operation-validate-code.html
https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.concepts import codings, meant, needed, terms_of
from fhir_lab.operations.results import parameters, part
from fhir_lab.outcomes import BadRequest
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.source import unknown
from fhir_lab.terminology.systems import System
from fhir_lab.terminology.validate import Verdict, in_system, in_value_set


def in_set(request: Request) -> Response:
    """200 with `result`, whether the code is a member of the value set; `message` says why not.

    Raises `NotFound` for a value set that is not known, `Unprocessable` where what it needs is not.
    """
    arguments = Arguments.of(request)
    asked = codings(arguments, "systemVersion")
    abstract, version = arguments.one("abstract", False), arguments.one("systemVersion", "")
    with request.reading() as unit:
        value_set = meant(request, unit, arguments, "ValueSet")
        with needed():
            return _answer(in_value_set(value_set, terms_of(unit), asked, abstract=abstract, version=version))


def in_code_system(request: Request) -> Response:
    """200 with `result`, whether the code is in the code system; `message` says why not.

    Raises `NotFound` for a code system that is not known.
    """
    arguments = Arguments.of(request)
    with request.reading() as unit:
        system = _system(request, unit, arguments)
        asked = codings(arguments, "version", system.url or "-")
        if not system.concepts:
            raise unknown("CodeSystem", f"{system.url} with its codes")
        return _answer(in_system(system, asked, abstract=arguments.one("abstract", False)))


def _system(request: Request, unit: Unit, arguments: Arguments) -> System:
    """The code system that the request names, by its coding if in no other way."""
    if request.id or "url" in arguments or "codeSystem" in arguments:
        return System(meant(request, unit, arguments, "CodeSystem"))
    given = [arguments.one("coding", {}), *arguments.one("codeableConcept", {}).get("coding", [])]
    url = next((coding["system"] for coding in given if "system" in coding), "")
    if not url:
        raise BadRequest.of("Name the code system by 'url'.", "http.url", code="required")
    return terms_of(unit).named("CodeSystem", url, arguments.one("version", "")).system


def _answer(verdict: Verdict) -> Response:
    found = [part("result", "boolean", verdict.result)]
    if verdict.message:
        found.append(part("message", "string", verdict.message))
    if verdict.display:
        found.append(part("display", "string", verdict.display))
    return parameters(*found)


_RESULT = (
    Parameter("result", "boolean", "Whether the code is valid.", min=1, use="out"),
    Parameter("message", "string", "Why it is not, or what there is to know.", use="out"),
    Parameter("display", "string", "The display that the code has.", use="out"),
)
_CODE = (
    Parameter("code", "code", "The code to validate."),
    Parameter("display", "string", "The display to validate with it."),
    Parameter("coding", "Coding", "The coding to validate."),
    Parameter("codeableConcept", "CodeableConcept", "The concept to validate: one of its codings must be valid."),
    Parameter("abstract", "boolean", "Whether abstract codes are valid here."),
)

OPERATIONS = (
    Operation(
        "validate-code",
        in_set,
        "ValueSet-validate-code",
        "Value Set based Validation",
        "Whether a code is a member of a stored, built-in or given value set, and whether its display is right.",
        HL7 + "ValueSet-validate-code",
        on_type=("ValueSet",),
        on_instance=("ValueSet",),
        permission="r",
        parameters=(
            Parameter("url", "uri", "Canonical URL of the value set."),
            Parameter("valueSet", "ValueSet", "The value set itself."),
            Parameter("valueSetVersion", "string", "Business version of the value set that 'url' names."),
            *_CODE,
            Parameter("system", "uri", "The code system of 'code'."),
            Parameter("systemVersion", "string", "The version of that code system."),
            *_RESULT,
        ),
    ),
    Operation(
        "validate-code",
        in_code_system,
        "CodeSystem-validate-code",
        "Code System based Validation",
        "Whether a code is in a stored, built-in or given code system, and whether its display is right.",
        HL7 + "CodeSystem-validate-code",
        on_type=("CodeSystem",),
        on_instance=("CodeSystem",),
        permission="r",
        parameters=(
            Parameter("url", "uri", "Canonical URL of the code system."),
            Parameter("codeSystem", "CodeSystem", "The code system itself."),
            Parameter("version", "string", "Business version of the code system."),
            *_CODE,
            *_RESULT,
        ),
    ),
)
