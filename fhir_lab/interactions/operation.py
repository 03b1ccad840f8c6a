"""Operations as data: from one entry come its routes, its line in the CapabilityStatement and its OperationDefinition.

https://hl7.org/fhir/R4/operations.html https://hl7.org/fhir/R4/operationdefinition.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_lab.interactions.message import Interaction, Request, Response
from fhir_lab.security.access import Permission

Json = dict[str, Any]
ANY = ("Resource",)  # of `on_type` and `on_instance`: every resource type
HL7 = "http://hl7.org/fhir/OperationDefinition/"
OURS = "http://fhir-lab.example/OperationDefinition/"
PRIMITIVE = frozenset(
    {
        *("base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer"),
        *("markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid"),
    }
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `OperationDefinition.parameter`.

    `type` is a FHIR datatype, a resource type or Resource, or empty for one that has `parts`; `max` is `*` or a number.
    `search_type` marks a string that is a search parameter of this kind.
    """

    name: str
    type: str
    documentation: str
    min: int = 0
    max: str = "1"
    use: str = "in"
    parts: "tuple[Parameter, ...]" = ()
    search_type: str = ""

    @property
    def primitive(self) -> bool:
        """True when a URL can carry it."""
        return self.type in PRIMITIVE


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `code` without the `$`, and the levels it works on.

    `on_type` and `on_instance` are resource types, or `ANY`. `affects_state` allows no GET. `permission` is what the
    scopes must grant on the type of the URL; None where the handler asks for it. With `search`, URL parameters that it
    does not declare are search parameters, which the handler judges. `media_type` is what it speaks where that is not
    FHIR: no Bundle can hold it. With `asynchronous` it may be answered by 202 and a job. `url` is the canonical URL of
    its definition; an operation that is ours alone has one of our own.
    """

    code: str
    handler: Callable[[Request], Response]
    id: str
    title: str
    description: str
    url: str = ""
    system: bool = False
    on_type: tuple[str, ...] = ()
    on_instance: tuple[str, ...] = ()
    affects_state: bool = False
    permission: Permission | None = None
    search: bool = False
    media_type: str = ""
    lines: bool = False
    asynchronous: bool = False
    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        if not self.url:
            object.__setattr__(self, "url", OURS + self.id)

    def rows(self) -> Iterator[Interaction]:
        """What is routed for it: POST on each level; GET where it changes nothing and a URL carries all it needs."""
        needs_body = any(parameter.min and not parameter.primitive for parameter in self.inputs.values())
        levels = ((ANY if self.system else (), ""), (self.on_type, "/{type}"), (self.on_instance, "/{type}/{id}"))
        for types, path in levels:
            if types:
                for method, content in _POST if self.affects_state or needs_body else _BOTH:
                    yield Interaction(
                        "operation",
                        method,
                        f"{path}/${self.code}",
                        self.handler,
                        self.permission if path else None,
                        parameters=None,
                        content=content,
                        types=() if types == ANY else types,
                        operation=self,
                    )

    @property
    def inputs(self) -> dict[str, Parameter]:
        """Its in-parameters by name."""
        return {parameter.name: parameter for parameter in self.parameters if parameter.use == "in"}

    def definition(self) -> Json:
        """Its OperationDefinition resource."""
        types = tuple(dict.fromkeys((*self.on_type, *self.on_instance)))
        return {
            "resourceType": "OperationDefinition",
            "id": self.id,
            "url": self.url,
            "version": "4.0.1",
            "name": "".join(word.capitalize() for word in self.title.split()),
            "title": self.title,
            "status": "active",
            "kind": "operation",
            "description": self.description,
            "affectsState": self.affects_state,
            "code": self.code,
            **({"resource": list(types)} if types else {}),
            "system": self.system,
            "type": bool(self.on_type),
            "instance": bool(self.on_instance),
            "parameter": [_described(parameter) for parameter in self.parameters],
        }


_POST = (("POST", "parameters"),)
_BOTH = (("GET", ""), *_POST)


def _described(parameter: Parameter) -> Json:
    found: Json = {
        "name": parameter.name,
        "use": parameter.use,
        "min": parameter.min,
        "max": parameter.max,
        "documentation": parameter.documentation,
    }
    if parameter.type:
        found["type"] = "Any" if parameter.type == "Resource" else parameter.type
    if parameter.search_type:
        found["searchType"] = parameter.search_type
    if parameter.parts:
        found["part"] = [{**_described(part), "use": parameter.use} for part in parameter.parts]
    return found
