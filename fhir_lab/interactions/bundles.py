"""Bundles put together from stored JSON text, which is copied and never parsed.

https://hl7.org/fhir/R4/bundle.html
"""

from http import HTTPStatus
from typing import Any

import orjson

from fhir_lab.clock import instant
from fhir_lab.documents import dumps
from fhir_lab.http.links import Link, resource_url
from fhir_lab.http.preconditions import etag
from fhir_lab.interactions.message import Response
from fhir_lab.interactions.subset import Cut, reduced
from fhir_lab.storage.repository import Version

METHODS = {"create": "POST", "update": "PUT", "patch": "PUT", "delete": "DELETE"}
Json = dict[str, Any]


def bundle(
    kind: str, entries: list[Json], *, links: list[Link] | None = None, total: int | None = None, now: int | None = None
) -> bytes:
    """The JSON text of a Bundle of this type; `now` (microseconds UTC) becomes `meta.lastUpdated`."""
    found: Json = {"resourceType": "Bundle"}
    if now is not None:
        found["meta"] = {"lastUpdated": instant(now)}
    found["type"] = kind
    if total is not None:
        found["total"] = total
    if links:
        found["link"] = links
    if entries:
        found["entry"] = entries
    return dumps(found)


def searched(base: str, version: Version, mode: str, cut: Cut | None = None) -> Json:
    """An entry of a searchset; `mode` is match or include, `cut` what is to be left of the resource."""
    assert version.content is not None
    return {
        "fullUrl": resource_url(base, version.type, version.id),
        "resource": orjson.Fragment(reduced(version.content, cut) if cut else version.content),
        "search": {"mode": mode},
    }


def historic(base: str, version: Version, cut: Cut | None = None) -> Json:
    """An entry of a history Bundle; a version that deleted has no resource. `cut` is as for a searchset."""
    method = METHODS[version.interaction]
    url = version.type if method == "POST" else f"{version.type}/{version.id}"
    status = 204 if method == "DELETE" else 201 if version.version == 1 else 200
    entry: Json = {"fullUrl": resource_url(base, version.type, version.id)}
    if version.content is not None:
        entry["resource"] = orjson.Fragment(reduced(version.content, cut) if cut else version.content)
    entry["request"] = {"method": method, "url": url}
    entry["response"] = {
        "status": _status(status),
        "etag": etag(version.version),
        "lastModified": instant(version.last_updated),
    }
    return entry


def answered(response: Response) -> Json:
    """An entry of a batch-response or transaction-response."""
    told: Json = {"status": _status(response.status)}
    if response.location is not None:
        told["location"] = response.location
    if response.version is not None:
        told["etag"] = etag(response.version)
    if response.last_updated is not None:
        told["lastModified"] = instant(response.last_updated)
    if response.outcome:
        told["outcome"] = orjson.Fragment(response.outcome)
    entry: Json = {"resource": orjson.Fragment(response.resource)} if response.resource else {}
    entry["response"] = told
    return entry


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
