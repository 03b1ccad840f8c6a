"""Where code systems, value sets and concept maps come from, and what is said of one that is not there."""

from typing import Protocol

from fhir_lab.documents import Resource
from fhir_lab.outcomes import NotFound, Unprocessable
from fhir_lab.terminology.systems import System


class UnknownCanonical(NotFound):
    """A code system, value set or concept map that is neither stored nor built in."""


class TooCostly(Unprocessable):
    """An expansion with more codes than the server makes at once."""

    code = "too-costly"


class Source(Protocol):
    """Finds documents by canonical URL; with an empty version the newest one. None: there is none."""

    def system(self, url: str, version: str = "") -> System | None: ...

    def value_set(self, url: str, version: str = "") -> Resource | None: ...


def split(canonical: str) -> tuple[str, str]:
    """URL and version of a canonical `url|version`; the version is empty where there is none."""
    url, _, version = canonical.partition("|")
    return url, version


def unknown(kind: str, canonical: str) -> UnknownCanonical:
    """The error for a canonical that nothing here has."""
    return UnknownCanonical.of(
        f"The {kind} '{canonical}' is not known here. Store it (POST /{kind} with this url), or name one that is."
    )
