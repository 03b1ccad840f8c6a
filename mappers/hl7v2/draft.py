"""A resource on its way into the Bundle: what it is found by, what it refers to, and how it meets what is stored."""

from dataclasses import dataclass, field
from typing import Any, Literal

from fhir_lab.documents import Resource
from mappers.hl7v2.identity import Key

# create: made once, then left alone. merge: what the message says replaces, what it leaves out stays.
# replace: the newest statement stands, by the rules of `precedence`.
Policy = Literal["create", "merge", "replace"]


@dataclass(eq=False, slots=True)
class Draft:
    """One resource of the Bundle.

    `keys` find the stored one, the first is the one it is created under; `others` are the drafts it refers to;
    `references` are the Reference elements elsewhere that refer to it; `nulls` are elements that the sender deletes;
    `keep_value` means that the sender only changes the status; `position` names its segment for people.
    """

    type: str
    keys: list[Key]
    policy: Policy
    resource: Resource
    position: str = ""
    others: list["Draft"] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    nulls: set[str] = field(default_factory=set)
    keep_value: bool = False
    stored: Resource | None = None
    instead: str = ""  # the patient that a stored one was merged into
    alone: bool = False  # its number is stored as another kind of number, so no condition may find that one
    detached: bool = False
    _full_url: str = ""
    changed: bool = False

    def link(self, other: "Draft", display: str = "") -> dict[str, Any]:
        """A Reference from this resource to another one."""
        reference: dict[str, Any] = {"reference": other.url}
        if display:
            reference["display"] = display
        self.others.append(other)
        other.references.append(reference)
        return reference

    @property
    def url(self) -> str:
        """How others refer to it: by its id when it is stored, else by its full URL in the Bundle."""
        if self.instead:
            return self.instead
        return f"{self.type}/{self.stored['id']}" if self.stored else self.full_url

    @property
    def full_url(self) -> str:
        """Its URL inside the Bundle."""
        if not self._full_url:
            self._full_url = self.keys[0].full_url()
        return self._full_url

    def settle(self) -> None:
        """Write into all references the id that is known now."""
        if self.stored:
            url = self.url
            for reference in self.references:
                reference["reference"] = url

    def detach(self) -> None:
        """Take it out: what referred to it names its number only."""
        self.detached = True
        for reference in self.references:
            reference.clear()
            reference["display"] = self.keys[0].value
