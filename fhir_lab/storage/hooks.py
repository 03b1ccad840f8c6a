"""What a resource type adds to its own writes, in the same transaction: a Subscription keeps its state beside it."""

from typing import Protocol

from fhir_lab.documents import Resource
from fhir_lab.storage.repository import Version
from fhir_lab.storage.unit import Unit


class WriteHook(Protocol):
    """Called by `transaction.apply` for each resource of the type for which `Services.write_hooks` has it."""

    def before(self, unit: Unit, resource: Resource, current: Version | None) -> Resource:
        """The resource to store instead of this valid one. Raises `FhirError` to refuse the write.

        `current` is the version that it replaces, which may be a deleted one.
        """

    def after(self, unit: Unit, pk: int, resource: Resource | None) -> None:
        """Called once a new version is written; `resource` is None when it was deleted."""
