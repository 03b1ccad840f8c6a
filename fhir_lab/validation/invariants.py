"""The invariants that are asked of most resources, by the path they belong to, as plain functions.

https://hl7.org/fhir/R4/observation.html#invs and the like; each message ends with the key of its rule. An element whose
JSON type is wrong is the guard's to report: here it counts as absent or present, never as an error of its own.
"""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from fhir_lab.search.values import date_range
from fhir_lab.validation.walk import Walk, shown

Json = dict[str, Any]
Invariant = Callable[[Json, str, Walk], None]

UTC = ZoneInfo("UTC")
DATE_LENGTH = len("2026-11-20")
# A date in an unknown zone begins at most this much earlier or later than in UTC, in microseconds.
ZONE_WIDTH = 14 * 3_600_000_000


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _needs(key: str, name: str, *needed: str) -> Invariant:
    """`name` asks for at least one of `needed`."""

    def check(value: Json, path: str, walk: Walk) -> None:
        if name in value and not any(each in value or f"_{each}" in value for each in needed):
            walk.add("invariant", path, f"{name} needs {' or '.join(needed)} beside it ({key}).")

    return check


def _some_of(key: str, *names: str) -> Invariant:
    def check(value: Json, path: str, walk: Walk) -> None:
        if not any(name in value or f"_{name}" in value for name in names):
            walk.add("invariant", path, f"at least one of {', '.join(names)} is required ({key}).")

    return check


def _value_name(value: Json) -> str | None:
    return next((name for name in value if name.startswith(("value", "_value"))), None)


def _absent_reason_excludes_value(value: Json, path: str, walk: Walk) -> None:
    if "dataAbsentReason" in value and (name := _value_name(value)):
        walk.add("invariant", path, f"dataAbsentReason and {name} exclude each other (obs-6).")


def _component_repeats_code(value: Json, path: str, walk: Walk) -> None:
    if "component" not in value or _value_name(value) is None or not isinstance(value.get("code"), dict):
        return
    own = _objects(value["code"].get("coding"))
    for index, component in enumerate(value["component"] if isinstance(value["component"], list) else []):
        code = component.get("code") if isinstance(component, dict) else None
        if isinstance(code, dict) and any(coding in own for coding in _objects(code.get("coding"))):
            said = "the Observation has a value, so no component may have its code (obs-7)."
            walk.add("invariant", f"{path}.component[{index}].code", said)


def _extension_has_one(value: Json, path: str, walk: Walk) -> None:
    name = _value_name(value)
    if ("extension" in value) == (name is not None):
        found = f"extension and {name}" if name else "neither"
        walk.add("invariant", path, f"{found} found; an extension has either a value or extensions, not both (ext-1).")
    url = value.get("url")
    if isinstance(url, str) and ":" not in url and not _inside_extension(path):
        walk.add(
            "value", f"{path}.url", f"{shown(url)} is not an absolute URL; only extensions in extensions do without."
        )


def _inside_extension(path: str) -> bool:
    return path.split(".")[-2:][0].startswith(("extension[", "modifierExtension["))


def _period_runs_forward(value: Json, path: str, walk: Walk) -> None:
    start, end = value.get("start"), value.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return
    try:
        (earliest, _), (_, latest) = date_range(start, UTC), date_range(end, UTC)
    except ValueError:
        return
    same_zone = (len(start) > DATE_LENGTH) == (len(end) > DATE_LENGTH)
    if earliest >= latest + (0 if same_zone else ZONE_WIDTH):
        walk.add("invariant", path, f"the start {start} is after the end {end} (per-1).")


def _bundle(value: Json, path: str, walk: Walk) -> None:
    kind, entries = value.get("type"), _objects(value.get("entry"))
    if "total" in value and kind not in ("searchset", "history"):
        walk.add("invariant", f"{path}.total", f"a {kind} has no total; a searchset or history does (bdl-1).")
    for index, entry in enumerate(entries):
        _bundle_entry(kind, entry, f"{path}.entry[{index}]", walk)
    if kind != "history":
        _full_urls(entries, path, walk)
    if kind == "document":
        _document(value, entries, path, walk)
    if kind == "message" and _first_type(entries) != "MessageHeader":
        walk.add("invariant", f"{path}.entry", "the first entry of a message is a MessageHeader (bdl-12).")


def _bundle_entry(kind: Any, entry: Json, path: str, walk: Walk) -> None:
    for key, name, kinds in (
        ("bdl-3", "request", ("batch", "transaction", "history")),
        ("bdl-4", "response", ("batch-response", "transaction-response", "history")),
    ):
        if (name in entry) != (kind in kinds):
            said = f"an entry of a {kind} needs a {name}" if kind in kinds else f"an entry of a {kind} has no {name}"
            walk.add("invariant", f"{path}.{name}", f"{said} ({key}).")
    if "search" in entry and kind != "searchset":
        walk.add("invariant", f"{path}.search", f"an entry of a {kind} has no search; that of a searchset may (bdl-2).")


def _full_urls(entries: list[Json], path: str, walk: Walk) -> None:
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(entries):
        url, resource = entry.get("fullUrl"), entry.get("resource")
        if not isinstance(url, str):
            continue
        meta = resource.get("meta") if isinstance(resource, dict) else None
        version = str(meta.get("versionId", "")) if isinstance(meta, dict) else ""
        if (url, version) in seen:
            walk.add("invariant", f"{path}.entry[{index}].fullUrl", f"{shown(url)} occurs twice; it is unique (bdl-7).")
        if "/_history/" in url:
            walk.add("invariant", f"{path}.entry[{index}].fullUrl", f"{shown(url)} names a version (bdl-8).")
        seen.add((url, version))


def _document(value: Json, entries: list[Json], path: str, walk: Walk) -> None:
    identifier = value.get("identifier")
    if not isinstance(identifier, dict) or not {"system", "value"} <= identifier.keys():
        walk.add("invariant", f"{path}.identifier", "a document has an identifier with system and value (bdl-9).")
    if "timestamp" not in value:
        walk.add("invariant", f"{path}.timestamp", "a document has a timestamp (bdl-10).")
    if _first_type(entries) != "Composition":
        walk.add("invariant", f"{path}.entry", "the first entry of a document is a Composition (bdl-11).")


def _first_type(entries: list[Json]) -> Any:
    resource = entries[0].get("resource") if entries else None
    return resource.get("resourceType") if isinstance(resource, dict) else None


def contained_rules(contained: list[Any], path: str, walk: Walk) -> None:
    """dom-2 to dom-5: contained resources are flat, have no version or security, and something refers to each."""
    for index, resource in enumerate(contained):
        if not isinstance(resource, dict):
            continue
        where, name = f"{path}.contained[{index}]", resource.get("id")
        if "contained" in resource:
            walk.add("invariant", f"{where}.contained", "a contained resource contains no others (dom-2).")
        if not isinstance(name, str):
            walk.add(
                "invariant", f"{where}.id", "missing; a contained resource has an id to be referred to by (dom-3)."
            )
        elif name not in walk.fragments and name not in walk.pointing_up:
            walk.add("invariant", where, f"nothing refers to '#{name}', so the resource may not be contained (dom-3).")
        meta = resource.get("meta")
        for key, part in (("dom-4", "versionId"), ("dom-4", "lastUpdated"), ("dom-5", "security")):
            if isinstance(meta, dict) and part in meta:
                walk.add("invariant", f"{where}.meta.{part}", f"a contained resource has no {part} ({key}).")


_QUANTITY = (_needs("qty-3", "code", "system"),)

INVARIANTS: dict[str, tuple[Invariant, ...]] = {
    "Observation": (_absent_reason_excludes_value, _component_repeats_code),
    "Observation.referenceRange": (_some_of("obs-3", "low", "high", "text"),),
    "Patient.contact": (_some_of("pat-1", "name", "telecom", "address", "organization"),),
    "ServiceRequest": (_needs("prr-1", "orderDetail", "code"),),
    "Bundle": (_bundle,),
    "Bundle.entry": (_some_of("bdl-5", "resource", "request", "response"),),
    "Extension": (_extension_has_one,),
    "Period": (_period_runs_forward,),
    "Attachment": (_needs("att-1", "data", "contentType"),),
    "ContactPoint": (_needs("cpt-2", "value", "system"),),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _QUANTITY),
}
