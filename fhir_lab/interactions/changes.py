"""What the body of a PATCH means: by its media type over HTTP, wrapped in a resource inside a Bundle.

https://hl7.org/fhir/R4/http.html#patch
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from fhir_lab.documents import Resource, deeper_than, parse
from fhir_lab.http import media
from fhir_lab.interactions.message import Request
from fhir_lab.interactions.subset import is_subset
from fhir_lab.outcomes import BadRequest, Unprocessable
from fhir_lab.patching import patch_of
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.xml import from_xml


def change_of(request: Request) -> Callable[[Resource], Resource]:
    """What a PATCH does to a document. Raises `BadRequest` for a body that is no patch of its media type.

    The change raises `Unprocessable` where it does not fit, and where it touches what identifies the resource.
    """
    settings, body = request.services.settings, request.body
    if isinstance(body, dict) and body.get("resourceType") == "Parameters":
        _refuse_invalid(request.services, body, "Parameters")
    media_type = media.patch_type(request.headers.get("content-type", ""))
    change = patch_of(media_type, body, settings.max_depth, settings.max_body_bytes)

    def changed(document: Resource) -> Resource:
        result = change(document)
        _check(result, document, settings)
        return result

    return changed


def unwrapped(services: Services, resource: Any) -> tuple[str, Any]:
    """(media type, body) of the patch that the resource of a Bundle entry carries.

    https://hl7.org/fhir/R4/http.html#jsonpatch. A Binary has it in `data`, Parameters are it. Raises `BadRequest`, and
    `UnsupportedMediaType` for a Binary that holds something else.
    """
    if not isinstance(resource, dict) or resource.get("resourceType") not in ("Binary", "Parameters"):
        raise BadRequest.of(
            "A PATCH entry has a Binary with a JSON Patch (contentType application/json-patch+json), or Parameters.",
            "resource",
            code="structure",
        )
    if resource["resourceType"] == "Parameters":
        return media.FHIR_JSON, resource
    _refuse_invalid(services, resource, "Binary")
    media_type = str(resource.get("contentType", ""))
    read = from_xml if media.patch_format(media_type) == media.XML else parse
    try:
        data = base64.b64decode(resource.get("data", ""))
    except binascii.Error:
        raise BadRequest.of("Binary.data is not base64.", "Binary.data", code="value") from None
    return media_type, read(data, services.settings.max_depth)


def _refuse_invalid(services: Services, resource: Resource, resource_type: str) -> None:
    issues = services.validator.check(resource, resource_type)
    if issues:
        raise BadRequest(issues)


def _check(result: Resource, document: Resource, settings: Settings) -> None:
    for name in ("resourceType", "id"):
        if result.get(name) != document[name]:
            raise Unprocessable.of(
                f"A patch may not change the {name}; it is '{document[name]}'.", f"{document['resourceType']}.{name}"
            )
    if deeper_than(result, settings.max_depth):
        raise Unprocessable.of(f"The result is nested deeper than {settings.max_depth} levels.", code="structure")
    if is_subset(result):
        raise Unprocessable.of(
            "The patch would tag the resource SUBSETTED, though it is whole.", f"{document['resourceType']}.meta.tag"
        )
