"""A resource of an NDJSON line as a write: by PUT where it has an id, which it keeps, else by POST."""

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.storage.transaction import Entry


def entry_of(document: object, label: str) -> Entry:
    """The write of one document; `label` names the place in errors. Raises `BadRequest` when it is no resource."""
    if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
        raise BadRequest.of("This is not a FHIR resource: it has no resourceType.", *filter(None, [label]))
    resource: Resource = document
    method, resource_id = ("PUT", resource["id"]) if "id" in resource else ("POST", None)
    return Entry(method=method, type=resource["resourceType"], id=resource_id, resource=resource, label=label)
