"""Patient/$merge: two records of one person become one. https://build.fhir.org/patient-operation-merge.html

A draft of R6; R4 has no such operation.
"""

from typing import Any
from urllib.parse import urlencode

from fhir_lab.documents import Resource
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import Operation, Parameter
from fhir_lab.lab.merge import Merged, merge
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.results import parameters, part
from fhir_lab.outcomes import BadRequest, Issue, Unprocessable, operation_outcome
from fhir_lab.search import run
from fhir_lab.search.escapes import escape
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]
_IDS = 2  # enough to tell one from several


def merge_patients(request: Request) -> Response:
    """200 with `input`, `outcome` and `result`; with `preview` what would be done, and nothing is.

    Raises `BadRequest`, `Unprocessable` and `Forbidden`.
    """
    arguments = Arguments.of(request)
    result: Resource | None = arguments.one("result-patient")
    if result is not None:
        errors = [each for each in request.services.validator.check(result, "Patient") if each.severity == "error"]
        if errors:
            raise BadRequest(errors)
    preview = arguments.one("preview", False)

    def work(unit: Unit) -> tuple[str, str, Merged]:
        source, target = (_patient(unit, arguments, role) for role in ("source", "target"))
        return source, target, merge(unit, source, target, result, preview=preview)

    source, target, merged = _looking(request, work) if preview else request.writing(work)
    outcome = operation_outcome(
        [Issue("informational", _told(source, target, merged, preview), severity="information")]
    )
    return parameters(
        part("input", "Resource", request.body),
        part("outcome", "Resource", outcome),
        part("result", "Resource", merged.result),
    )


def _looking(request: Request, work: Any) -> Any:
    with request.reading() as unit:
        return work(unit)


def _told(source: str, target: str, merged: Merged, preview: bool) -> str:
    moved = ", ".join(f"{count} {name}" for name, count in sorted(merged.moved.items())) or "nothing else"
    will = "would be" if preview else "is"
    follow = "would follow" if preview else "followed"
    return f"Patient/{source} {will} merged into Patient/{target}; {moved} {follow}."


def _patient(unit: Unit, arguments: Arguments, role: str) -> str:
    """The id of the source or the target, by reference or by identifiers that one patient has all of."""
    by_reference, by_identifier = f"{role}-patient", f"{role}-patient-identifier"
    reference, identifiers = arguments.one(by_reference), arguments.all(by_identifier)
    if (reference is None) is not bool(identifiers):
        found = "both" if identifiers else "neither"
        raise BadRequest.of(
            f"Give either {by_reference} or {by_identifier}; found {found}.", by_reference, code="required"
        )
    if reference is not None:
        target = unit.services.locator.local(reference.get("reference", ""))
        if target is None or target[0] != "Patient":
            raise BadRequest.of("The reference is not to a Patient of this server.", by_reference, code="value")
        return target[1]
    matches = run.matching(unit, "Patient", _query(identifiers, by_identifier), limit=_IDS)
    if len(matches) != 1:
        count = "several patients have" if matches else "no patient has"
        raise Unprocessable.of(f"The {role} is not clear: {count} these identifiers.", by_identifier, code="not-found")
    return matches[0][1]


def _query(identifiers: list[Json], where: str) -> str:
    for identifier in identifiers:
        if not identifier.get("system") or not identifier.get("value"):
            raise BadRequest.of("An identifier needs system and value to find a patient.", where, code="required")
    return urlencode([("identifier", f"{escape(each['system'])}|{escape(each['value'])}") for each in identifiers])


OPERATIONS = (
    Operation(
        "merge",
        merge_patients,
        "Patient-merge",
        "Merge two Patients",
        "Merges the source into the target: references follow, identifiers are kept, the source becomes inactive.",
        "http://hl7.org/fhir/OperationDefinition/Patient-merge",
        on_type=("Patient",),
        affects_state=True,
        permission="u",
        parameters=(
            Parameter("source-patient", "Reference", "The Patient that leaves."),
            Parameter("source-patient-identifier", "Identifier", "Or what identifies it.", max="*"),
            Parameter("target-patient", "Reference", "The Patient that goes on."),
            Parameter("target-patient-identifier", "Identifier", "Or what identifies it.", max="*"),
            Parameter("result-patient", "Patient", "What the target shall be like; its id is the target's."),
            Parameter("preview", "boolean", "Tell what would be done, and do nothing."),
            Parameter("input", "Parameters", "What was asked.", 1, "1", "out"),
            Parameter("outcome", "OperationOutcome", "What was done.", 1, "1", "out"),
            Parameter("result", "Patient", "The target after the merge.", 0, "1", "out"),
        ),
    ),
)
