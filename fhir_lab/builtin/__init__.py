"""Resources that come with the server, such as the search parameters it answers: read and searched, stored nowhere.

A provider gives the documents of one type by id. They are made when they are first asked for and never change while the
process runs. A stored resource with the same id takes the place of a built-in one until it is deleted.
"""

from collections.abc import Callable, Iterable, Mapping

from fhir_lab.clock import instant
from fhir_lab.documents import Resource, dumps
from fhir_lab.storage.repository import Version

Provider = Callable[[], Mapping[str, Resource]]
# When 4.0.1 was published (https://hl7.org/fhir/R4/history.html). Stored resources begin with version 1.
LAST_UPDATED = 1_572_393_600_000_000
VERSION = 0
# Above every pk of a database, so that without an order what is stored comes first.
FIRST_PK = 2**61
MOST_OF_A_TYPE = 1_000_000


class Builtins:
    """The built-in resources by type, each with what a database would say of it."""

    def __init__(self, providers: Iterable[tuple[str, Provider]]) -> None:
        """`providers` are (resource type, documents by id); a type may have several."""
        self._providers: dict[str, list[Provider]] = {}
        for resource_type, provider in providers:
            self._providers.setdefault(resource_type, []).append(provider)
        self._found: dict[str, dict[str, tuple[Version, Resource]]] = {}

    @property
    def types(self) -> frozenset[str]:
        """The types that have built-in resources."""
        return frozenset(self._providers)

    def of(self, resource_type: str) -> Mapping[str, tuple[Version, Resource]]:
        """Id -> (version, parsed document), empty for a type that has none."""
        if resource_type not in self._providers:
            return {}
        if resource_type not in self._found:
            self._found[resource_type] = self._made(resource_type)
        return self._found[resource_type]

    def get(self, resource_type: str, resource_id: str) -> Version | None:
        """The built-in resource of this id, or None."""
        found = self.of(resource_type).get(resource_id)
        return None if found is None else found[0]

    def _made(self, resource_type: str) -> dict[str, tuple[Version, Resource]]:
        documents = {
            key: document for provider in self._providers[resource_type] for key, document in provider().items()
        }
        first = FIRST_PK + sorted(self._providers).index(resource_type) * MOST_OF_A_TYPE
        return {key: _version(first + n, key, documents[key]) for n, key in enumerate(sorted(documents))}


def _version(pk: int, resource_id: str, document: Resource) -> tuple[Version, Resource]:
    meta = {"versionId": str(VERSION), "lastUpdated": instant(LAST_UPDATED), **document.get("meta", {})}
    rest = {name: value for name, value in document.items() if name not in ("resourceType", "id", "meta")}
    resource_type = document["resourceType"]
    whole = {"resourceType": resource_type, "id": resource_id, "meta": meta, **rest}
    text = dumps(whole).decode()
    return Version(pk, resource_type, resource_id, VERSION, LAST_UPDATED, 0, "create", False, text), whole
