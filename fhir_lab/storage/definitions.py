"""Stored StructureDefinitions and value sets by canonical URL: what validation asks beyond the shipped profiles.

Each question is one statement, so that what another process has written counts at once; what is compiled is kept by
`validation.profiles.Library` under the version read here. https://hl7.org/fhir/R4/references.html#canonical
"""

from collections.abc import Hashable

from sqlalchemy import select

from fhir_lab.documents import Resource
from fhir_lab.outcomes import FhirError, Unprocessable
from fhir_lab.search.values import key
from fhir_lab.storage.repository import Version
from fhir_lab.storage.tables import idx_uri, resource
from fhir_lab.storage.unit import Unit
from fhir_lab.terminology.codes import Members
from fhir_lab.terminology.compose import Composer
from fhir_lab.terminology.source import UnknownCanonical, split
from fhir_lab.validation.profiles import Profiles

TYPE = "StructureDefinition"


def profiles_of(unit: Unit) -> Profiles:
    """The profiles in force for one unit of work: the shipped ones and those that are stored.

    Whoever may write is checked against them, whether or not his scopes let him read them.
    """
    return unit.services.validator.profiles(StoredDefinitions(unit))


class StoredDefinitions:
    """The definitions in the database; see `validation.profiles.Source`. Of several with one URL `Terms` chooses."""

    def __init__(self, unit: Unit) -> None:
        from fhir_lab.search.terms import Terms

        self._unit = unit
        self._terms = Terms(unit.services, unit)

    def stamp(self, url: str, _version: str) -> Hashable | None:
        """(pk, version) of every stored StructureDefinition of this URL, None where there is none."""
        by_url = self._unit.services.registry.get(TYPE, "url")
        assert by_url is not None
        statement = (
            select(resource.c.pk, resource.c.version)
            .join(idx_uri, idx_uri.c.pk == resource.c.pk)
            .where(idx_uri.c.param == by_url.id, idx_uri.c.value == key(url), resource.c.deleted.is_(False))
            .order_by(resource.c.pk)
        )
        return tuple(tuple(row) for row in self._unit.connection.execute(statement)) or None

    def load(self, url: str, version: str) -> Resource | None:
        """The stored StructureDefinition."""
        try:
            return self._terms.named(TYPE, url, version).resource
        except UnknownCanonical:
            return None

    def members(self, value_set: str) -> Members | None:
        """The codes of a value set that is stored or built in; None where they cannot be told."""
        found = self._terms.value_set(*split(value_set))
        try:
            return None if found is None else Composer(self._terms).members(found)
        except FhirError:
            return None


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
