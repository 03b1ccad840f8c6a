"""StructureDefinitions for tests, and a place to find them."""

from collections.abc import Hashable
from typing import Any

from fhir_lab.terminology.codes import Members
from fhir_lab.terminology.compose import Composer

BASE = "http://hl7.org/fhir/StructureDefinition/"
HERE = "http://example.org/StructureDefinition/"
Json = dict[str, Any]


def profile(name: str, type_: str, *elements: Json, base: str = "", **more: Any) -> Json:
    """A profile with a differential; an element is `{"path": ..., ...}`, its id made from path and sliceName."""
    return {
        "resourceType": "StructureDefinition",
        "url": HERE + name,
        "name": name,
        "status": "active",
        "kind": "resource" if type_[0].isupper() else "primitive-type",
        "abstract": False,
        "type": type_,
        "baseDefinition": base or BASE + type_,
        "derivation": "constraint",
        "differential": {"element": [{"id": each["path"] + _suffix(each), **each} for each in elements]},
    } | more


def _suffix(element: Json) -> str:
    return f":{element['sliceName']}" if "sliceName" in element else ""


def pattern_slices(path: str, discriminator: str = "$this", kind: str = "pattern", rules: str = "open") -> Json:
    """The element that says how it is sliced."""
    return {"path": path, "slicing": {"discriminator": [{"type": kind, "path": discriminator}], "rules": rules}}


class Stored:
    """A source that holds definitions in memory; see `validation.profiles.Source`."""

    def __init__(self, *definitions: Json, value_sets: tuple[Json, ...] = ()) -> None:
        self.definitions = {each["url"]: each for each in definitions}
        self.value_sets = {each["url"]: each for each in value_sets}

    def stamp(self, url: str, _version: str) -> Hashable | None:
        return id(self.definitions[url]) if url in self.definitions else None

    def load(self, url: str, version: str) -> Json | None:
        found = self.definitions.get(url)
        return found if found and version in ("", found.get("version", "")) else None

    def members(self, value_set: str) -> Members | None:
        found = self.value_set(value_set)
        return Composer(self).members(found) if found else None

    def system(self, _url: str, _version: str = "") -> None:
        return None

    def value_set(self, url: str, _version: str = "") -> Json | None:
        return self.value_sets.get(url)
