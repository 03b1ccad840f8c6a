"""Code systems, value sets and concept maps by their canonical URLs: those that are stored, else those built in.

What a client names is looked up among what it may read; what that in turn imports is the server's own business. A
version that nobody names is the newest: an active one before a draft, then by its business version, then by its date.
https://hl7.org/fhir/R4/references.html#canonical
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, select

from fhir_lab.documents import Resource, parse
from fhir_lab.search.access import Reaches
from fhir_lab.search.aliases import restart
from fhir_lab.search.sets import holds
from fhir_lab.search.values import key
from fhir_lab.services import Services
from fhir_lab.storage.tables import idx_uri, resource
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.source import unknown
from fhir_lab.terminology.systems import System

MOST_REMEMBERED = 20_000_000  # characters of JSON
STATUSES = ("active", "draft")


class Document:
    """A parsed terminology resource; the concepts of a code system are made when they are first asked for."""

    def __init__(self, content: Resource, updated: int) -> None:
        self.resource = content
        self.updated = updated

    @cached_property
    def system(self) -> System:
        """The resource as a code system."""
        return System(self.resource)

    def newness(self) -> tuple[Any, ...]:
        """What the newest of several versions is chosen by."""
        status = self.resource.get("status")
        rank = STATUSES.index(status) if status in STATUSES else len(STATUSES)
        parts = re.findall(r"\d+|[A-Za-z]+", str(self.resource.get("version", "")))
        version = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
        return (-rank, version, str(self.resource.get("date", "")), self.updated)


class RememberedTerms:
    """What was parsed last, by pk and version, which never change their content; it may be dropped at any time."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._size = 0
        self._found: OrderedDict[tuple[int, int], tuple[int, Document]] = OrderedDict()
        self._lock = Lock()

    def get(self, pk: int, version: int) -> Document | None:
        """The document, if it is remembered."""
        with self._lock:
            found = self._found.get((pk, version))
            if found is None:
                return None
            self._found.move_to_end((pk, version))
            return found[1]

    def put(self, pk: int, version: int, document: Document, size: int) -> None:
        """Remember a document in place of those that were not asked for the longest."""
        with self._lock:
            if size > self._most or (pk, version) in self._found:
                return
            self._found[pk, version] = (size, document)
            self._size += size
            while self._size > self._most:
                _, (freed, _) = self._found.popitem(last=False)
                self._size -= freed


class Terms:
    """The terminology of an installation: a `terminology.Source`.

    With a `unit` it reads through its connection, and `named` finds what its caller may read; without, it opens a
    connection of its own when needed and finds everything.
    """

    def __init__(self, services: Services, unit: Unit | None = None, reaches: Reaches | None = None) -> None:
        self._services = services
        self._unit = unit
        self._reaches = reaches

    def system(self, url: str, version: str = "") -> System | None:
        """The code system of this URL, whoever asks."""
        found = self._find("CodeSystem", url, version)
        return None if found is None else found.system

    def value_set(self, url: str, version: str = "") -> Resource | None:
        """The value set of this URL, whoever asks."""
        found = self._find("ValueSet", url, version)
        return None if found is None else found.resource

    def named(self, resource_type: str, canonical: str, version: str = "") -> Document:
        """What a client names by `url` or `url|version`. Raises `UnknownCanonical`."""
        url, bar, own = canonical.partition("|")
        found = self._find(resource_type, url, own if bar else version, self._reaches)
        if found is None:
            raise unknown(resource_type, f"{url}|{version}" if version and not bar else canonical)
        return found

    def by_id(self, resource_type: str, resource_id: str) -> Document:
        """The resource of this id, stored or built in. Raises `UnknownCanonical`."""
        test = resource.c.id == resource_id
        found = self._documents(resource_type, test, self._reaches) or [
            document for document in self._built_in(resource_type) if document.resource["id"] == resource_id
        ]
        if not found:
            raise unknown(resource_type, f"{resource_type}/{resource_id}")
        return found[0]

    def with_uri(self, resource_type: str, code: str, uri: str) -> list[Document]:
        """The stored resources with this uri in the parameter `code` that the caller may read, newest first."""
        return self._documents(resource_type, self._having(resource_type, code, uri), self._reaches)

    def _having(self, resource_type: str, code: str, uri: str) -> ColumnElement[bool]:
        parameter = self._services.registry.of(resource_type)[code]
        rows = select(idx_uri.c.pk).where(idx_uri.c.param == parameter.id, idx_uri.c.value == key(uri))
        return resource.c.pk.in_(rows)

    def _find(self, resource_type: str, url: str, version: str, reaches: Reaches | None = None) -> Document | None:
        found = self._documents(resource_type, self._having(resource_type, "url", url), reaches)
        return _chosen(found, url, version) or _chosen(self._built_in(resource_type), url, version)

    def _built_in(self, resource_type: str) -> list[Document]:
        remembered = self._services.terms
        found = []
        for version, content in self._services.builtin.of(resource_type).values():
            document = remembered.get(version.pk, version.version)
            if document is None:
                document = Document(content, version.last_updated)
                remembered.put(version.pk, version.version, document, len(version.content or ""))
            found.append(document)
        return found

    def _documents(self, resource_type: str, test: ColumnElement[bool], reaches: Reaches | None) -> list[Document]:
        query = select(resource.c.pk, resource.c.version, resource.c.last_updated).where(
            test, resource.c.type == resource_type, resource.c.deleted.is_(False), resource.c.version > 0
        )
        if reaches is not None:
            restart()
            reach = reaches.readable(resource_type)
            query = query if reach is None else query.where(holds(reach, resource.c.pk))
        services, unit = self._services, self._unit
        with nullcontext(unit.connection) if unit is not None else services.database.read() as connection:
            rows = connection.execute(query).all()
            known = {row.pk: services.terms.get(row.pk, row.version) for row in rows}
            missing = [pk for pk, document in known.items() if document is None]
            texts = select(resource.c.pk, resource.c.version, resource.c.last_updated, resource.c.content)
            for row in connection.execute(texts.where(resource.c.pk.in_(missing))) if missing else ():
                document = Document(parse(row.content), row.last_updated)
                services.terms.put(row.pk, row.version, document, len(row.content))
                known[row.pk] = document
        return sorted((each for each in known.values() if each is not None), key=Document.newness, reverse=True)


def _chosen(found: Sequence[Document], url: str, version: str) -> Document | None:
    fitting = [each for each in found if each.resource.get("url") == url]
    if version:
        fitting = [each for each in fitting if each.resource.get("version") == version]
    return max(fitting, key=Document.newness, default=None)
