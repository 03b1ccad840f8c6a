"""What one process builds once and hands to everything: settings, clock, database, search registry, validator.

There are no globals: a test or a second app in the same process makes its own.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from fhir_lab.clock import Clock
from fhir_lab.settings import Settings
from fhir_lab.storage.database import Database

if TYPE_CHECKING:
    from fhir_lab.builtin import Builtins
    from fhir_lab.documents import Resource
    from fhir_lab.queue import Queue
    from fhir_lab.search.registry import Registry
    from fhir_lab.search.terms import RememberedTerms
    from fhir_lab.security.keys import KeyRing
    from fhir_lab.security.tokens import VerifiedTokens
    from fhir_lab.storage.hooks import WriteHook
    from fhir_lab.storage.parameters import Parameters
    from fhir_lab.storage.references import Locator
    from fhir_lab.validation import Validator


class Services:
    """The parts of one installation, each built when it is first asked for."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()

    @cached_property
    def database(self) -> Database:
        """The database in force."""
        if not self.settings.database_url:
            self.settings.var.mkdir(parents=True, exist_ok=True)
        return Database(self.settings.database, self.settings.database_pool)

    @property
    def registry(self) -> "Registry":
        """The search parameters of every resource type, as this process last saw them."""
        return self.parameters.registry

    @cached_property
    def parameters(self) -> "Parameters":
        """Keeps the registry in step with the SearchParameter resources of the database."""
        from fhir_lab.storage.parameters import Parameters

        return Parameters()

    @cached_property
    def builtin(self) -> "Builtins":
        """The resources that come with the server; a part that has some adds (type, documents by id) here."""
        from conformance import profiles
        from fhir_lab.builtin import Builtins, search_parameters, terminology
        from fhir_lab.search.registry import Registry

        return Builtins(
            [
                ("SearchParameter", lambda: search_parameters.documents(Registry.load())),
                ("OperationDefinition", _operation_definitions),
                ("CodeSystem", terminology.code_systems),
                ("ValueSet", terminology.value_sets),
                ("StructureDefinition", lambda: {each["id"]: each for each in profiles()}),
            ]
        )

    @cached_property
    def terms(self) -> "RememberedTerms":
        """The code systems and value sets that were read a moment ago."""
        from fhir_lab.search.terms import RememberedTerms

        return RememberedTerms()

    @cached_property
    def locator(self) -> "Locator":
        """Tells references to resources of this server from others."""
        from fhir_lab.storage.references import Locator

        return Locator(self.settings.fhir_base, self.registry.types)

    @cached_property
    def validator(self) -> "Validator":
        """The 4.0.1 checks of a resource."""
        from fhir_lab.validation import Validator

        return Validator()

    @cached_property
    def write_hooks(self) -> "Mapping[str, WriteHook]":
        """What some types add to their own writes, by type."""
        from fhir_lab.storage.definitions import DefinitionHook
        from fhir_lab.storage.parameters import ParameterHook
        from fhir_lab.subscriptions.hooks import SubscriptionHook

        return {
            "SearchParameter": ParameterHook(),
            "StructureDefinition": DefinitionHook(),
            "Subscription": SubscriptionHook(),
        }

    @cached_property
    def queue(self) -> "Queue":
        """How workers are told that there is something to do."""
        from fhir_lab.queue import Queue, celery_app

        return Queue(celery_app(self.settings), listening=not self.settings.embedded)

    @cached_property
    def keys(self) -> "KeyRing":
        """The keys that sign access tokens and paging links."""
        from fhir_lab.security.keys import KeyRing

        return KeyRing.open(self.settings)

    @cached_property
    def verified_tokens(self) -> "VerifiedTokens":
        """The access tokens verified a moment ago."""
        from fhir_lab.security.tokens import VerifiedTokens

        return VerifiedTokens()

    def close(self) -> None:
        """Give back what the parts hold open."""
        if "queue" in self.__dict__:
            self.queue.close()
        if "database" in self.__dict__:
            self.database.dispose()


def _operation_definitions() -> "Mapping[str, Resource]":
    from fhir_lab.operations.table import OPERATIONS

    return {operation.id: operation.definition() for operation in OPERATIONS}
