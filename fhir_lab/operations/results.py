"""What operations answer: a Parameters resource, or the one resource they return.

https://hl7.org/fhir/R4/operations.html#response
"""

from typing import Any

import orjson

from fhir_lab.documents import dumps
from fhir_lab.interactions.message import Response

Json = dict[str, Any]


def part(name: str, kind: str, value: Any) -> Json:
    """One parameter; `kind` is the datatype of the value (`code`, `Coding`), or Resource."""
    if kind == "Resource":
        return {"name": name, "resource": value}
    return {"name": name, f"value{kind[0].upper()}{kind[1:]}": value}


def parts(name: str, *inner: Json) -> Json:
    """One parameter that consists of others."""
    return {"name": name, "part": list(inner)}


def parameters(*found: Json, status: int = 200) -> Response:
    """A Parameters resource as the answer. Stored JSON text may stand in it as an `orjson.Fragment`."""
    body: Json = {"resourceType": "Parameters"}
    if found:
        body["parameter"] = list(found)
    return Response(status, dumps(body))


def resource(found: Json | str) -> Response:
    """One resource, given as JSON values or as stored text, as the answer."""
    return Response(200, found.encode() if isinstance(found, str) else dumps(found))


def stored(content: str) -> Any:
    """Stored text as a value inside another answer, copied and not parsed."""
    return orjson.Fragment(content)
