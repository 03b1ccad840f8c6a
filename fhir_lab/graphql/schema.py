"""The fields of each type as GraphQL sees them, from the tables of FHIR 4.0.1.

https://hl7.org/fhir/R4/graphql.html#search. A type is the path that defines its elements: a resource, a datatype, or
`Observation.component`. Choices have one field for each type (`valueQuantity`), as JSON has.
"""

from dataclasses import dataclass
from functools import cache

from conformance import elements
from fhir_lab.search.registry import Registry

ANY = "Resource"
BACKBONE = ("BackboneElement", "Element")
# Fields that every resource has, so that they may be asked for before its type is known.
OF_ANY = ("id", "meta", "implicitRules", "language")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the type of its value, and whether it is a list. A `primitive` has no fields of its own."""

    name: str
    type: str
    repeated: bool
    primitive: bool


@cache
def fields_of(path: str) -> dict[str, Field]:
    """The fields of a type by name; of ANY those that every resource has. Empty for a type there is not."""
    if path == ANY:
        return {name: field for name, field in fields_of("Basic").items() if name in OF_ANY}
    table = elements().get(path.partition(".")[0], {"elements": {}})["elements"]
    found: dict[str, Field] = {}
    for element, entry in table.items():
        name = element[len(path) + 1 :]
        if not element.startswith(path + ".") or "." in name:
            continue
        for field in _fields(element, name, entry):
            found[field.name] = field
            if field.primitive:  # its id and extensions
                found["_" + field.name] = Field("_" + field.name, "Element", field.repeated, False)
    return found


def _fields(path: str, name: str, entry: dict[str, object]) -> list[Field]:
    repeated = str(entry["card"]).rpartition("..")[2] not in ("0", "1")
    if "sameAs" in entry:
        return [Field(name, str(entry["sameAs"]), repeated, False)]
    types = entry["types"]
    assert isinstance(types, list)
    names = [each if isinstance(each, str) else each[0] for each in types]
    if name.endswith("[x]"):
        base = name.removesuffix("[x]")
        return [Field(base + each[0].upper() + each[1:], each, repeated, _is_primitive(each)) for each in names]
    kind = path if names[0] in BACKBONE else names[0]
    return [Field(name, kind, repeated, _is_primitive(names[0]))]


def _is_primitive(name: str) -> bool:
    return name[:1].islower() or name == "xhtml"


def parameter_name(argument: str, registry: Registry, resource_type: str) -> str:
    """The search parameter that an argument means: GraphQL has no hyphens in names, so `_` may stand for one."""
    if argument in registry.of(resource_type) or argument.startswith("_"):
        return argument
    return argument.replace("_", "-")
