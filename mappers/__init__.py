"""Resource <-> row of a laboratory table, both ways, as pure functions: one module per lab resource.

`MAPPERS` finds the module of a resource type. `docs/mappers.md` lists which element each column models.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mappers import diagnostic_report, observation, patient, service_request, specimen

Resolve = Callable[[str], int | None]
Refer = Callable[[str, int], str | None]


class Mapper(Protocol):
    """What each module of a lab resource offers."""

    RESOURCE: str
    TABLE: str

    def to_row(self, resource: Mapping[str, Any], resolve: Resolve, zone: ZoneInfo) -> dict[str, Any]:
        """Every column of the table but `pk`, from a valid resource. Never raises for one.

        `resolve` gives the pk of the local resource that a literal reference names, None for any other. Zone-less
        dates are read in `zone`.
        """

    def to_document(self, row: Mapping[str, Any], reference: Refer) -> dict[str, Any]:
        """The resource (without id and meta) that a row says; a column that is missing counts as empty.

        `reference` gives `Type/id` for a foreign key column and its value. What the row holds is passed on as it is:
        the validator, not the mapper, refuses a bad code or date.
        """


MAPPERS: dict[str, Mapper] = {
    module.RESOURCE: module for module in (patient, service_request, specimen, observation, diagnostic_report)
}
