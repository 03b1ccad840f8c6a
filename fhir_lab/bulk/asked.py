"""What an export is asked for, as the job keeps it: read once at the kick-off, so that the worker meets no surprise."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one export.

    `level` is system, Patient or Group; `group` the id of the Group, `patients` the ids that `patient` names. `types`
    are what is exported, in full or through `filters` (type -> search queries, any of which may match); `shared` are
    types of which only that is exported which the rest refers to. `elements` has for each type what is left of it.
    `provenance` is all, latest or empty. `since` and `until` are microseconds UTC. `reported` are OperationOutcomes
    that a lenient client is told in a file.
    """

    level: str
    types: tuple[str, ...]
    shared: tuple[str, ...] = ()
    group: str = ""
    patients: tuple[str, ...] = ()
    filters: dict[str, list[str]] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)
    provenance: str = ""
    since: int | None = None
    until: int | None = None
    reported: tuple[dict[str, Any], ...] = ()

    @property
    def limited(self) -> bool:
        """True when only some patients are meant."""
        return self.level == "Group" or bool(self.patients)

    def as_json(self) -> dict[str, Any]:
        """The parameters as the job stores them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Asked":
        """The parameters that `as_json` gave."""
        listed = ("types", "shared", "patients", "reported")
        values: dict[str, Any] = {name: tuple(value) if name in listed else value for name, value in stored.items()}
        return cls(**values)
