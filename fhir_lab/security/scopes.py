"""SMART scopes, version 1 (`user/Patient.read`) and version 2 (`patient/Observation.rs?category=laboratory`).

A scope never reaches further than it was written: what does not follow the grammar grants nothing.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus

URI_PREFIX = "http://smarthealthit.org/fhir/scopes/"
_VERSION_1 = {"read": frozenset("rs"), "write": frozenset("cud"), "*": frozenset("cruds")}
_GRAMMAR = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]*)\."
    r"(?:(?P<version1>read|write|\*)|(?=[cruds])(?P<permissions>c?r?u?d?s?)(?:\?(?P<query>.+))?)"
)
# Modifiers, chains and result parameters are left out: a server that ignored one would grant more than was written.
_CRITERION = re.compile(r"(?:_(?:id|lastUpdated|tag|profile|security|source)|[A-Za-z][A-Za-z0-9_-]*)=[^\s&=?#]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope: `context` is patient, user or system; `resource_type` may be `*`; `permissions` of `cruds`.

    `query` is the part after `?` of a granular scope: only what it matches is covered.
    """

    context: str
    resource_type: str
    permissions: frozenset[str]
    query: str | None = None

    def covers(self, resource_type: str, permission: str) -> bool:
        """True when this scope speaks of the type and grants the permission."""
        return permission in self.permissions and self.resource_type in ("*", resource_type)

    def __str__(self) -> str:
        """The scope in version 2 text."""
        permissions = "".join(permission for permission in "cruds" if permission in self.permissions)
        query = "" if self.query is None else f"?{self.query}"
        return f"{self.context}/{self.resource_type}.{permissions}{query}"


def parse_scope(text: str) -> Scope | None:
    """One resource scope, or None for any other scope (`openid`) and for anything malformed (`user/Patient.sr`)."""
    match = _GRAMMAR.fullmatch(text.removeprefix(URI_PREFIX))
    if match is None:
        return None
    query = match["query"]
    if query is not None and not all(map(_restricts, query.split("&"))):
        return None
    permissions = _VERSION_1[match["version1"]] if match["version1"] else frozenset(match["permissions"])
    return Scope(match["context"], match["type"], permissions, query)


def _restricts(criterion: str) -> bool:
    """True for `name=value,value` whose every value says something: search asks nothing of an empty one."""
    _, _, values = criterion.partition("=")
    said = all(any(map(str.isalnum, value)) for value in unquote_plus(values).split(","))
    return said and _CRITERION.fullmatch(criterion) is not None


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The resource scopes in a space-separated `scope` value; every other word in it is left out."""
    return tuple(scope for word in text.split(" ") if (scope := parse_scope(word)) is not None)


def intersection(one: Scope, other: Scope) -> Scope | None:
    """What both scopes cover, or None when that is nothing.

    Contexts must be equal: what lies in a patient's compartment cannot be told from the scopes alone.
    """
    permissions = one.permissions & other.permissions
    types = {one.resource_type, other.resource_type} - {"*"}
    if one.context != other.context or not permissions or len(types) > 1:
        return None
    criteria = [criterion for query in (one.query, other.query) if query for criterion in query.split("&")]
    return Scope(one.context, types.pop() if types else "*", permissions, "&".join(dict.fromkeys(criteria)) or None)


def granted(requested: str, allowed: Iterable[Scope]) -> str:
    """The part of a requested `scope` value that the allowed scopes cover, as a `scope` value.

    A word that is covered whole is granted as it was written, so that version 1 clients read version 1 back.
    """
    limits = tuple(allowed)
    words: list[str] = []
    for word in requested.split(" "):
        scope = parse_scope(word)
        if scope is None:
            continue
        shared = [part for limit in limits if (part := intersection(scope, limit)) is not None]
        words.extend([word] if scope in shared else map(str, shared))
    return " ".join(dict.fromkeys(words))
