"""Finds the interaction for a method and a path, and performs it once the caller's scopes allow it.

https://hl7.org/fhir/R4/http.html#summary
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_lab.interactions.message import Interaction, Request, Response
from fhir_lab.outcomes import BadRequest, Forbidden, MethodNotAllowed, NotFound, nearest

COMPARTMENT_SEARCH = "search-compartment"
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
VERBS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}
Shape = tuple[str, ...]
# Where the name of an operation stands in a path tells what it is of.
LEVELS = ("at the base", "on types", "on instances")


@dataclass(frozen=True, slots=True)
class Target:
    """An interaction and what the placeholders of its path stand for; empty where it has none."""

    interaction: Interaction
    type: str = ""
    id: str = ""
    vid: str = ""
    compartment: str = ""


class Router:
    """The table of interactions by the shape of their paths.

    `types` are the resource types served; `smart` is the SMART configuration that the same installation publishes;
    `remembered` holds texts that a handler makes once.
    """

    def __init__(
        self, interactions: Sequence[Interaction], types: Iterable[str], smart: Mapping[str, Any] | None = None
    ) -> None:
        self.interactions = interactions
        self.types = frozenset(types)
        self.smart = smart or {}
        self.remembered: dict[str, bytes] = {}
        templates = {interaction.path: _segments(interaction.path) for interaction in interactions}
        self._literals = {
            place for template in templates.values() for place in enumerate(template) if not place[1].startswith("{")
        }
        self._routes: dict[Shape, dict[str, list[tuple[Interaction, Shape]]]] = {}
        for interaction in interactions:
            template = templates[interaction.path]
            methods = self._routes.setdefault(self._shape(template), {})
            methods.setdefault(interaction.method, []).append((interaction, template))

    def find(self, method: str, path: str) -> Target:
        """The interaction for `path` below the base, percent signs decoded. HEAD finds what GET finds.

        Raises `NotFound` (no such path or type), `MethodNotAllowed`, and `BadRequest` (not an id).
        """
        segments = _segments(path)
        methods = self._routes.get(self._shape(segments))
        if methods is None or self._misnamed(segments):
            raise self._no_path(segments)
        found = methods.get("GET" if method == "HEAD" else method)
        if found is None:
            allowed = allow(methods)
            raise MethodNotAllowed.of(f"{method} is not allowed here; allowed: {allowed}.", headers={"Allow": allowed})
        values = {name: value for name, value in zip(found[0][1], segments, strict=True) if name != value}
        resource_type, resource_id = values.get("{type}", ""), values.get("{id}", "")
        if "{type}" in values:
            self._check_type(resource_type)
        interaction = _for_type(found, resource_type)
        if method == "HEAD" and interaction.operation is not None and interaction.operation.asynchronous:
            raise MethodNotAllowed.of(
                "HEAD would start a job; send GET or POST.", headers={"Allow": "GET, OPTIONS, POST"}
            )
        if "{id}" in values and not ID.fullmatch(resource_id):
            raise self._not_an_id(resource_id)
        if interaction.name == COMPARTMENT_SEARCH:
            member = values.get("{member}", "*")
            if member != "*":
                self._check_type(member)
            return Target(interaction, member.strip("*"), resource_id, compartment=resource_type)
        return Target(interaction, resource_type, resource_id, values.get("{vid}", ""))

    def methods(self, path: str) -> str:
        """What the Allow header says of a path. Raises `NotFound`."""
        segments = _segments(path)
        methods = self._routes.get(self._shape(segments))
        if methods is None or self._misnamed(segments):
            raise NotFound.of("There is no such path below the FHIR base.")
        return allow(methods)

    def _shape(self, segments: Shape) -> Shape:
        return tuple([place[1] if place in self._literals else "*" for place in enumerate(segments)])

    def _misnamed(self, segments: Shape) -> bool:
        """True for `Patient//1`, `Patient/$nothing` and `Patient/1/_nothing`: none may be taken for an id or a type."""
        return "" in segments or any(
            segment[:1] in ("$", "_") and (place, segment) not in self._literals
            for place, segment in enumerate(segments)
        )

    def _check_type(self, name: str) -> None:
        if name not in self.types:
            raise NotFound.of(
                f"There is no resource type '{name[:64]}' in FHIR R4.{nearest(name, self.types)}", code="not-supported"
            )

    def _no_path(self, segments: Shape) -> NotFound:
        said, last = f"There is no path '/{'/'.join(segments)[:200]}' below the FHIR base.", segments[-1]
        levels = sorted({LEVELS[place] for place, literal in self._literals if literal == last})
        if last.startswith("$") and levels:
            said += f" {last} is {' and '.join(levels)}."
        elif last.startswith(("$", "_")):
            said += nearest(last, {literal for _, literal in self._literals})
        return NotFound.of(said, code="not-supported")

    def _not_an_id(self, text: str) -> BadRequest:
        return BadRequest.of(
            f"'{text[:80]}' is not an id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.' are allowed.", code="value"
        )


def _for_type(rows: Sequence[tuple[Interaction, Shape]], resource_type: str) -> Interaction:
    """The row for a resource type; several operations may share a path. Raises `NotFound`, naming the types."""
    for interaction, _ in rows:
        if not interaction.types or resource_type in interaction.types:
            return interaction
    interaction, template = rows[0]
    name = "compartment" if interaction.name == COMPARTMENT_SEARCH else template[-1]
    types = dict.fromkeys(each for interaction, _ in rows for each in interaction.types)
    raise NotFound.of(f"{resource_type} has no {name}; these have: {', '.join(types)}.", code="not-supported")


def perform(request: Request) -> Response:
    """Do what `request` asks. Raises what `check` and the handler raise."""
    check(request)
    return request.interaction.handler(request)


def check(request: Request) -> None:
    """Raises `Forbidden` when no scope grants the interaction on the type, `BadRequest` for an unknown parameter."""
    interaction = request.interaction
    permission = interaction.permission
    if permission is not None and request.type and request.caller.access(request.type, permission).denied:
        raise Forbidden.of(
            f"The token's scopes do not allow to {VERBS[permission]} {request.type}; "
            f"a scope such as user/{request.type}.{permission} would."
        )
    if request.parameters and interaction.parameters is not None and not request.lenient:
        for name, _ in request.parameters:
            if name not in interaction.parameters:
                allowed = ", ".join(interaction.parameters) or "none"
                raise BadRequest.of(
                    f"Unknown parameter '{name[:64]}' for {interaction.name}; known: {allowed}.",
                    f"http.{name[:64]}",
                    code="not-supported",
                )


def allow(methods: Iterable[str]) -> str:
    """The value of an Allow header for the routed methods of one path."""
    names = set(methods) | {"OPTIONS"}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


def _segments(path: str) -> Shape:
    path = path.strip("/")
    return tuple(path.split("/")) if path else ()
