"""Patches: from what a client sends to a function of the document, free of HTTP and of the database.

https://hl7.org/fhir/R4/http.html#patch
"""

from collections.abc import Callable, Mapping
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.patching.fhirpath_patch import fhirpath_patch
from fhir_lab.patching.json_patch import json_patch
from fhir_lab.patching.merge_patch import merge_patch

Patch = Callable[[Resource], Resource]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
PLAIN_JSON = ("application/json", "text/json", "")
# What the CapabilityStatement tells; plain JSON is taken for what its content looks like.
FORMATS: Mapping[str, str] = {
    JSON_PATCH: "JSON Patch",
    FHIR_JSON: "FHIRPath Patch",
    FHIR_XML: "FHIRPath Patch",
    MERGE_PATCH: "JSON Merge Patch",
}


def patch_of(media_type: str, body: Any, max_depth: int, max_bytes: int) -> Patch:
    """The patch that a body of this media type means.

    Plain JSON is a JSON Patch when it is an array, a FHIRPath Patch when it is Parameters, and a merge patch when it is
    any other object. The patch makes a new document, which need not be valid, and raises `Unprocessable` where it does
    not fit. Raises `BadRequest` for a body that is no patch.
    """
    parameters = isinstance(body, dict) and body.get("resourceType") == "Parameters"
    if media_type == JSON_PATCH or (media_type in PLAIN_JSON and isinstance(body, list)):
        return json_patch(body, max_depth, max_bytes)
    if media_type == MERGE_PATCH or (media_type in PLAIN_JSON and not parameters):
        return merge_patch(body)
    return fhirpath_patch(body)
