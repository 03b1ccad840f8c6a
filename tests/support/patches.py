"""FHIRPath patches for tests, written short."""

from typing import Any

Json = dict[str, Any]
_KINDS = {"type": "valueCode", "path": "valueString", "name": "valueString"}


def parameters(*operations: Json) -> Json:
    """A FHIRPath Patch of these operations."""
    return {"resourceType": "Parameters", "parameter": list(operations)}


def operation(kind: str, path: str, **parts: Any) -> Json:
    """One operation; a part that is an object is taken as it is, numbers and texts get their type."""
    return {"name": "operation", "part": [_part(name, each) for name, each in _all(kind, path, parts)]}


def _all(kind: str, path: str, parts: Json) -> list[tuple[str, Any]]:
    return [("type", kind), ("path", path), *parts.items()]


def _part(name: str, value: Any) -> Json:
    if isinstance(value, dict):
        return {"name": name, **value}
    return {"name": name, _KINDS.get(name, "valueInteger"): value}
