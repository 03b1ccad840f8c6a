"""What an interaction is asked and what it answers, free of any web framework.

A handler takes a `Request` and returns a `Response`. The HTTP edge makes requests from the network, a batch or
transaction makes them from its entries, and both call the same handlers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from fhir_lab.documents import Resource
from fhir_lab.outcomes import BadRequest
from fhir_lab.security.access import Caller, Permission
from fhir_lab.services import Services
from fhir_lab.storage.unit import Unit

if TYPE_CHECKING:
    from fhir_lab.interactions.operation import Operation
    from fhir_lab.interactions.router import Router

T = TypeVar("T")
Parameters = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Response:
    """The answer of an interaction.

    `resource` and `outcome` are JSON text, at most one of them is filled; `version`, `last_updated` (microseconds UTC)
    and `location` (absolute URL with the version) become headers over HTTP and `Bundle.entry.response` in a Bundle.
    With `media_type`, `resource` is something else than FHIR, which no Bundle can hold.
    """

    status: int
    resource: bytes = b""
    outcome: bytes = b""
    version: int | None = None
    last_updated: int | None = None
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One row of the table in `routes.py`: it is routed, and the CapabilityStatement tells of it.

    `name` is a code of https://hl7.org/fhir/R4/valueset-system-restful-interaction.html or
    https://hl7.org/fhir/R4/valueset-type-restful-interaction.html, `path` a template below the base.
    `permission` is what the caller's scopes must grant on the type. `parameters` are the URL parameters it reads;
    None means that it judges them itself. `content` is what it reads from a body: a resource, a patch, a form,
    parameters (a resource or nothing), or nothing at all.
    `conditional` marks a row that also, or only, works by criteria. `public` needs no token. `returns` holds where the
    client prefers nothing. `types` are the resource types it is for, empty for all. An `operation` is told of by its
    definition instead of its name.
    """

    name: str
    method: str
    path: str
    handler: Callable[["Request"], Response]
    permission: Permission | None = None
    parameters: tuple[str, ...] | None = ()
    content: str = ""
    conditional: bool = False
    public: bool = False
    returns: str = "representation"
    types: tuple[str, ...] = ()
    operation: "Operation | None" = None


@dataclass(slots=True)
class Request:
    """One interaction to perform: `type`, `id` and `vid` are empty where its path has none.

    With `compartment` the id is that of a resource of this type, and `type` is searched among what refers to it.

    `headers` have lower-case names. `kept` is the part of the query string that every link repeats (`_format`).
    `format` is what the answer will be in: json, xml, or native for what a Binary holds.
    `address` is the base URL that the client used when a trusted proxy tells of another one than the settings do.
    `returns` is minimal, representation or OperationOutcome (Prefer: return=). With `unit` the request is part of a
    transaction that somebody else opened and will commit.
    """

    services: Services
    router: "Router"
    interaction: Interaction
    caller: Caller
    type: str = ""
    id: str = ""
    vid: str = ""
    compartment: str = ""
    parameters: Parameters = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    returns: str = "representation"
    lenient: bool = False
    kept: str = ""
    address: str = ""
    format: str = "json"
    unit: Unit | None = None

    @property
    def base(self) -> str:
        """The absolute base URL, as the client knows it."""
        return self.address or self.services.settings.fhir_base

    @property
    def criteria(self) -> str:
        """The URL parameters as a query string."""
        return urlencode(self.parameters)

    def resource(self) -> Resource:
        """The body as a resource of the type in the URL. Raises `BadRequest` when it is something else."""
        if not isinstance(self.body, dict):
            raise BadRequest.of(
                f"The body is not a resource: a JSON object with resourceType '{self.type}' is expected."
            )
        found = self.body.get("resourceType")
        if found != self.type:
            raise BadRequest.of(
                f"The body has resourceType {_shown(found)}, the URL asks for '{self.type}'.",
                f"{self.type}.resourceType",
            )
        return self.body

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """A unit for reading: the one this request belongs to, or its own."""
        if self.unit is not None:
            yield self.unit
        else:
            with self.services.database.read() as connection:
                yield Unit(connection, self.caller, self.services)

    def writing(self, work: Callable[[Unit], T]) -> T:
        """Run `work` in the transaction this request belongs to, or in its own, which is then committed and matched
        against subscriptions."""
        if self.unit is not None:
            return work(self.unit)
        services = self.services
        done = services.database.transact(lambda connection: work(Unit(connection, self.caller, services)))
        services.queue.match()
        return done


def _shown(found: object) -> str:
    return f"'{found[:64]}'" if isinstance(found, str) else "missing or not a string"
