"""The Prefer header: what a client wants back, and how strictly its parameters are read.

https://hl7.org/fhir/R4/http.html#ops https://hl7.org/fhir/R4/search.html#errors https://www.rfc-editor.org/rfc/rfc7240
"""

from dataclasses import dataclass
from functools import lru_cache

RETURNS = {"minimal": "minimal", "representation": "representation", "operationoutcome": "OperationOutcome"}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a Prefer header asks for: `returns` (minimal, representation, OperationOutcome or None) and `handling`
    (strict, lenient or None)."""

    returns: str | None = None
    handling: str | None = None

    @property
    def lenient(self) -> bool:
        """True when unknown parameters are to be reported rather than refused."""
        return self.handling == "lenient"


@lru_cache(maxsize=256)
def parse(header: str) -> Preferences:
    """A Prefer header, several joined by commas. Of two that contradict each other the first holds."""
    found: dict[str, str] = {}
    for preference in header.replace(";", ",").split(","):
        name, _, value = preference.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    handling = found.get("handling", "").lower()
    return Preferences(
        returns=RETURNS.get(found.get("return", "").lower()),
        handling=handling if handling in ("strict", "lenient") else None,
    )


def applied(header: str, *, writing: bool) -> str:
    """The Preference-Applied header for what was honoured; `return` only means something for a write."""
    if not header:
        return ""
    preferences = parse(header)
    pairs = (("return", preferences.returns if writing else None), ("handling", preferences.handling))
    return ", ".join(f"{name}={value}" for name, value in pairs if value)
