"""JSON Merge Patch: what is there replaces, null removes. https://www.rfc-editor.org/rfc/rfc7396

Not a patch format of R4; it is what clients mean that PATCH a part of a resource as plain JSON.
"""

from collections.abc import Callable
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest


def merge_patch(body: Any) -> Callable[[Resource], Resource]:
    """The patch that merges `body` into a document. Raises `BadRequest` when it is not an object."""
    if not isinstance(body, dict):
        raise BadRequest.of("A merge patch is a JSON object with the elements to change.", "http.body")

    def change(document: Resource) -> Resource:
        return _merged(document, body)

    return change


def _merged(old: Any, new: dict[str, Any]) -> dict[str, Any]:
    found = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            found[name] = _merged(found.get(name), value)
        else:
            found[name] = value
    return found
