"""$export: everything, all patients' data or that of a Group's members, as NDJSON by a job that is polled.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

from dataclasses import replace

from fhir_lab.bulk.kickoff import accept
from fhir_lab.bulk.wanted import asked_of
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.outcomes import Issue, nearest
from fhir_lab.storage import repository

BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"


def export(request: Request) -> Response:
    """202 with Content-Location: where the job is asked how far it is.

    Raises `BadRequest` for what cannot be honoured, unless lenient: then it is left out and told in an `error` file;
    `Forbidden`, `NotFound` and `Gone` (the Group), `TooManyRequests`.
    """
    operation = request.interaction.operation
    assert operation is not None
    given = Arguments.of(request)
    if request.id:
        with request.reading() as unit:
            repository.read(unit, "Group", request.id)
    asked = asked_of(
        request.services,
        request.caller,
        level=request.type or "system",
        values={name: given.all(name) for name in operation.inputs},
        lenient=request.lenient,
        ignored=_unknown(request, operation) if request.lenient else [],
    )
    return accept(request, "export", replace(asked, group=request.id).as_json())


def _unknown(request: Request, operation: Operation) -> list[Issue]:
    """What a lenient client asked for that is none of the parameters."""
    names = [name for name, _ in request.parameters]
    entries = request.body.get("parameter", []) if isinstance(request.body, dict) else []
    names += [entry["name"] for entry in entries]
    known = operation.inputs
    return [
        Issue("not-supported", f"Ignored: there is no '{name[:64]}'.{nearest(name, known)}", (f"http.{name[:64]}",))
        for name in dict.fromkeys(names)
        if name not in known
    ]


_PARAMETERS = (
    Parameter("_outputFormat", "string", "application/fhir+ndjson, application/ndjson or ndjson, which all mean it."),
    Parameter("_since", "instant", "Only what changed after it; what was deleted since is listed in `deleted`."),
    Parameter("_until", "instant", "Only what last changed at or before it."),
    Parameter("_type", "string", "Resource types, parted by commas or repeated.", max="*"),
    Parameter(
        "_typeFilter", "string", "Searches such as Observation?status=final; any of a type's may match.", max="*"
    ),
    Parameter("_elements", "string", "Elements to keep, such as Patient.name; mandatory ones stay.", max="*"),
    Parameter(
        "includeAssociatedData",
        "code",
        "LatestProvenanceResources or RelevantProvenanceResources: the Provenance of what is exported.",
        max="*",
    ),
)
_PATIENT = Parameter("patient", "Reference", "Patients to limit the export to; by POST only.", max="*")

OPERATIONS = (
    Operation(
        "export",
        export,
        "export",
        "FHIR Bulk Data System Level Export",
        "Exports every resource that the caller may read, by a job.",
        BULK + "export",
        system=True,
        asynchronous=True,
        parameters=_PARAMETERS,
    ),
    Operation(
        "export",
        export,
        "patient-export",
        "FHIR Bulk Data Patient Level Export",
        "Exports what is in the compartments of all patients, and what it refers to, by a job.",
        BULK + "patient-export",
        on_type=("Patient",),
        asynchronous=True,
        parameters=(*_PARAMETERS, _PATIENT),
    ),
    Operation(
        "export",
        export,
        "group-export",
        "FHIR Bulk Data Group Level Export",
        "Exports what is in the compartments of the members of a Group, and what it refers to, by a job.",
        BULK + "group-export",
        on_instance=("Group",),
        asynchronous=True,
        parameters=(*_PARAMETERS, _PATIENT),
    ),
)
