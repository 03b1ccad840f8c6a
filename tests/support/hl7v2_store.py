"""A stand-in for the database in tests of pure functions: applies transaction Bundles to a dict, answers look-ups."""

import copy
import re
from collections.abc import Collection
from functools import cache
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fhir_lab.documents import Resource, dumps, parse
from fhir_lab.ingest.hl7v2.message import read_message
from fhir_lab.validation import Validator
from mappers.hl7v2.oru import Conversion, Key, convert

BERLIN = ZoneInfo("Europe/Berlin")
HEAD = "MSH|^~\\&|LIS|LAB|EHR|WARD|20250314120000+0100||ORU^R01^ORU_R01|1|P|2.5.1"
PATIENT = "PID|1||P1^^^HOSP^MR||Doe^Jane||19800101|F"
ORDER = "OBR|1||F1^LIS|58410-2^CBC^LN|||20250314100000+0100|||||||||||||||20250314110000+0100||HM|F"


@cache
def validator() -> Validator:
    """The 4.0.1 checks."""
    return Validator()


def invalid(conversion: Conversion) -> list[str]:
    """What is wrong with the resources of a Bundle."""
    return [
        f"{issue.expression}: {issue.details}"
        for entry in conversion.bundle["entry"]
        for issue in validator().check(entry["resource"], entry["resource"]["resourceType"])
        if issue.severity != "warning"
    ]


class Store:
    """Current resources by `Type/id`, with versions; unchanged content makes no new version."""

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {}
        self.versions: dict[str, list[Resource]] = {}

    def current(self, keys: Collection[Key]) -> dict[Key, list[Resource]]:
        """The stored resources that have these identifiers."""
        wanted, found = set(keys), dict[Key, list[Resource]]()
        for resource in self.resources.values():
            numbers = [(each.get("system", ""), each.get("value", "")) for each in resource.get("identifier", [])]
            for key in {Key(resource["resourceType"], *number) for number in numbers} & wanted:
                found.setdefault(key, []).append(copy.deepcopy(resource))
        return found

    def send(self, *lines: str, head: str = HEAD, zone: ZoneInfo = BERLIN) -> Conversion:
        """Convert a message and apply it; its resources must be valid and its results all accounted for."""
        message = read_message(("\r".join([head, *lines]) + "\r").encode())
        conversion = convert(message, zone=zone, current=self.current)
        assert invalid(conversion) == []
        assert conversion.obx_in == sum(line.startswith("OBX") for line in lines)
        assert conversion.obx_in == conversion.obx_stored + conversion.obx_quarantined
        self.apply(conversion)
        return conversion

    def result(self, *lines: str) -> Resource:
        """The one Observation that an OBX (with what follows it) becomes."""
        conversion = self.send(PATIENT, ORDER, *lines)
        assert conversion.reasons == []
        return self.one("Observation")

    def of(self, resource_type: str) -> list[Resource]:
        return [resource for name, resource in self.resources.items() if name.startswith(resource_type + "/")]

    def one(self, resource_type: str) -> Resource:
        found = self.of(resource_type)
        assert len(found) == 1, f"{len(found)} {resource_type}"
        return found[0]

    def apply(self, conversion: Conversion) -> list[str]:
        """Apply a Bundle as a server does; the references that were created or got a new version."""
        conditions = {entry["fullUrl"]: _condition(entry) for entry in conversion.bundle["entry"]}
        matches = self.current([key for key in conditions.values() if key is not None])
        entries = [(self._target(entry, conditions, matches), entry) for entry in conversion.bundle["entry"]]
        names = {entry["fullUrl"]: name for name, entry in entries}
        written = []
        for name, entry in entries:
            request = entry["request"]
            stored = self.resources.get(name)
            if stored is not None and "ifNoneExist" in request:
                continue
            if "ifMatch" in request:
                assert stored is not None
                assert request["ifMatch"] == f'W/"{stored["meta"]["versionId"]}"'
            document = parse(dumps(self._linked(entry["resource"], names)))
            if stored is None or self._bare(stored) != self._bare(document):
                self._store(name, document)
                written.append(name)
        return written

    def _store(self, name: str, document: Resource) -> None:
        versions = self.versions.setdefault(name, [])
        meta = {**document.get("meta", {}), "versionId": str(len(versions) + 1), "lastUpdated": "2026-01-01T00:00:00Z"}
        self.resources[name] = {**document, "id": name.split("/")[1], "meta": meta}
        versions.append(self.resources[name])

    def _target(
        self, entry: dict[str, Any], conditions: dict[str, Key | None], matches: dict[Key, list[Resource]]
    ) -> str:
        path = entry["request"]["url"].partition("?")[0]
        if "/" in path:
            return str(path)
        condition = conditions[entry["fullUrl"]]
        found = matches.get(condition, []) if condition else []
        assert len(found) < 2
        return f"{path}/{found[0]['id']}" if found else f"{path}/{len(self.versions) + 1}-{entry['fullUrl'][9:17]}"

    def _linked(self, value: Any, names: dict[str, str]) -> Any:
        if isinstance(value, dict):
            return {
                name: names[part] if name == "reference" and part in names else self._linked(part, names)
                for name, part in value.items()
            }
        return [self._linked(part, names) for part in value] if isinstance(value, list) else value

    @staticmethod
    def _bare(resource: Resource) -> bytes:
        meta = {
            name: part for name, part in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")
        }
        rest = {name: part for name, part in sorted(resource.items()) if name not in ("id", "meta")}
        return dumps({**rest, "meta": meta})


def _condition(entry: dict[str, Any]) -> Key | None:
    """The identifier that the condition of an entry names."""
    path, _, query = entry["request"]["url"].partition("?")
    query = entry["request"].get("ifNoneExist", query)
    if not query:
        return None
    system, _, value = unquote(query.removeprefix("identifier=")).partition("|")
    return Key(path, *(re.sub(r"\\(.)", r"\1", part) for part in (system, value)))
