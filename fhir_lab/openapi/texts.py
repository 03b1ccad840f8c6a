"""What the documents say of each interaction: summary, explanation, headers, answers.

https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
HTTP = "https://hl7.org/fhir/R4/http.html"


@dataclass(frozen=True, slots=True)
class Text:
    """One interaction in words.

    `anchor` is the section of the R4 page on HTTP. `answers` maps a status to the name of a response in
    `components.responses`; `headers` names request headers of `HEADERS`.
    """

    summary: str
    description: str
    tag: str
    anchor: str
    answers: Mapping[int, str]
    headers: tuple[str, ...] = ()


HEADERS: Mapping[str, str] = {
    "If-Match": 'Only if this is still the current version, such as `W/"1"`; otherwise 412.',
    "If-None-Exist": "Create only if no resource matches these search criteria, such as `identifier=system|value`.",
    "If-None-Match": 'Answer 304 if the version is still this one, such as `W/"1"`.',
    "Prefer": "`return=minimal`, `return=representation` or `return=OperationOutcome`.",
    "Handling": "`handling=lenient` ignores unknown parameters instead of refusing them.",
}
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "The request or the resource breaks the specification; every error is listed with its place."),
    404: ("NotFound", "There is no such resource."),
    409: ("Conflict", "Other resources refer to this one, or two writes touch it at once."),
    410: ("Gone", "The resource was deleted."),
    412: ("PreconditionFailed", "Another version is current, or several resources match the condition."),
    415: ("UnsupportedMediaType", "The body is in a format that is not read here; the answer names those that are."),
    422: ("Unprocessable", "A rule of this server is broken, such as a reference to a resource that does not exist."),
}
REFUSED = "Refused; the OperationOutcome says why. 401: no valid token; 403: its scopes do not reach this far."
_WRITTEN = {200: "Resource", 201: "Resource", 400: "", 409: "", 412: "", 422: ""}
_PATCHED = {200: "Resource", 400: "", 404: "", 409: "", 410: "", 412: "", 415: "", 422: ""}
_FOUND = {200: "Page", 400: ""}

# By (name, path) of the table of interactions.
TEXTS: Mapping[tuple[str, str], Text] = {
    ("search-type", "/{type}"): Text(
        "Search",
        "Resources that match every parameter given; values separated by commas are alternatives. "
        "Pages are followed by the `next` link.",
        "Read and search",
        "search",
        _FOUND,
        ("Handling",),
    ),
    ("search-type", "/{type}/_search"): Text(
        "Search by POST",
        "As search by GET, with the parameters in a form, so that they appear in no log of a proxy.",
        "Read and search",
        "search",
        _FOUND,
        ("Handling",),
    ),
    ("search-system", "/"): Text(
        "Search several types",
        "Resources of the types that `_type` names, or of all types, that match every parameter given. "
        "Parameters that all of these types have can be used.",
        "Search",
        "search",
        _FOUND,
        ("Handling",),
    ),
    ("search-system", "/_search"): Text(
        "Search several types by POST",
        "As by GET, with the parameters in a form.",
        "Search",
        "search",
        _FOUND,
        ("Handling",),
    ),
    ("search-compartment", "/{type}/{id}/{member}"): Text(
        "Search a compartment",
        "Resources of one type, or of all (`*`), that belong to this one. "
        "Any search parameter of the type can be used.",
        "Read and search",
        "search",
        {**_FOUND, 404: ""},
        ("Handling",),
    ),
    ("search-compartment", "/{type}/{id}/{member}/_search"): Text(
        "Search a compartment by POST",
        "As by GET, with the parameters in a form.",
        "Read and search",
        "search",
        {**_FOUND, 404: ""},
        ("Handling",),
    ),
    ("search-compartment", "/{type}/{id}/_search"): Text(
        "Search all types of a compartment by POST",
        "As `*` by GET, with the parameters in a form.",
        "Read and search",
        "search",
        {**_FOUND, 404: ""},
        ("Handling",),
    ),
    ("read", "/{type}/{id}"): Text(
        "Read",
        "The current version.",
        "Read and search",
        "read",
        {200: "Resource", 304: "NotModified", 404: "", 410: ""},
        ("If-None-Match",),
    ),
    ("create", "/{type}"): Text(
        "Create",
        "A new resource under an id that the server gives; an id in the body is not used.",
        "Write",
        "create",
        _WRITTEN,
        ("If-None-Exist", "Prefer"),
    ),
    ("update", "/{type}/{id}"): Text(
        "Update, or create under this id",
        "Replaces the resource by a new version, or creates it under the id of the URL. The body has the same id.",
        "Write",
        "update",
        _WRITTEN,
        ("If-Match", "Prefer"),
    ),
    ("update", "/{type}"): Text(
        "Update by criteria",
        "Updates the one resource that matches the criteria in the URL, or creates one if none matches. "
        "Every search parameter may be a criterion.",
        "Write",
        "cond-update",
        _WRITTEN,
        ("If-Match", "Prefer"),
    ),
    ("patch", "/{type}/{id}"): Text(
        "Patch",
        "Changes parts of the resource, by JSON Patch, FHIRPath Patch or JSON Merge Patch. The id stays the same.",
        "Write",
        "patch",
        _PATCHED,
        ("If-Match", "Prefer"),
    ),
    ("patch", "/{type}"): Text(
        "Patch by criteria",
        "Changes parts of the one resource that matches the criteria in the URL; 404 if none matches. "
        "Every search parameter may be a criterion.",
        "Write",
        "patch",
        _PATCHED,
        ("If-Match", "Prefer"),
    ),
    ("delete", "/{type}/{id}"): Text(
        "Delete",
        "The resource is gone for read and search; its history stays.",
        "Write",
        "delete",
        {200: "Outcome", 204: "Empty", 404: "", 409: "", 412: ""},
        ("If-Match",),
    ),
    ("delete", "/{type}"): Text(
        "Delete by criteria",
        "Deletes the one resource that matches the criteria in the URL. Every search parameter may be a criterion.",
        "Write",
        "cdelete",
        {200: "Outcome", 204: "Empty", 400: "", 409: "", 412: ""},
    ),
    ("vread", "/{type}/{id}/_history/{vid}"): Text(
        "Read a version",
        "One version, current or earlier.",
        "History",
        "vread",
        {200: "Resource", 304: "NotModified", 404: "", 410: ""},
        ("If-None-Match",),
    ),
    ("history-instance", "/{type}/{id}/_history"): Text(
        "History of a resource", "Its versions, newest first.", "History", "history", {200: "Page", 400: "", 404: ""}
    ),
    ("history-type", "/{type}/_history"): Text(
        "History of the type", "Versions of all resources of the type, newest first.", "History", "history", _FOUND
    ),
    ("history-system", "/_history"): Text(
        "History of everything", "Versions of all resources, newest first.", "History", "history", _FOUND
    ),
    ("capabilities", "/metadata"): Text(
        "Capabilities",
        "The CapabilityStatement: what this server does. No token is needed.",
        "Capabilities",
        "capabilities",
        {200: "Resource"},
    ),
    ("transaction", "/"): Text(
        "Transaction or batch",
        "A Bundle of type `transaction` is stored whole or not at all; the entries of a `batch` stand each for itself.",
        "Transactions",
        "transaction",
        {200: "Page", 400: "", 409: "", 412: "", 422: ""},
    ),
}
PARAMETERS: Mapping[str, str] = {
    "_since": "Only versions from this instant on, such as `2026-04-15T08:00:00Z`.",
    "_at": "Only versions that were current at some time in this date or instant.",
    "_list": "Only resources in this List, by its id.",
    "_count": "Entries on a page.",
    "_page": "Comes from the `next` link of the page before.",
    "mode": "`full` and `normative` give the same.",
}
