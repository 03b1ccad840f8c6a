"""What a search asks for, as a tree of frozen dataclasses: `parse` builds it, `compile` and `match` read it.

https://hl7.org/fhir/R4/search.html
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_lab.outcomes import Issue

if TYPE_CHECKING:
    from fhir_lab.search.registry import SearchParameter


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter has one of `values`, each of the dataclass that its kind reads; `:not` means it has none of them."""

    parameter: "SearchParameter"
    modifier: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A parameter has no value at all (`missing`), or has one."""

    parameter: "SearchParameter"
    missing: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference leads to a resource of one of these types that satisfies the criterion given for the type."""

    parameter: "SearchParameter"
    targets: tuple[tuple[str, "Criterion"], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of `source` satisfies the criterion and refers to this one by `parameter`."""

    source: str
    parameter: "SearchParameter"
    criterion: "Criterion"


@dataclass(frozen=True, slots=True)
class And:
    """All of the criteria hold."""

    criteria: "tuple[Criterion, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One of the criteria holds."""

    criteria: "tuple[Criterion, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The criterion does not hold."""

    criterion: "Criterion"


Criterion = Condition | Missing | Chain | Has | And | Or | Not


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of `_sort`."""

    parameter: "SearchParameter"
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or `_revinclude`: references of `source` by `code`, `*` for all, to `target` or to any type."""

    source: str
    code: str
    target: str
    reverse: bool
    iterate: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole search of one type. All `criteria` must hold.

    `place` is the path of a search that looks elsewhere than at one type: a compartment, or `*` for the whole server.
    `used` are the parameters that had an effect, as the self link repeats them; `issues` tell of the others.
    `total` is none, estimate, accurate, or empty when the client doesn't say; `count_only` asks for nothing else.
    """

    type: str
    criteria: tuple[Criterion, ...]
    used: tuple[tuple[str, str], ...]
    issues: tuple[Issue, ...] = ()
    sort: tuple[SortKey, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 20
    total: str = ""
    count_only: bool = False
    explain: bool = False
    page: str = ""
    place: str = ""
