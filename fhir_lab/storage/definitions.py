"""Stored StructureDefinitions and value sets by canonical URL: what validation asks beyond the shipped profiles.

Each question is one statement, so that what another process has written counts at once; what is compiled is kept by
`validation.profiles.Library` under the version read here. https://hl7.org/fhir/R4/references.html#canonical
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from fhir_lab.documents import Resource, parse
from fhir_lab.outcomes import FhirError, Unprocessable
from fhir_lab.search.values import key
from fhir_lab.storage.repository import Version
from fhir_lab.storage.tables import idx_token, idx_uri, resource
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.codes import Members
from fhir_lab.terminology.compose import Composer
from fhir_lab.terminology.source import split
from fhir_lab.validation.profiles import Profiles

TYPE = "StructureDefinition"


def profiles_of(unit: Unit) -> Profiles:
    """The profiles in force for one unit of work: the shipped ones and those that are stored.

    Whoever may write is checked against them, whether or not his scopes let him read them.
    """
    return unit.services.validator.profiles(StoredDefinitions(unit))


class StoredDefinitions:
    """The definitions in the database; see `validation.profiles.Source`. The newest of several with one URL counts."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def stamp(self, url: str, version: str) -> Hashable | None:
        """(pk, version) of the stored StructureDefinition, None where there is none."""
        found = self._find(url, version, resource.c.pk, resource.c.version)
        return None if found is None else tuple(found)

    def load(self, url: str, version: str) -> Resource | None:
        """The stored StructureDefinition."""
        found = self._find(url, version, resource.c.content)
        if found is None:
            return None
        document: Resource = parse(found[0])
        return document

    def members(self, value_set: str) -> Members | None:
        """The codes of a value set that is stored or built in; None where they cannot be told."""
        from fhir_lab.search.terms import Terms

        source = Terms(self._unit.services, self._unit)
        found = source.value_set(*split(value_set))
        try:
            return None if found is None else Composer(source).members(found)
        except FhirError:
            return None

    def _find(self, url: str, version: str, *columns: ColumnElement[Any]) -> Row[Any] | None:
        registry = self._unit.services.registry
        by_url, by_version = registry.get(TYPE, "url"), registry.get(TYPE, "version")
        assert by_url is not None
        assert by_version is not None
        statement = (
            select(*columns)
            .join(idx_uri, idx_uri.c.pk == resource.c.pk)
            .where(idx_uri.c.param == by_url.id, idx_uri.c.value == key(url), resource.c.deleted.is_(False))
            .order_by(resource.c.last_updated.desc(), resource.c.pk.desc())
            .limit(1)
        )
        if version:
            versions = select(idx_token.c.pk).where(idx_token.c.param == by_version.id, idx_token.c.code == version)
            statement = statement.where(resource.c.pk.in_(versions))
        return self._unit.connection.execute(statement).first()


class DefinitionHook:
    """A StructureDefinition that is a profile is stored only if it can be followed; see `storage.hooks.WriteHook`."""

    def before(self, unit: Unit, resource: Resource, _current: Version | None) -> Resource:
        """The StructureDefinition as it is. Raises `Unprocessable` with the elements that have no place."""
        issues = unit.services.validator.faults(resource, profiles_of(unit))
        if issues:
            raise Unprocessable(issues)
        return resource

    def after(self, unit: Unit, pk: int, resource: Resource | None) -> None:
        """Nothing: the next claim reads the new version."""
